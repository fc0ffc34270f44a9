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
from schemas.double_runs import fixed_type, runs, unpacked
from schemas.errors import RequestBodyError
from schemas.reasons import Reason
from schemas.request_columns import empty_columns
from schemas.request_frames import Group
from schemas.writer_plan import WriterPlan, flat_schema

_UNREADABLE = (EOFError, LookupError, OverflowError, TypeError, ValueError)


class FastavroBodies:
    """Bodies of one writer's schema to columns, row by row."""

    def __init__(self, plan: WriterPlan, features: pa.Schema) -> None:
        self._plan = plan
        self._features = features
        self._runs = [*runs([each == "double" for each in plan.types])]
        self._schema: Any = fastavro.parse_schema(json.loads(flat_schema(self._packed_types())))

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

    def _packed_types(self) -> list[Any]:
        """The plan's types, runs of doubles in one."""
        return [
            fixed_type(f"Run{start}", count=count, present_marks=False) if count > 1 else self._plan.types[start]
            for start, count in self._runs
        ]

    def _columns(self, rows: list[int], records: Sequence[Mapping[str, Any]]) -> RequestColumns:
        if not rows:
            return empty_columns(self._features)
        plan = self._plan
        values = self._values(records)
        features = [
            pa.nulls(len(rows), field.type) if position is None else _array(values[position], field.type)
            for position, field in zip(plan.features, self._features, strict=True)
        ]
        return RequestColumns(
            rows=np.array(rows, dtype=np.int64),
            request_ids=pa.array(values[plan.request_id], pa.string()),
            entity_ids=pa.array(values[plan.entity_id], pa.string()),
            event_times=np.array(values[plan.event_time], dtype=np.int64),
            features=pa.RecordBatch.from_arrays(features, schema=self._features),
        )

    def _values(self, records: Sequence[Mapping[str, Any]]) -> list[Any]:
        """For each of the plan's types its values, a list or an array."""
        columns: list[Any] = []
        for field, (_, count) in enumerate(self._runs):
            values = [record[f"c{field}"] for record in records]
            columns += list(unpacked(values, count)) if count > 1 else [values]
        return columns


def _array(values: Any, arrow_type: pa.DataType) -> pa.Array:
    if isinstance(values, list) and pa.types.is_float64(arrow_type):
        values = [None if value is None else float(value) for value in values]
    return pa.array(values, arrow_type, from_pandas=False)
