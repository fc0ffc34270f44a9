"""Measures how far a loop is behind, beside the loop: a hung or paused one is behind as well.

Every few seconds the ends of the logs are asked for, in one call for all partitions, and compared
with where the loop stands. While no broker answers nothing is served, which is better than an
old number.
"""

import threading
from collections import Counter
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Self

import structlog

from runtime.batch import TopicPartitionKey
from runtime.errors import BrokerUnreachableError
from runtime.kafka import build_admin, log_ends
from runtime.metrics import LAG_RECORDS, Meters
from runtime.settings import KafkaSettings

LOOK_EVERY_S = 5.0
_log = structlog.get_logger("penstock.lag")

Positions = Callable[[], Mapping[TopicPartitionKey, int]]


class LagWatch:
    """Looks while its context is open; `positions` gives the next offset of each owned partition, on any thread."""

    def __init__(
        self, kafka: KafkaSettings, positions: Positions, meters: Meters, *, look_every_s: float = LOOK_EVERY_S
    ) -> None:
        self._kafka = kafka
        self._positions = positions
        self._meters = meters
        self._look_every_s = look_every_s
        self._served: frozenset[str] = frozenset()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="lag", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()

    def _run(self) -> None:
        admin = build_admin(self._kafka)
        while not self._stop.wait(self._look_every_s):
            positions = self._positions()
            try:
                ends = log_ends(self._kafka, admin, positions)
            except BrokerUnreachableError as error:
                _log.debug("lag can't be measured now", detail=str(error))
                self._serve({})
            else:
                self._serve(behind(positions, ends))

    def _serve(self, lags: Mapping[str, int]) -> None:
        for topic, lag in lags.items():
            self._meters.set(LAG_RECORDS, lag, topic=topic)
        for topic in self._served - lags.keys():
            self._meters.forget(LAG_RECORDS, topic=topic)
        self._served = frozenset(lags)


def behind(positions: Mapping[TopicPartitionKey, int], ends: Mapping[TopicPartitionKey, int]) -> Mapping[str, int]:
    """Offsets still to be read, by topic; a partition whose end is not known does not count.

    >>> behind({("a", 0): 3, ("a", 1): 0, ("b", 0): 9}, {("a", 0): 5, ("a", 1): 4, ("b", 0): 9})
    {'a': 6, 'b': 0}
    """
    lags: Counter[str] = Counter()
    for place, position in positions.items():
        if place in ends:
            lags[place[0]] += max(ends[place] - position, 0)
    return dict(lags)
