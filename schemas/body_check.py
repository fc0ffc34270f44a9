"""Whether bytes are exactly one Avro record of a schema, byte for byte, as the specification has it.

A schema goes in, a check comes out. It knows no Avro library: what libraries let pass (bytes
left over, a boolean 7, a union index of -1, numbers written longer than needed, text that is
not UTF-8) is refused here, so that every decoder refuses the same.
"""

from collections.abc import Callable, Sequence
from itertools import groupby
from operator import itemgetter
from typing import Any

from schemas.errors import RequestBodyError
from schemas.reasons import Reason

Skip = Callable[[bytes, int], int]
"""Given a body and where a value starts, where it ends."""

FIXED_BYTES = {"null": 0, "float": 4, "double": 8}
INT_MAX = 2**31 - 1
LONG_MAX = 2**63 - 1


class BodyCheck:
    """The check for one record's values in wire order, each with its type and whether it is kept.

    Named types are spelled out where they stand (`writer_schema.spelled_out`).
    """

    def __init__(self, slots: Sequence[tuple[Any, bool]]) -> None:
        runs = [(kept, [each for each, _ in run]) for kept, run in groupby(slots, key=itemgetter(1))]
        self._runs = [(kept, _record(types)) for kept, types in runs]
        self.cuts = any(not kept for kept, _ in self._runs)

    def kept(self, body: bytes) -> bytes:
        """The kept values of a body, still encoded; the body itself where all are kept.

        Raises `RequestBodyError` unless the body is one such record, whole and alone.
        """
        start, ends = 0, []
        try:
            for _, skip in self._runs:
                start = skip(body, start)
                ends.append(start)
        except IndexError:
            start = len(body) + 1
        if start > len(body):
            raise RequestBodyError(Reason.TRUNCATED, f"{len(body)} bytes end before the record does")
        if start < len(body):
            raise RequestBodyError(Reason.TRAILING_BYTES, f"{len(body) - start} bytes are left after the record")
        if not self.cuts:
            return body
        starts = (0, *ends)
        return b"".join(
            body[begin:end] for (kept, _), begin, end in zip(self._runs, starts, ends, strict=False) if kept
        )


def is_empty(schema: Any) -> bool:
    """Whether values of the schema take no bytes, so that a few bytes could claim billions of them."""
    if isinstance(schema, dict):
        if schema["type"] == "record":
            return all(is_empty(field["type"]) for field in schema["fields"])
        return bool(schema["type"] == "fixed" and schema["size"] == 0)
    return bool(schema == "null")


def _skip(schema: Any) -> Skip:
    if isinstance(schema, list):
        return _union([_skip(branch) for branch in schema])
    if isinstance(schema, str):
        return _primitive(schema)
    match schema["type"]:
        case "record":
            skip = _record([field["type"] for field in schema["fields"]])
        case "enum":
            skip = _enum(len(schema["symbols"]))
        case "fixed":
            skip = _fixed(schema["size"])
        case "array":
            skip = _blocks(_skip(schema["items"]))
        case "map":
            skip = _blocks(_pair(_skip(schema["values"])))
    return skip


def _primitive(kind: str) -> Skip:
    if kind in FIXED_BYTES:
        return _fixed(FIXED_BYTES[kind])
    skips: dict[str, Skip] = {"boolean": _boolean, "int": _int, "long": _long, "string": _string, "bytes": _bytes}
    return skips[kind]


def _record(types: list[Any]) -> Skip:
    """Fields one after the other; neighbors of fixed width are skipped in one step, or in one loop."""
    skips: list[Skip] = []
    for (width, optional), run in groupby(types, key=_width):
        count = len(alike := list(run))
        if width is None:
            skips += [_skip(each) for each in alike]
        else:
            skips.append(_optionals(count, width) if optional else _fixed(count * width))
    if len(skips) == 1:
        return skips[0]

    def skip(body: bytes, start: int) -> int:
        for each in skips:
            start = each(body, start)
        return start

    return skip


