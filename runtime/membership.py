"""Which partitions a consumer reads: those that its group gives it, or all, where it is the only reader.

Topics come in, calls of `assigned` and `revoked` go out, and within those calls `start` and `end`
say from where what was given is read. On the embedded broker, where each role
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

    def start(self, positions: Sequence[TopicPartition]) -> None:
        """Read what was given from these offsets."""
        ...

    def end(self, partitions: Sequence[TopicPartition]) -> None:
        """Stop reading what was taken away."""
        ...

    def restart(self, positions: Sequence[TopicPartition], place: TopicPartition) -> None:
        """Read `place` anew from its offset; `positions` are all that is owned, with where each goes on."""
        ...


class _Increments:
    """Partitions come and go one by one; the others are read on."""

    def __init__(self, consumer: Consumer) -> None:
        self._consumer = consumer

    def start(self, positions: Sequence[TopicPartition]) -> None:
        self._consumer.incremental_assign(list(positions))

    def end(self, partitions: Sequence[TopicPartition]) -> None:
        self._consumer.incremental_unassign(list(partitions))

    def restart(self, positions: Sequence[TopicPartition], place: TopicPartition) -> None:
        self._consumer.incremental_unassign([TopicPartition(place.topic, place.partition)])
        self._consumer.incremental_assign([place])


class GroupMembership(_Increments):
    """A share of the partitions, which changes as members come and go; told of within polls."""

    def subscribe(self, topics: Sequence[str], *, assigned: OnPartitions, revoked: OnPartitions) -> None:
        if topics:
            self._consumer.subscribe(list(topics), on_assign=assigned, on_revoke=revoked, on_lost=revoked)
        else:
            self._consumer.unsubscribe()


class RangeMembership(GroupMembership):
    """The same numbers of every topic's partitions, so that what belongs together is read together.

    The group's protocol is the eager one: at each change everything is taken away and given anew.
    """

    def start(self, positions: Sequence[TopicPartition]) -> None:
        self._consumer.assign(list(positions))

    def end(self, partitions: Sequence[TopicPartition]) -> None:
        self._consumer.unassign()

    def restart(self, positions: Sequence[TopicPartition], place: TopicPartition) -> None:
        self._consumer.assign(list(positions))


class SoleMembership(_Increments):
    """Every partition of the embedded broker's topics, at once; told of within `subscribe`."""

    def __init__(self, consumer: Consumer, *, timeout_s: float) -> None:
        super().__init__(consumer)
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


def build_membership(kafka: KafkaSettings, consumer: Consumer, *, co_partitioned: bool = False) -> Membership:
    """Alone on the embedded broker, in a group elsewhere; `co_partitioned` for a consumer whose strategy is range."""
    if is_embedded(kafka):
        return SoleMembership(consumer, timeout_s=kafka.request_timeout_s)
    return RangeMembership(consumer) if co_partitioned else GroupMembership(consumer)


def _partitions(topics: Iterable[str]) -> list[TopicPartition]:
    return [TopicPartition(topic, partition) for topic in sorted(topics) for partition in range(EMBEDDED_PARTITIONS)]
