"""Reads given ranges of offsets once more, outside any group: records that a state must be rebuilt from."""

from collections.abc import Mapping

import structlog
from confluent_kafka import KafkaError, TopicPartition

from runtime.batch import KafkaMessage, TopicPartitionKey
from runtime.kafka import build_reader
from runtime.settings import KafkaSettings

_log = structlog.get_logger("penstock.range_reader")


class RangeReader:
    """The committed records of [from, to) of each partition; `done` when all have been given."""

    def __init__(self, kafka: KafkaSettings, ranges: Mapping[TopicPartitionKey, tuple[int, int]]) -> None:
        self._left = {place: end for place, (start, end) in ranges.items() if start < end}
        self._consumer = build_reader(kafka) if self._left else None
        if self._consumer is not None:
            self._consumer.assign([TopicPartition(*place, ranges[place][0]) for place in self._left])

    @property
    def done(self) -> bool:
        return not self._left

    def poll(self, records_max: int, timeout_s: float) -> list[KafkaMessage]:
        """Some of the records, in order within each partition."""
        if self._consumer is None or self.done:
            return []
        found = []
        for message in self._consumer.consume(records_max, timeout_s):
            place = (message.topic() or "", message.partition() or 0)
            offset = message.offset() or 0
            if message.error() is not None:
                self._look_into(message, place)
            elif offset < self._left.get(place, 0):
                found.append(message)
                if offset + 1 == self._left[place]:
                    self._finish(place)
            else:
                self._finish(place)
        return found

    def close(self) -> None:
        if self._consumer is not None:
            self._consumer.close()

    def _look_into(self, message: KafkaMessage, place: TopicPartitionKey) -> None:
        """At the end of the log there is nothing left of the range: its last offsets were markers."""
        fault = message.error()
        assert fault is not None, "faults carry an error"
        if fault.code() == KafkaError._PARTITION_EOF:
            self._finish(place)
        else:
            _log.warning("range not readable yet", topic=place[0], partition=place[1], detail=fault.str())

    def _finish(self, place: TopicPartitionKey) -> None:
        if self._left.pop(place, None) is not None and self._consumer is not None:
            self._consumer.incremental_unassign([TopicPartition(*place)])
