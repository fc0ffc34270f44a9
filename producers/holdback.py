"""Holds a producer back on the embedded broker, which silently drops the oldest beyond 5 MiB a partition.

Every so many bytes it asks how far each reading group is behind, in records times their mean
size, and waits while that is more than `embedded.lag_bytes_max`. Real brokers need none.
"""

import time
from collections.abc import Sequence

from producers.errors import HoldbackTimeoutError
from runtime.group_lag import GroupLag, PartitionLag
from runtime.kafka import EMBEDDED_PARTITIONS
from runtime.settings import Settings

_CHECKS_PER_BOUND = 8
_RECORD_BYTES_MIN = 64
_PAUSE_S = 0.05


class Holdback:
    """Counts the bytes sent to a topic and waits for the groups that read it when one of them is far behind."""

    def __init__(self, settings: Settings, *, groups: Sequence[str], topic: str) -> None:
        self._lags = {group: GroupLag(settings.kafka, group) for group in groups}
        self._topic = topic
        self._bound = settings.embedded.lag_bytes_max
        self._timeout_s = settings.producers.holdback_timeout_s
        self._records = 0
        self._bytes = 0
        self._bytes_unchecked = 0

    def is_due(self, size: int) -> bool:
        """Count a record about to be sent; whether its readers must be looked at before."""
        counted = max(size, _RECORD_BYTES_MIN)
        self._records += 1
        self._bytes += counted
        self._bytes_unchecked += counted
        return self._bytes_unchecked >= self._bound // _CHECKS_PER_BOUND

    def wait(self) -> None:
        """Return when no group is too far behind.

        Raises `HoldbackTimeoutError` when one is and has not moved for `producers.holdback_timeout_s`,
        `BrokerUnreachableError` when its position can't be asked.
        """
        self._bytes_unchecked = 0
        for group, lag in self._lags.items():
            self._wait_for(group, lag)

    def _wait_for(self, group: str, reader: GroupLag) -> None:
        moved_at, smallest = time.monotonic(), None
        while (lag := self._lag_bytes(reader)) > self._bound:
            now = time.monotonic()
            if smallest is None or lag < smallest:
                moved_at, smallest = now, lag
            if now - moved_at > self._timeout_s:
                raise HoldbackTimeoutError(group, self._topic, lag_bytes=lag, waited_s=now - moved_at)
            time.sleep(_PAUSE_S)

    def close(self) -> None:
        for lag in self._lags.values():
            lag.close()

    def _lag_bytes(self, reader: GroupLag) -> int:
        return lag_bytes_max(reader.of_topic(self._topic, EMBEDDED_PARTITIONS), self._bytes / max(self._records, 1))


def lag_bytes_max(lags: Sequence[PartitionLag], record_bytes: float) -> int:
    """The bytes still to be read in the partition where that is most.

    >>> far, near = (PartitionLag(partition=0, committed=at, log_start=0, log_end=100) for at in (-1001, 90))
    >>> lag_bytes_max([far, near], 20.5), lag_bytes_max([near], 20.0), lag_bytes_max([], 20.0)
    (2050, 200, 0)
    """
    return int(max((lag.records for lag in lags), default=0) * record_bytes)
