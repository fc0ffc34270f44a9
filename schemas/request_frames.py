"""The frames of a batch of requests: bodies grouped by their writer's schema id.

Pure: values in, groups and the rejections of values without a proper frame out.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from schemas.columns import Rejection
from schemas.framing import MAGIC_BYTE, PREFIX_BYTES
from schemas.reasons import Reason


@dataclass(frozen=True, slots=True)
class Group:
    """The bodies written with one schema, and their rows in the batch, ascending."""

    rows: list[int] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)


def group_frames(values: Sequence[bytes | None], value_bytes_max: int) -> tuple[dict[int, Group], list[Rejection]]:
    """Bodies by schema id, and a rejection for each value that has no frame or is too long.

    Neighbors mostly have the same frame: a value that starts as the one before is looked at no further.
    """
    groups: dict[bytes, Group] = {}
    rejections: list[Rejection] = []
    head, group = b"?", Group()
    for row, value in enumerate(values):
        if value is not None and value.startswith(head) and len(value) <= value_bytes_max:
            group.rows.append(row)
            group.bodies.append(value[PREFIX_BYTES:])
            continue
        fault = _fault(value, value_bytes_max)
        if value is None or fault is not None:
            assert fault is not None, row
            rejections.append(Rejection(row=row, reason=fault[0], detail=fault[1]))
            continue
        head = value[:PREFIX_BYTES]
        group = groups.setdefault(head, Group())
        group.rows.append(row)
        group.bodies.append(value[PREFIX_BYTES:])
    return {int.from_bytes(head[1:]): group for head, group in groups.items()}, rejections


def _fault(value: bytes | None, value_bytes_max: int) -> tuple[Reason, str] | None:
    if value is None:
        return Reason.TOMBSTONE, "the value is null"
    if not value:
        return Reason.EMPTY_VALUE, "the value is empty"
    if len(value) > value_bytes_max:
        return Reason.OVERSIZE, f"the value has {len(value):,} bytes; {value_bytes_max:,} are allowed"
    if value[0] != MAGIC_BYTE:
        return Reason.BAD_MAGIC_BYTE, f"the first byte is {value[0]}, not {MAGIC_BYTE}"
    if len(value) < PREFIX_BYTES:
        return Reason.TRUNCATED, f"{len(value)} bytes are too few for the magic byte and a schema id"
    return None