def _width(schema: Any) -> tuple[int | None, bool]:
    """The bytes that every value takes, None where they differ; and whether null may stand instead."""
    if isinstance(schema, list) and len(schema) == 2 and schema[0] == "null" and isinstance(schema[1], str):
        width = FIXED_BYTES.get(schema[1])
        return width, width is not None
    return (FIXED_BYTES.get(schema), False) if isinstance(schema, str) else (None, False)


def _optionals(count: int, width: int) -> Skip:
    """Neighbors of ["null", type], the type of fixed width."""
    present = 1 + width

    def skip(body: bytes, start: int) -> int:
        for _ in range(count):
            byte = body[start]
            if byte == 2:
                start += present
            elif byte == 0:
                start += 1
            else:
                raise _malformed(f"branch {_number(body, start)[0]} of a union with 2", start)
        return start

    return skip


def _fixed(width: int) -> Skip:
    return lambda _, start: start + width


def _boolean(body: bytes, start: int) -> int:
    if body[start] > 1:
        raise _malformed(f"{body[start]} is no boolean", start)
    return start + 1


def _int(body: bytes, start: int) -> int:
    value, end = _number(body, start)
    if not -INT_MAX - 1 <= value <= INT_MAX:
        raise _malformed(f"{value} is no 32-bit integer", start)
    return end


def _long(body: bytes, start: int) -> int:
    return _number(body, start)[1]


def _string(body: bytes, start: int) -> int:
    at, end = _span(body, start)
    text = body[at:end]
    if not text.isascii():
        try:
            text.decode()
        except UnicodeDecodeError as error:
            raise _malformed(f"text is not UTF-8 ({error.reason})", at + error.start) from error
    return end


def _bytes(body: bytes, start: int) -> int:
    return _span(body, start)[1]


def _span(body: bytes, start: int) -> tuple[int, int]:
    """Where text or bytes begin and end, after their length."""
    byte = body[start]
    length, at = (byte >> 1, start + 1) if byte < 0x80 and not byte & 1 else _number(body, start)
    if length < 0:
        raise _malformed(f"a length of {length}", start)
    if at + length > len(body):
        raise IndexError
    return at, at + length


def _enum(symbols: int) -> Skip:
    def skip(body: bytes, start: int) -> int:
        index, end = _number(body, start)
        if not 0 <= index < symbols:
            raise _malformed(f"symbol {index} of an enum with {symbols}", start)
        return end

    return skip


def _union(branches: list[Skip]) -> Skip:
    def skip(body: bytes, start: int) -> int:
        index, end = _number(body, start)
        if not 0 <= index < len(branches):
            raise _malformed(f"branch {index} of a union with {len(branches)}", start)
        return branches[index](body, end)

    return skip


def _pair(value: Skip) -> Skip:
    return lambda body, start: value(body, _string(body, start))


def _blocks(item: Skip) -> Skip:
    def skip(body: bytes, start: int) -> int:
        while True:
            count, start = _number(body, start)
            if count == 0:
                return start
            end = None
            if count < 0:
                size, start = _number(body, start)
                count, end = -count, start + size
            for _ in range(count):
                start = item(body, start)
            if end is not None and start != end:
                raise _malformed("a block is not as long as it says", start)

    return skip


def _number(body: bytes, start: int) -> tuple[int, int]:
    """A zigzag number and where it ends; written as short as it can be."""
    byte = body[start]
    if byte < 0x80:
        return (byte >> 1) ^ -(byte & 1), start + 1
    value, shift, at = byte & 0x7F, 7, start + 1
    while True:
        byte = body[at]
        value |= (byte & 0x7F) << shift
        at += 1
        if byte < 0x80:
            break
        shift += 7
        if shift > 63:
            raise _malformed("a number of more than 64 bits", start)
    if byte == 0 or value > 2 * LONG_MAX + 1:
        raise _malformed("a number that is not written as Avro writes it", start)
    return (value >> 1) ^ -(value & 1), at


def _malformed(detail: str, at: int) -> RequestBodyError:
    return RequestBodyError(Reason.MALFORMED, f"{detail}, at byte {at} of the body")
