"""Reads whole batches of prediction bodies with pyruhvro; what it can't vouch for it leaves open.

A record inside a record takes no bytes of its own, so a prediction lies on the wire as one flat
row. As with requests, a row is taken only when its length is the one that its values have in
Avro; every other row is for the reader that reads one by one.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from schemas.arrow_decoder import Lengths, deserialized, needed_bytes, varint_bytes
from schemas.prediction_encoder import listed
from schemas.writer_plan import is_plain

DOUBLES = {"type": "array", "items": "double"}


@dataclass(frozen=True, slots=True, kw_only=True)
class PredictionRows:
    """How bodies of one prediction schema become dicts.

    `schema`: the flat record as Avro. `names`: the fields of a prediction in order, of which the
    one at `features_at` is the record of the fields `features`. `lists`: which fields of the flat
    record are arrays.
    """

    schema: str
    names: tuple[str, ...]
    features: tuple[str, ...]
    features_at: int
    lists: tuple[int, ...]

    def read(self, bodies: list[bytes]) -> list[dict[str, Any] | None]:
        """Each body's fields, None where the body must be read by itself."""
        batch = deserialized(bodies, self.schema)
        if batch is None:
            return [None] * len(bodies)
        lengths = np.fromiter(map(len, bodies), dtype=np.int64, count=len(bodies))
        vouched = (self._needed_bytes(batch) == lengths).tolist()
        rows = zip(vouched, zip(*self._columns(batch), strict=True), strict=True)
        return [dict(zip(self.names, row, strict=True)) if good else None for good, row in rows]

    def columns(self, bodies: list[bytes], names: Sequence[str]) -> tuple[dict[str, list[Any]], list[bool]]:
        """Each body's named fields, and whether they can be trusted; where not, the body must be read by itself."""
        batch = deserialized(bodies, self.schema)
        if batch is None:
            return {name: [None] * len(bodies) for name in names}, [False] * len(bodies)
        lengths = np.fromiter(map(len, bodies), dtype=np.int64, count=len(bodies))
        vouched: list[bool] = (self._needed_bytes(batch) == lengths).tolist()
        return {name: listed(batch.column(self._position(name))) for name in names}, vouched

    def _position(self, name: str) -> int:
        position = self.names.index(name)
        return position if position < self.features_at else position + len(self.features) - 1

    def _columns(self, batch: pa.RecordBatch) -> list[list[Any]]:
        columns = [listed(column) for column in batch.columns]
        start, end = self.features_at, self.features_at + len(self.features)
        names = self.features
        features = [dict(zip(names, row, strict=True)) for row in zip(*columns[start:end], strict=True)]
        return [*columns[:start], features, *columns[end:]]

    def _needed_bytes(self, batch: pa.RecordBatch) -> Lengths:
        plain = [position for position in range(batch.num_columns) if position not in self.lists]
        total = needed_bytes(batch.select(plain))
        for position in self.lists:
            total = np.where(total < 0, total, total + _list_bytes(batch.column(position), batch.field(position)))
        return total


def plan_rows(schema: Any) -> PredictionRows | None:
    """The plan for a prediction schema, None where a field is of a kind that only the other reader knows."""
    names: list[str] = []
    types: list[Any] = []
    features: tuple[str, ...] = ()
    features_at = -1
    for field in schema["fields"]:
        names.append(field["name"])
        if isinstance(field["type"], dict) and field["type"].get("type") == "record":
            if features_at >= 0:
                return None
            features_at = len(types)
            features = tuple(inner["name"] for inner in field["type"]["fields"])
            types += [inner["type"] for inner in field["type"]["fields"]]
        else:
            types.append(field["type"])
    lists = tuple(position for position, each in enumerate(types) if _is_doubles(each))
    if not features or not all(is_plain(each) or position in lists for position, each in enumerate(types)):
        return None
    return PredictionRows(
        schema=_flat(types), names=tuple(names), features=features, features_at=features_at, lists=lists
    )


def _is_doubles(avro_type: Any) -> bool:
    branches = avro_type if isinstance(avro_type, list) else [avro_type]
    arrays = [branch for branch in branches if branch != "null"]
    return len(arrays) == 1 and branches in (["null", DOUBLES], [DOUBLES]) and arrays == [DOUBLES]


def _flat(types: Sequence[Any]) -> str:
    fields = [{"name": f"c{position}", "type": each} for position, each in enumerate(types)]
    return json.dumps({"type": "record", "name": "Row", "fields": fields})


def _list_bytes(column: pa.Array, field: pa.Field) -> Lengths:
    """Bytes of arrays of doubles as one block: its count, its items, and a zero; an empty one is the zero."""
    offsets = np.frombuffer(column.buffers()[1], dtype=np.int32)[column.offset :][: len(column) + 1]
    counts = np.diff(offsets).astype(np.int64)
    width = np.where(counts > 0, varint_bytes(counts) + 8 * counts + 1, 1)
    if field.nullable:
        width = 1 + width * column.is_valid().to_numpy(zero_copy_only=False)
    return width
