"""Predictions as columns to framed Avro bytes: a whole batch at once, or one by one, byte for byte the same."""

import io
import json
from typing import Any, Literal

import fastavro
import pyarrow as pa
import pyruhvro

from schemas.columns import PredictionColumns
from schemas.framing import prefix
from schemas.request_columns import features_schema
from schemas.request_schema import features_of, without_logical_types

ROWS_MIN = 16
"""Below this many rows the fixed cost of a batch is more than writing row by row."""


class PredictionEncoder:
    """Encodes predictions with one prediction schema.

    Features that the schema lacks are left out, and those that the requests lack are null.
    """

    def __init__(self, kind: Literal["arrow", "fastavro"], *, schema_id: int, schema: str) -> None:
        self._kind = kind
        self._head = prefix(schema_id)
        self._features = features_schema(features_of(schema))
        self._wire = without_logical_types(schema)
        self._parsed: Any = fastavro.parse_schema(json.loads(self._wire))
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
        arrays = _arrays(columns) | {"features": self._aligned(columns.requests.features)}
        rows = zip(*(arrays[name].to_pylist() for name in self._names), strict=True)
        return [self._encoded(dict(zip(self._names, row, strict=True))) for row in rows]

    def _encoded(self, record: dict[str, Any]) -> bytes:
        buffer = io.BytesIO()
        buffer.write(self._head)
        fastavro.schemaless_writer(buffer, self._parsed, record)
        return buffer.getvalue()

    def _aligned(self, features: pa.RecordBatch) -> pa.StructArray:
        """The features in the schema's order."""
        known = set(features.schema.names)
        arrays = [
            features.column(field.name) if field.name in known else pa.nulls(features.num_rows, field.type)
            for field in self._features
        ]
        return pa.StructArray.from_arrays(arrays, fields=list(self._features))


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
