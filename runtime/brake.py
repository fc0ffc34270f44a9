"""Holds a lane back on the embedded broker while those who read its records are far behind.

That broker silently drops what a partition holds beyond 5 MiB; records that a reader has not
read by then would be gone. Real brokers keep what their retention says and need no brake.
"""

import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from runtime.group_lag import GroupLag
from runtime.kafka import EMBEDDED_PARTITIONS

LOOK_EVERY_S = 0.25


@dataclass(frozen=True, slots=True, kw_only=True)
class Readers:
    """One group that reads some topics, and the mean size of a record there."""

    lag: GroupLag
    topics: Callable[[], Collection[str]]
    record_bytes: Callable[[], float]


class Brake:
    """`held` is asked between batches and looks at the broker four times a second at most."""

    def __init__(self, readers: Sequence[Readers], *, lag_bytes_max: int) -> None:
        self._readers = readers
        self._lag_bytes_max = lag_bytes_max
        self._held = False
        self._due = 0.0

    def held(self) -> bool:
        """Whether some reader has more than the bound still to read in some partition."""
        if time.monotonic() >= self._due:
            self._held = any(self._far_behind(each, topic) for each in self._readers for topic in each.topics())
            self._due = time.monotonic() + LOOK_EVERY_S
        return self._held

    def _far_behind(self, readers: Readers, topic: str) -> bool:
        behind = max(lag.records for lag in readers.lag.of_topic(topic, EMBEDDED_PARTITIONS))
        return behind * readers.record_bytes() > self._lag_bytes_max
