"""Reads whole batches of request bodies with pyruhvro, and trusts no row that it can't vouch for.

pyruhvro is exact for plain types, yet lets pass bytes that are left over and numbers written
longer than needed. Both make a body longer than its values need, so a row is taken only when
its length is the one that its values have in Avro. Every other row, and every batch that
pyruhvro refuses, goes to the strict row reader.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyruhvro

from schemas.columns import Rejection, RequestColumns
from schemas.errors import RequestBodyError
from schemas.fastavro_decoder import FastavroBodies
from schemas.request_columns import joined
from schemas.request_frames import Group
from schemas.writer_plan import WriterPlan

ROWS_MIN = 16
"""Below this many rows the fixed cost of a batch is more than reading row by row."""

Lengths = npt.NDArray[np.int64]
_VARINT_STEPS = np.array([1 << (7 * bytes_) for bytes_ in range(1, 10)], dtype=np.uint64)
_VARINT_BYTES_MAX = 10


class ArrowBodies:
    """Bodies of one writer's schema to columns, a batch at a time."""

    def __init__(self, plan: WriterPlan, features: pa.Schema) -> None:
        self._plan = plan
        self._features = features
        self._strict = FastavroBodies(plan, features)

    def decode(self, group: Group) -> tuple[RequestColumns, list[Rejection]]:
        """As `FastavroBodies.decode`, with the same columns, rows and reasons."""
        if not self._plan.plain or len(group.rows) < ROWS_MIN:
            return self._strict.decode(group)
        if not self._plan.check.cuts:
            batch = deserialized(group.bodies, self._plan.schema)
            if batch is not None:
                return self._vouched(group, batch)
        return self._sifted(group)

    def _sifted(self, group: Group) -> tuple[RequestColumns, list[Rejection]]:
        """Check each body first: the others' batch can be read, or is read row by row."""
        good, kept = Group(), []
        rejections = []
        for row, body in zip(group.rows, group.bodies, strict=True):
            try:
                kept.append(self._plan.check.kept(body))
            except RequestBodyError as error:
                rejections.append(Rejection(row=row, reason=error.reason, detail=error.detail))
                continue
            good.rows.append(row)
            good.bodies.append(body)
        batch = deserialized(kept, self._plan.schema) if kept else None
        columns, refused = self._strict.decode(good) if batch is None else (self._columns(good.rows, batch), [])
        return columns, rejections + refused

    def _vouched(self, group: Group, batch: pa.RecordBatch) -> tuple[RequestColumns, list[Rejection]]:
        """Take the rows whose length is right; the strict reader judges the others."""
        lengths = np.fromiter(map(len, group.bodies), dtype=np.int64, count=len(group.bodies))
        doubted = np.flatnonzero(needed_bytes(batch) != lengths)
        columns = self._columns(group.rows, batch)
        if not len(doubted):
            return columns, []
        judged, rejections = self._strict.decode(
            Group([group.rows[each] for each in doubted], [group.bodies[each] for each in doubted])
        )
        trusted = columns.take(np.setdiff1d(np.arange(len(group.rows)), doubted))
        return joined([trusted, judged], self._features), rejections

    def _columns(self, rows: Sequence[int], batch: pa.RecordBatch) -> RequestColumns:
        plan = self._plan
        features = [
            pa.nulls(len(rows), field.type) if position is None else _as(batch.column(position), field.type)
            for position, field in zip(plan.features, self._features, strict=True)
        ]
        return RequestColumns(
            rows=np.array(rows, dtype=np.int64),
            request_ids=batch.column(plan.request_id),
            entity_ids=batch.column(plan.entity_id),
            event_times=_values(batch.column(plan.event_time)),
            features=pa.RecordBatch.from_arrays(features, schema=self._features),
        )


def deserialized(bodies: list[bytes], schema: str) -> pa.RecordBatch | None:
    """The batch, or None when pyruhvro or Arrow's own check (UTF-8) refuse it."""
    try:
        batch = pyruhvro.deserialize_array(bodies, schema)
        batch.validate(full=True)
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException:  # noqa: BLE001 - a panic in Rust arrives as a BaseException of no importable class
        return None
    return batch


def _as(column: pa.Array, arrow_type: pa.DataType) -> pa.Array:
    """A long that feeds a number becomes a double, the nearest one beyond 2^53."""
    return column if column.type == arrow_type else column.cast(arrow_type, safe=False)


def needed_bytes(batch: pa.RecordBatch) -> Lengths:
    """How many bytes each row's values need in Avro; -1 where that can't be told for sure."""
    total = np.zeros(batch.num_rows, dtype=np.int64)
    unsure = np.zeros(batch.num_rows, dtype=np.bool_)
    for column, field in zip(batch.columns, batch.schema, strict=True):
        width = _width(column)
        if isinstance(width, np.ndarray) and pa.types.is_int64(column.type):
            unsure |= width >= _VARINT_BYTES_MAX
        if field.nullable:
            total += 1
            if column.null_count:
                width = width * column.is_valid().to_numpy(zero_copy_only=False)
        total += width
    total[unsure] = -1
    return total


def _width(column: pa.Array) -> Lengths | int:
    """Bytes of each value but for null; a number of ten bytes may have lost bits, so it is told apart."""
    kind: Any = column.type
    if pa.types.is_float64(kind):
        return 8
    if pa.types.is_boolean(kind):
        return 1
    if pa.types.is_int64(kind):
        return varint_bytes(_values(column))
    offsets = np.frombuffer(column.buffers()[1], dtype=np.int32)[column.offset :][: len(column) + 1]
    lengths = np.diff(offsets).astype(np.int64)
    return lengths + varint_bytes(lengths)


def varint_bytes(values: npt.NDArray[np.int64]) -> Lengths:
    zigzag = ((values << 1) ^ (values >> 63)).view(np.uint64)
    return np.searchsorted(_VARINT_STEPS, zigzag, side="right").astype(np.int64) + 1


def _values(column: pa.Array) -> npt.NDArray[np.int64]:
    """The numbers of a long column; whatever stands there under a null."""
    return np.frombuffer(column.buffers()[1], dtype=np.int64)[column.offset :][: len(column)]
