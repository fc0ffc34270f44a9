"""Predictions as columns to framed Avro bytes: a whole batch at once, or one by one, byte for byte the same."""

import io
import json
from itertools import pairwise
from typing import Any, Literal

import fastavro
import pyarrow as pa
import pyruhvro

from schemas.columns import PredictionColumns
from schemas.double_runs import fixed_type, packed, runs
from schemas.framing import prefix
from schemas.request_columns import features_schema
from schemas.request_schema import features_of, without_logical_types

ROWS_MIN = 16
"""Below this many rows the fixed cost of a batch is more than writing row by row."""
SCHEMAS_MAX = 64
"""Ways of packing doubles kept ready; which columns are dense may change from batch to batch."""


class PredictionEncoder:
    """Encodes predictions with one prediction schema.

    Features that the schema lacks are left out, and those that the requests lack are null.
    """

    def __init__(self, kind: Literal["arrow", "fastavro"], *, schema_id: int, schema: str) -> None:
        self._kind = kind
        self._head = prefix(schema_id)
        self._features = features_schema(features_of(schema))
        self._wire = without_logical_types(schema)
        self._schemas: dict[tuple[bool, ...], Any] = {}
        self._names = [field["name"] for field in json.loads(schema)["fields"]]

    def encode(self, columns: PredictionColumns) -> list[bytes]:
        """One framed value for each prediction, in order."""
        if self._kind == "arrow" and len(columns.scores) >= ROWS_MIN:
            return self._at_once(columns)
        return self._one_by_one(columns)

    def _at_once(self, columns: PredictionColumns) -> list[bytes]:
        arrays = _arrays(columns) | {"features": self._aligned(columns.requests.features)}
        batch = pa.RecordBatch.from_arrays([arrays[name] for name in self._names], names=self._names)
        (bodies,) = pyruhvro.serialize_record_batch(batch, self._wire, 1)
        head = self._head
        return [head + body for body in bodies.to_pylist()]

    def _one_by_one(self, columns: PredictionColumns) -> list[bytes]:
        features = self._aligned(columns.requests.features).flatten()
        dense = tuple(pa.types.is_float64(each.type) and each.null_count == 0 for each in features)
        values = {name: listed(array) for name, array in _arrays(columns).items()}
        values["features"] = self._echoed(features, dense)
        schema = self._schema(dense)
        rows = zip(*(values[name] for name in self._names), strict=True)
        return self._written([dict(zip(self._names, row, strict=True)) for row in rows], schema)

    def _echoed(self, features: list[pa.Array], dense: tuple[bool, ...]) -> list[dict[str, Any]]:
        """The features of each row, runs of doubles in one under the name of the first."""
        names = [self._features.names[start] for start, _ in runs(dense)]
        columns = [
            packed([each.to_numpy() for each in features[start : start + count]])
            if dense[start]
            else listed(features[start])
            for start, count in runs(dense)
        ]
        return [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]

    def _schema(self, dense: tuple[bool, ...]) -> Any:
        """The schema that writes the same bytes when the dense features come as runs of doubles."""
        if dense not in self._schemas:
            if len(self._schemas) >= SCHEMAS_MAX:
                self._schemas.clear()
            self._schemas[dense] = fastavro.parse_schema(_with_runs(self._wire, dense))
        return self._schemas[dense]

    def _written(self, records: list[dict[str, Any]], schema: Any) -> list[bytes]:
        buffer, ends = io.BytesIO(), [0]
        for record in records:
            buffer.write(self._head)
            fastavro.schemaless_writer(buffer, schema, record)
            ends.append(buffer.tell())
        whole = buffer.getvalue()
        return [whole[start:end] for start, end in pairwise(ends)]

    def _aligned(self, features: pa.RecordBatch) -> pa.StructArray:
        """The features in the schema's order."""
        known = set(features.schema.names)
        arrays = [
            features.column(field.name) if field.name in known else pa.nulls(features.num_rows, field.type)
            for field in self._features
        ]
        return pa.StructArray.from_arrays(arrays, fields=list(self._features))


def _with_runs(wire: str, dense: tuple[bool, ...]) -> dict[str, Any]:
    schema: dict[str, Any] = json.loads(wire)
    (features,) = (field["type"] for field in schema["fields"] if field["name"] == "features")
    fields = [features["fields"][start] for start, _ in runs(dense)]
    features["fields"] = [
        {"name": field["name"], "type": fixed_type(f"Run{start}", count=count, present_marks=True)}
        if dense[start]
        else field
        for field, (start, count) in zip(fields, runs(dense), strict=True)
    ]
    return schema


def listed(column: pa.Array) -> list[Any]:
    """The column as Python values; through numpy, which is many times faster than one by one."""
    if pa.types.is_list(column.type):
        return list(column.to_pylist())
    if column.null_count == 0 or pa.types.is_string(column.type) or pa.types.is_boolean(column.type):
        return list(column.to_numpy(zero_copy_only=False).tolist())
    present = column.is_valid().to_numpy(zero_copy_only=False).tolist()
    values = column.fill_null(0).to_numpy().tolist()
    return [value if there else None for value, there in zip(values, present, strict=True)]


def _arrays(columns: PredictionColumns) -> dict[str, pa.Array]:
    """Every field but the features."""
    rows = len(columns.scores)
    requests = columns.requests
    return {
        "request_id": requests.request_ids,
        "entity_id": requests.entity_ids,
        "model": pa.repeat(pa.scalar(columns.model), rows),
        "version": pa.array(columns.versions, pa.string()),
        "arm": pa.array(columns.arms, pa.string()),
        "role": pa.repeat(pa.scalar(columns.role), rows),
        "bucket": pa.array(columns.buckets, pa.int64()),
        "generation": pa.repeat(pa.scalar(columns.generation, pa.int64()), rows),
        "score": pa.array(columns.scores, pa.float64(), from_pandas=False),
        "label": pa.array(columns.labels, pa.string()),
        "probabilities": pa.array(columns.probabilities, pa.list_(pa.float64()), from_pandas=False),
        "event_time": pa.array(requests.event_times, pa.int64()),
        "requested_at": pa.array(columns.requested_at, pa.int64()),
        "scored_at": pa.repeat(pa.scalar(columns.scored_at, pa.int64()), rows),
        "source_partition": pa.array(columns.partitions, pa.int64()),
        "source_offset": pa.array(columns.offsets, pa.int64()),
    }
