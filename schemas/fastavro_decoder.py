"""Reads request bodies one by one with fastavro, strictly: its verdict on a row is final.

`BodyCheck` refuses what fastavro would let pass; fastavro then makes the values.
"""

import io
import json
from collections.abc import Mapping, Sequence
from typing import Any

import fastavro
import numpy as np
import pyarrow as pa

from schemas.columns import Rejection, RequestColumns
from schemas.errors import RequestBodyError
from schemas.reasons import Reason
from schemas.request_columns import empty_columns
from schemas.request_frames import Group
from schemas.writer_plan import WriterPlan

_UNREADABLE = (EOFError, LookupError, OverflowError, TypeError, ValueError)


class FastavroBodies:
    """Bodies of one writer's schema to columns, row by row."""

    def __init__(self, plan: WriterPlan, features: pa.Schema) -> None:
        self._plan = plan
        self._features = features
        self._schema: Any = fastavro.parse_schema(json.loads(plan.schema))

    def decode(self, group: Group) -> tuple[RequestColumns, list[Rejection]]:
        """The columns of all rows that can be read, and the rejections of the others."""
        rows: list[int] = []
        records: list[Mapping[str, Any]] = []
        rejections: list[Rejection] = []
        for row, body in zip(group.rows, group.bodies, strict=True):
            try:
                records.append(self._read(body))
                rows.append(row)
            except RequestBodyError as error:
                rejections.append(Rejection(row=row, reason=error.reason, detail=error.detail))
        return self._columns(rows, records), rejections

    def _read(self, body: bytes) -> Mapping[str, Any]:
        stream = io.BytesIO(self._plan.check.kept(body))
        try:
            record: Any = fastavro.schemaless_reader(stream, self._schema)
        except _UNREADABLE as error:
            raise RequestBodyError(Reason.MALFORMED, repr(error)) from error
        assert isinstance(record, dict), record
        return record

    def _columns(self, rows: list[int], records: Sequence[Mapping[str, Any]]) -> RequestColumns:
        if not rows:
            return empty_columns(self._features)
        plan = self._plan
        features = [
            pa.nulls(len(rows), field.type) if position is None else self._feature(records, position, field.type)
            for position, field in zip(plan.features, self._features, strict=True)
        ]
        return RequestColumns(
            rows=np.array(rows, dtype=np.int64),
            request_ids=_array(records, f"c{plan.request_id}", pa.string()),
            entity_ids=_array(records, f"c{plan.entity_id}", pa.string()),
            event_times=np.array([record[f"c{plan.event_time}"] for record in records], dtype=np.int64),
            features=pa.RecordBatch.from_arrays(features, schema=self._features),
        )

    def _feature(self, records: Sequence[Mapping[str, Any]], position: int, arrow_type: pa.DataType) -> pa.Array:
        name = f"c{position}"
        if not pa.types.is_float64(arrow_type) or self._plan.types[position] in ("double", ["null", "double"]):
            return _array(records, name, arrow_type)
        values = [record[name] for record in records]
        return pa.array([None if value is None else float(value) for value in values], arrow_type)


def _array(records: Sequence[Mapping[str, Any]], name: str, arrow_type: pa.DataType) -> pa.Array:
    return pa.array([record[name] for record in records], arrow_type)
