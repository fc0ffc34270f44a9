"""Holds a producer back on the embedded broker, which silently drops the oldest beyond 5 MiB a partition.

Every so many bytes it asks how far the consumers' groups are behind, in records times their mean
size, and waits while any is more than `embedded.lag_bytes_max` behind. Real brokers need none.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass

from confluent_kafka import Consumer, KafkaException, TopicPartition

from producers.errors import HoldbackTimeoutError
from producers.pacing import PartitionPosition, lag_bytes_max
from runtime.errors import BrokerUnreachableError
from runtime.kafka import EMBEDDED_PARTITIONS, build_reader
from runtime.settings import Settings

_CHECKS_PER_BOUND = 8
_RECORD_BYTES_MIN = 64
_PAUSE_S = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Watch:
    """A group that must keep up with a topic, whose records are `extra_bytes` longer than those sent."""

    group: str
    topic: str
    extra_bytes: int = 0


class Holdback:
    """Counts the bytes sent and waits for the slowest watched group when it is far behind."""

    def __init__(self, settings: Settings, watches: Sequence[Watch]) -> None:
        self._settings = settings
        self._bound = settings.embedded.lag_bytes_max
        self._watches = tuple((watch, build_reader(settings.kafka, group=watch.group)) for watch in watches)
        self._records = 0
        self._bytes = 0
        self._bytes_unchecked = 0

    def is_due(self, size: int) -> bool:
        """Count a record about to be sent; whether consumers must be looked at before it."""
        self._records += 1
        self._bytes += max(size, _RECORD_BYTES_MIN)
        self._bytes_unchecked += max(size, _RECORD_BYTES_MIN)
        return self._bytes_unchecked >= self._bound // _CHECKS_PER_BOUND

    def wait(self) -> None:
        """Return when no watched group is too far behind.

        Raises `HoldbackTimeoutError` when one is and has not moved for `producers.holdback_timeout_s`,
        `BrokerUnreachableError` when positions can't be asked.
        """
        self._bytes_unchecked = 0
        mean = self._bytes / max(self._records, 1)
        for watch, reader in self._watches:
            self._wait_for(watch, reader, mean + watch.extra_bytes)

    def close(self) -> None:
        for _watch, reader in self._watches:
            reader.close()

    def _wait_for(self, watch: Watch, reader: Consumer, record_bytes: float) -> None:
        moved_at, smallest = time.monotonic(), None
        while (lag := lag_bytes_max(self._positions(watch.topic, reader), record_bytes)) > self._bound:
            now = time.monotonic()
            if smallest is None or lag < smallest:
                moved_at, smallest = now, lag
            if now - moved_at > self._settings.producers.holdback_timeout_s:
                raise HoldbackTimeoutError(watch.group, watch.topic, lag_bytes=lag, waited_s=now - moved_at)
            time.sleep(_PAUSE_S)

    def _positions(self, topic: str, reader: Consumer) -> list[PartitionPosition]:
        kafka = self._settings.kafka
        places = [TopicPartition(topic, partition) for partition in range(EMBEDDED_PARTITIONS)]
        try:
            committed = reader.committed(places, timeout=kafka.request_timeout_s)
            return [self._position(reader, place) for place in committed]
        except KafkaException as error:
            raise BrokerUnreachableError(kafka.bootstrap_servers, error.args[0].str()) from error

    def _position(self, reader: Consumer, place: TopicPartition) -> PartitionPosition:
        low, high = reader.get_watermark_offsets(place, timeout=self._settings.kafka.request_timeout_s, cached=False)
        return PartitionPosition(committed=place.offset, offset_oldest=low, offset_next=high)
