"""Requests as bytes on disk and back."""

import struct
from collections.abc import Sequence

import orjson

from streams.outcomes.request import Kept, Request, Truth

_HEAD = struct.Struct(">qHB")
_KEPT = struct.Struct(">qHI")


def to_bytes(request: Request) -> bytes:
    """The request, which `from_bytes` gives back.

    >>> kept = Kept("live", 5, b"bytes")
    >>> request = Request(7, Truth(0, 5, "late", None, 1.5, 8, 9), (kept,))
    >>> from_bytes(to_bytes(request)) == request
    True
    """
    truth = b"" if request.truth is None else orjson.dumps(request.truth[:])
    parts = [_HEAD.pack(request.since, len(truth), len(request.predictions)), truth]
    for kept in request.predictions:
        ident = kept.ident.encode()
        parts += (_KEPT.pack(kept.position, len(ident), len(kept.value)), ident, kept.value)
    return b"".join(parts)


def from_bytes(content: bytes) -> Request:
    since, truth_bytes, predictions = _HEAD.unpack_from(content)
    at = _HEAD.size + truth_bytes
    truth = _truth(orjson.loads(content[_HEAD.size : at])) if truth_bytes else None
    kept = []
    for _ in range(predictions):
        position, ident_bytes, value_bytes = _KEPT.unpack_from(content, at)
        at += _KEPT.size
        ident = content[at : at + ident_bytes].decode()
        at += ident_bytes
        kept.append(Kept(ident, position, content[at : at + value_bytes]))
        at += value_bytes
    return Request(since, truth, tuple(kept))


def _truth(fields: Sequence[object]) -> Truth:
    """A value keeps its type: JSON tells a text from a number, and 1.0 is written as 1.0."""
    return Truth(*fields)  # type: ignore[arg-type]  # as they were written
