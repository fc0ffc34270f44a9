"""Predictions as columns to framed Avro bytes, whole batches at once or one by one, byte for byte the same."""

import io
import json
from collections.abc import Callable, Sequence
from itertools import repeat
from typing import Any, Literal

import fastavro
import numpy as np
import pyarrow as pa
import pyruhvro

from schemas.columns import PredictionColumns
from schemas.framing import prefix
from schemas.request_columns import features_schema
from schemas.request_schema import features_of

ROWS_MIN = 16
"""Below this many rows the fixed cost of a batch is more than writing row by row."""


class PredictionEncoder:
    """Encodes predictions with one prediction schema; a feature that it lacks is left out."""

    def __init__(self, kind: Literal["arrow", "fastavro"], *, schema_id: int, schema: str) -> None:
        self._head = prefix(schema_id)
        self._rows_min = ROWS_MIN if kind == "arrow" else None
        self._features = features_schema(features_of(schema))
        parsed = json.loads(schema)
        self._names = [field["name"] for field in parsed["fields"]]
        self._wire = json.dumps(_without_logical_types(parsed))
        self._parsed: Any = fastavro.parse_schema(json.loads(self._wire))

    def encode(self, columns: PredictionColumns) -> list[bytes]:
        """One framed value for each prediction, in order."""
        rows = len(columns.requests.rows)
        if rows == 0:
            return []
        if self._rows_min is None or rows < self._rows_min:
            return self._one_by_one(columns)
        return self._at_once(columns)

    def _at_once(self, columns: PredictionColumns) -> list[bytes]:
        values = {**_values(columns), "features": self._aligned(columns.requests.features)}
        arrays = [_array(name, values[name], len(columns.requests.rows)) for name in self._names]
        batch = pa.RecordBatch.from_arrays(arrays, names=self._names)
        head = self._head
        (bodies,) = pyruhvro.serialize_record_batch(batch, self._wire, 1)
        return [head + body for body in bodies.to_pylist()]

    def _one_by_one(self, columns: PredictionColumns) -> list[bytes]:
        values = {**_values(columns), "features": self._aligned(columns.requests.features).to_pylist()}
        lists = [_list(values[name], len(columns.requests.rows)) for name in self._names]
        return [self._encoded(dict(zip(self._names, row, strict=True))) for row in zip(*lists, strict=True)]

    def _encoded(self, record: dict[str, Any]) -> bytes:
        buffer = io.BytesIO()
        buffer.write(self._head)
        fastavro.schemaless_writer(buffer, self._parsed, record)
        return buffer.getvalue()

    def _aligned(self, features: pa.RecordBatch) -> pa.StructArray:
        """The features in the schema's order; null where the request had no such column."""
        known = set(features.schema.names)
        arrays = [
            features.column(field.name) if field.name in known else pa.nulls(features.num_rows, field.type)
            for field in self._features
        ]
        return pa.StructArray.from_arrays(arrays, fields=list(self._features))
