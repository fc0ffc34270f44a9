"""Framed labels to events, many at once.

As with requests, pyruhvro reads a batch and a row is taken only when its length is the one that
its values have in Avro; every other row, and labels of any other schema than ours, are read one by one.
"""

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from schemas.arrow_decoder import ROWS_MIN, Lengths, deserialized, needed_bytes, varint_bytes
from schemas.body_check import INT_MAX
from schemas.codec import EventCodec, event_schema
from schemas.errors import EventDecodeError
from schemas.events import Label
from schemas.framing import PREFIX_BYTES
from schemas.prediction_encoder import listed

LabelOrError = Label | EventDecodeError
_NULL, _TEXT, _NUMBER = range(3)


class LabelReader:
    """Reads labels; those written with our schema many at once."""

    def __init__(self, codec: EventCodec) -> None:
        self._codec = codec
        self._schema = _long_revisions(event_schema(Label))
        self._names = [field["name"] for field in json.loads(self._schema)["fields"]]
        self._label_at = self._names.index("label")

    def read(self, values: Sequence[bytes | None]) -> list[LabelOrError]:
        """Each label, or why a value is none, in order.

        Raises `SchemaRegistryUnavailableError` when it can be told later.
        """
        found: list[LabelOrError | None] = [None] * len(values)
        ours = self._codec.prefix_of(Label)
        rows = [row for row, value in enumerate(values) if value is not None and value[:PREFIX_BYTES] == ours]
        if len(rows) >= ROWS_MIN:
            labels = self._at_once([(values[row] or b"")[PREFIX_BYTES:] for row in rows])
            for row, label in zip(rows, labels, strict=True):
                found[row] = label
        return [self._one(value) if each is None else each for value, each in zip(values, found, strict=True)]

    def _one(self, value: bytes | None) -> LabelOrError:
        try:
            return self._codec.decode(Label, value)
        except EventDecodeError as error:
            return error

    def _at_once(self, bodies: list[bytes]) -> list[Label | None]:
        """Each body's label, None where it must be read by itself."""
        batch = deserialized(bodies, self._schema)
        if batch is None:
            return [None] * len(bodies)
        lengths = np.fromiter(map(len, bodies), dtype=np.int64, count=len(bodies))
        vouched = (self._needed_bytes(batch) == lengths).tolist()
        columns = [
            _answers(column) if position == self._label_at else listed(column)
            for position, column in enumerate(batch.columns)
        ]
        names = self._names
        return [
            Label(**dict(zip(names, row, strict=True))) if good else None
            for good, row in zip(vouched, zip(*columns, strict=True), strict=True)
        ]

    def _needed_bytes(self, batch: pa.RecordBatch) -> Lengths:
        """Bytes of each row; -1 where that can't be told for sure, or the revision is no 32-bit number."""
        plain = [position for position in range(batch.num_columns) if position != self._label_at]
        total = needed_bytes(batch.select(plain))
        revisions = batch.column(self._names.index("revision")).to_numpy()
        sure = (total >= 0) & (revisions <= INT_MAX) & (revisions >= -INT_MAX - 1)
        return np.where(sure, total + _answer_bytes(batch.column(self._label_at)), -1)


def _long_revisions(schema: str) -> str:
    """The schema with `long` for `int`, which lie on the wire alike, and pyruhvro lets an `int` wrap around."""
    record: dict[str, Any] = json.loads(schema)
    for field in record["fields"]:
        field.pop("default", None)
        if field["type"] == "int":
            field["type"] = "long"
    return json.dumps(record)


def _answers(column: pa.UnionArray) -> list[str | float | None]:
    """The union's values: nothing, a text or a number."""
    codes = column.type_codes.to_numpy()
    texts = list(column.field(_TEXT).to_numpy(zero_copy_only=False).tolist())
    if not (codes != _TEXT).any():
        return texts
    numbers = listed(column.field(_NUMBER))
    choices = zip(codes.tolist(), texts, numbers, strict=True)
    return [None if code == _NULL else text if code == _TEXT else number for code, text, number in choices]


def _answer_bytes(column: pa.UnionArray) -> Lengths:
    """One byte for the branch, and what its value takes."""
    codes = column.type_codes.to_numpy()
    texts = column.field(_TEXT)
    offsets = np.frombuffer(texts.buffers()[1], dtype=np.int32)[texts.offset :][: len(texts) + 1]
    widths = np.diff(offsets).astype(np.int64)
    text_bytes = widths + varint_bytes(widths)
    return 1 + np.where(codes == _TEXT, text_bytes, np.where(codes == _NUMBER, 8, 0))
