"""The Confluent framing: byte 0, the schema id in four bytes big-endian, then the Avro body.

Every value on penstock's topics starts so; anything else was written by something else.
"""

import struct

from schemas.errors import EventDecodeError
from schemas.reasons import Reason

MAGIC_BYTE = 0
PREFIX_BYTES = 5
_PREFIX = struct.Struct(">BI")


def prefix(schema_id: int) -> bytes:
    """The five bytes in front of every body written with that schema."""
    return _PREFIX.pack(MAGIC_BYTE, schema_id)


def frame(schema_id: int, body: bytes) -> bytes:
    """Put the frame in front of an Avro body.

    >>> frame(7, b"x").hex()
    '000000000778'
    """
    return _PREFIX.pack(MAGIC_BYTE, schema_id) + body


def unframe(value: bytes) -> tuple[int, bytes]:
    """Schema id and body of a framed value. Raises `EventDecodeError`.

    >>> unframe(frame(7, b"x"))
    (7, b'x')
    """
    if len(value) < PREFIX_BYTES:
        raise EventDecodeError(
            f"{len(value)} bytes are too few for a frame of {PREFIX_BYTES}",
            reason=Reason.TRUNCATED if value else Reason.EMPTY_VALUE,
        )
    magic, schema_id = _PREFIX.unpack_from(value)
    if magic != MAGIC_BYTE:
        raise EventDecodeError(
            f"first byte is {magic}, not {MAGIC_BYTE}: not framed with a schema id", reason=Reason.BAD_MAGIC_BYTE
        )
    return schema_id, value[PREFIX_BYTES:]
