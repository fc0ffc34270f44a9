"""Which partitions a consumer reads: those that its group gives it, or all, where it is the only reader.

Topics come in, calls of `assigned` and `revoked` go out. On the embedded broker, where each role
has one process, joining a group would only cost: the mock cluster stops all members for seconds
whenever topics come or go, and refuses commits meanwhile, so that batches were done twice.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

from confluent_kafka import Consumer, TopicPartition

from runtime.kafka import EMBEDDED_PARTITIONS, is_embedded
from runtime.settings import KafkaSettings

OnPartitions = Callable[[Consumer, list[TopicPartition]], None]


class Membership(Protocol):
    """Tells which partitions come and go after the topics were named."""

    def subscribe(self, topics: Sequence[str], *, assigned: OnPartitions, revoked: OnPartitions) -> None:
        """Read exactly these topics from now on."""
        ...


class GroupMembership:
    """A share of the partitions, which changes as members come and go; told of within polls."""

    def __init__(self, consumer: Consumer) -> None:
        self._consumer = consumer

    def subscribe(self, topics: Sequence[str], *, assigned: OnPartitions, revoked: OnPartitions) -> None:
        if topics:
            self._consumer.subscribe(list(topics), on_assign=assigned, on_revoke=revoked, on_lost=revoked)
        else:
            self._consumer.unsubscribe()


class SoleMembership:
    """Every partition of the embedded broker's topics, at once; told of within `subscribe`."""

    def __init__(self, consumer: Consumer, *, timeout_s: float) -> None:
        self._consumer = consumer
        self._timeout_s = timeout_s
        self._topics: frozenset[str] = frozenset()

    def subscribe(self, topics: Sequence[str], *, assigned: OnPartitions, revoked: OnPartitions) -> None:
        gone, new = self._topics - set(topics), set(topics) - self._topics
        self._topics = frozenset(topics)
        if gone:
            revoked(self._consumer, _partitions(gone))
        for topic in new:
            # To be asked for makes a topic there, and only one that is there has offsets to start from.
            self._consumer.list_topics(topic, timeout=self._timeout_s)
        if new:
            assigned(self._consumer, _partitions(new))


def build_membership(kafka: KafkaSettings, consumer: Consumer) -> Membership:
    """Alone on the embedded broker, in a group elsewhere."""
    if is_embedded(kafka):
        return SoleMembership(consumer, timeout_s=kafka.request_timeout_s)
    return GroupMembership(consumer)


def _partitions(topics: Iterable[str]) -> list[TopicPartition]:
    return [TopicPartition(topic, partition) for topic in sorted(topics) for partition in range(EMBEDDED_PARTITIONS)]
