"""Holds scoring back on the embedded broker while the sink is far behind.

That broker silently drops what a partition holds beyond 5 MiB; predictions that the sink has
not read by then would be gone. Real brokers keep what their retention says and need no brake.
"""

import time
from collections.abc import Callable, Collection

from runtime.group_lag import GroupLag
from runtime.kafka import EMBEDDED_PARTITIONS

LOOK_EVERY_S = 0.25


class Brake:
    """`held` is asked between batches and looks at the broker four times a second at most."""

    def __init__(
        self,
        *,
        lag: GroupLag,
        topics: Callable[[], Collection[str]],
        record_bytes: Callable[[], float],
        lag_bytes_max: int,
    ) -> None:
        self._lag = lag
        self._topics = topics
        self._record_bytes = record_bytes
        self._lag_bytes_max = lag_bytes_max
        self._held = False
        self._due = 0.0

    def held(self) -> bool:
        """Whether the sink has more than the bound still to read in some partition of predictions."""
        if time.monotonic() >= self._due:
            self._held = any(self._far_behind(topic) for topic in self._topics())
            self._due = time.monotonic() + LOOK_EVERY_S
        return self._held

    def _far_behind(self, topic: str) -> bool:
        behind = max(lag.records for lag in self._lag.of_topic(topic, EMBEDDED_PARTITIONS))
        return behind * self._record_bytes() > self._lag_bytes_max
