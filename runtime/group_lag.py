"""How far a consumer group is behind in a topic, by its committed offsets."""

from dataclasses import dataclass

from confluent_kafka import Consumer, KafkaException, TopicPartition

from runtime.errors import BrokerUnreachableError
from runtime.kafka import build_reader
from runtime.settings import KafkaSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class PartitionLag:
    """Where a group stands in one partition; `committed` below 0 means that nothing was committed."""

    partition: int
    committed: int
    log_start: int
    log_end: int

    @property
    def records(self) -> int:
        """Offsets that the group has still to read."""
        return max(self.log_end - max(self.committed, self.log_start), 0)


class GroupLag:
    """Asks the broker for the positions of one group; it joins no group."""

    def __init__(self, kafka: KafkaSettings, group: str) -> None:
        self._kafka = kafka
        self._reader: Consumer = build_reader(kafka, group=group)

    def of_topic(self, topic: str, partitions: int) -> list[PartitionLag]:
        """The lag in each partition. Raises `BrokerUnreachableError`."""
        places = [TopicPartition(topic, partition) for partition in range(partitions)]
        try:
            return [self._of(place) for place in self._reader.committed(places, timeout=self._kafka.request_timeout_s)]
        except KafkaException as error:
            raise BrokerUnreachableError(self._kafka.bootstrap_servers, error.args[0].str()) from error

    def close(self) -> None:
        self._reader.close()

    def _of(self, place: TopicPartition) -> PartitionLag:
        low, high = self._reader.get_watermark_offsets(place, timeout=self._kafka.request_timeout_s, cached=False)
        return PartitionLag(partition=place.partition, committed=place.offset, log_start=low, log_end=high)
