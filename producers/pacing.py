"""When the next record may go, and how far behind consumers may be: decisions without a clock."""

from collections.abc import Sequence
from dataclasses import dataclass


def due_at_s(sent: int, rate: float | None) -> float:
    """Seconds after the start at which record number `sent` may go; `rate` is records a second.

    The schedule is open: a late record does not push back those after it.

    >>> due_at_s(0, 100.0), due_at_s(250, 100.0), due_at_s(250, None)
    (0.0, 2.5, 0.0)
    """
    return 0.0 if rate is None else sent / rate


@dataclass(frozen=True, slots=True, kw_only=True)
class PartitionPosition:
    """Where a group stands in one partition; `committed` below 0 means that nothing was committed."""

    committed: int
    offset_oldest: int
    offset_next: int

    @property
    def records(self) -> int:
        """Records that the group has still to read."""
        return max(self.offset_next - max(self.committed, self.offset_oldest), 0)


def lag_bytes_max(positions: Sequence[PartitionPosition], record_bytes: float) -> int:
    """The bytes still to be read in the partition where that is most.

    >>> far, near = (PartitionPosition(committed=at, offset_oldest=0, offset_next=100) for at in (-1001, 90))
    >>> lag_bytes_max([far, near], 20.5), lag_bytes_max([near], 20.0), lag_bytes_max([], 20.0)
    (2050, 200, 0)
    """
    return int(max((position.records for position in positions), default=0) * record_bytes)
