"""The partitions a lane owns, how far each is committed, and which of them wait.

A partition waits, paused, while its topic is not ready (no active version), while state that is
kept beside it is being brought back, or while an operator has not yet accepted that records were
deleted before they were read.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

import structlog
from confluent_kafka import Consumer, KafkaException, TopicPartition

from runtime.batch import KafkaMessage, OutgoingRecords, TopicPartitionKey
from runtime.keeper import Keeper
from runtime.membership import Membership
from runtime.metrics import PARTITIONS, PARTITIONS_WAITING, REBALANCES, Meters
from runtime.offsets import Floors, LastReceipts, StartOffset, Stopping, no_floors, start_offsets

_log = structlog.get_logger("penstock.assignment")

LossSignal = Callable[[StartOffset], OutgoingRecords]


class Assignment:
    """Tracks owned partitions through rebalances; used on the lane's thread only, but for `measured`.

    `measured` are the positions as they were when they were last measured, for others to read;
    `stopping` tells whether to wait for offsets any longer.
    """

    def __init__(
        self,
        consumer: Consumer,
        *,
        membership: Membership,
        last_receipts: LastReceipts,
        loss_signal: LossSignal,
        deadline_s: float,
        meters: Meters,
        keeper: Keeper | None = None,
        floors: Floors = no_floors,
    ) -> None:
        self._floors = floors
        self._consumer = consumer
        self._membership = membership
        self._keeper = keeper
        self._last_receipts = last_receipts
        self._loss_signal = loss_signal
        self._deadline_s = deadline_s
        self._meters = meters
        self._positions: dict[TopicPartitionKey, int] = {}
        self._held: set[TopicPartitionKey] = set()
        self._losses: dict[TopicPartitionKey, StartOffset] = {}
        self._signals: list[OutgoingRecords] = []
        self.rebalances = 0
        self.stopping: Stopping = _never
        self.measured: Mapping[TopicPartitionKey, int] = {}

    @property
    def owned(self) -> frozenset[TopicPartitionKey]:
        return frozenset(self._positions)

    def position(self, topic: str, partition: int) -> int:
        """The next offset to be processed: everything before it is committed."""
        return self._positions[topic, partition]

    def subscribe(self, topics: Sequence[str]) -> None:
        """Read exactly these topics from now on."""
        self._membership.subscribe(topics, assigned=self._assigned, revoked=self._revoked)

    def wants_all(self, first_offsets: Mapping[TopicPartitionKey, int]) -> bool:
        """Whether every record of a poll is ours to process, told by the first of each partition."""
        return all(
            place in self._positions
            and place not in self._held
            and place not in self._losses
            and offset >= self._positions[place]
            for place, offset in first_offsets.items()
        )

    def wants(self, message: KafkaMessage) -> bool:
        """Whether a polled record is ours to process: owned, not held, not behind the position."""
        place = (message.topic() or "", message.partition() or 0)
        return (
            place in self._positions
            and place not in self._held
            and place not in self._losses
            and (message.offset() or 0) >= self._positions[place]
        )

    def advance(self, offsets_next: Mapping[TopicPartitionKey, int]) -> None:
        """The batch up to these offsets is final."""
        for place, offset in offsets_next.items():
            assert offset > self._positions[place], (place, offset, self._positions[place])
            self._positions[place] = offset

    def rewind(self, places: Iterable[TopicPartitionKey]) -> None:
        """Read these partitions again from their positions."""
        for place in places:
            if place in self._positions:
                self._seek(place)

    def hold_unready(self, ready: Callable[[str], bool]) -> None:
        """Pause partitions whose topic or own state is not ready; resume those that have become so."""
        topics = {topic: ready(topic) for topic, _partition in self._positions}
        for place in self._positions:
            is_ready = topics[place[0]] and (self._keeper is None or self._keeper.ready(*place))
            if not is_ready and place not in self._held:
                self._consumer.pause([TopicPartition(*place)])
                self._held.add(place)
                _log.info("partition waits: it is not ready", topic=place[0], partition=place[1])
            elif is_ready and place in self._held:
                self._held.discard(place)
                self._seek(place)
                self._consumer.resume([TopicPartition(*place)])
                _log.info("partition goes on", topic=place[0], partition=place[1])

    def deleted_unread(self, message: KafkaMessage) -> None:
        """The broker has no record at our position any more: wait for an operator."""
        place = (message.topic() or "", message.partition() or 0)
        if place not in self._positions or place in self._losses:
            return
        low, _high = self._consumer.get_watermark_offsets(TopicPartition(*place), timeout=self._deadline_s)
        self._wait_for_operator(
            StartOffset(topic=place[0], partition=place[1], offset=self._positions[place], log_start=low)
        )

    def acceptable_losses(
        self, accepted: Callable[[str, int], int | None]
    ) -> Iterator[tuple[TopicPartition, TopicPartition]]:
        """Partitions whose loss an operator has accepted: where they stand, and where they go on."""
        for (topic, partition), loss in list(self._losses.items()):
            offset_next = accepted(topic, partition)
            if offset_next is not None and offset_next >= loss.log_start:
                # Records that were read before the loss was noticed may have moved the position since.
                lost_from = self._positions[topic, partition]
                yield TopicPartition(topic, partition, lost_from), TopicPartition(topic, partition, loss.log_start)

    def lost_accepted(self, resumed: TopicPartition) -> None:
        """Go on behind the records that were lost."""
        place = (resumed.topic, resumed.partition)
        del self._losses[place]
        self._positions[place] = resumed.offset
        self._held.discard(place)
        self._seek(place)
        self._consumer.resume([TopicPartition(*place)])

    def take_signals(self) -> list[OutgoingRecords]:
        """Signals raised since the last call."""
        signals, self._signals = self._signals, []
        return signals

    def measure(self) -> None:
        """Say how many partitions there are and how many of them wait."""
        self._meters.set(PARTITIONS, len(self._positions))
        self._meters.set(PARTITIONS_WAITING, len(self._held | self._losses.keys()))
        self.measured = dict(self._positions)

    def _assigned(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        self.rebalances += 1
        self._meters.add(REBALANCES)
        if self.stopping():
            # A consumer that closes still tells of partitions, and never again of their offsets.
            return
        starts = start_offsets(
            consumer,
            partitions,
            last_receipts=self._last_receipts,
            deadline_s=self._deadline_s,
            floors=self._floors,
            stopping=self.stopping,
        )
        self._membership.start(
            [TopicPartition(start.topic, start.partition, max(start.offset, start.log_start)) for start in starts]
        )
        for start in starts:
            self._positions[start.topic, start.partition] = start.offset
            if start.lost:
                self._wait_for_operator(start)
        if self._keeper is not None:
            self._keeper.assigned(starts)
        _log.info("partitions assigned", partitions=[f"{s.topic}:{s.partition}@{s.offset}" for s in starts])

    def _revoked(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        self.rebalances += 1
        for partition in partitions:
            place = (partition.topic, partition.partition)
            self._positions.pop(place, None)
            self._losses.pop(place, None)
            self._held.discard(place)
        if self._keeper is not None:
            self._keeper.revoked([(partition.topic, partition.partition) for partition in partitions])
        self._membership.end(partitions)
        _log.info("partitions given up", partitions=[f"{p.topic}:{p.partition}" for p in partitions])

    def _wait_for_operator(self, loss: StartOffset) -> None:
        place = (loss.topic, loss.partition)
        self._consumer.pause([TopicPartition(*place)])
        self._losses[place] = loss
        self._signals.append(self._loss_signal(loss))
        _log.error(
            "records were deleted before they were read; the partition waits for `penstock losses accept`",
            topic=loss.topic,
            partition=loss.partition,
            offset=loss.offset,
            log_start=loss.log_start,
        )

    def _seek(self, place: TopicPartitionKey) -> None:
        target = TopicPartition(*place, self._positions[place])
        try:
            self._consumer.seek(target)
        except KafkaException as error:
            # A partition that is not being fetched yet can't be sought; giving the start anew can't fail.
            _log.warning("seek refused, assigning anew", topic=place[0], partition=place[1], detail=str(error.args[0]))
            self._membership.restart([TopicPartition(*each, at) for each, at in self._positions.items()], target)
            waiting = self._held | self._losses.keys()
            if waiting:
                self._consumer.pause([TopicPartition(*each) for each in waiting])


def _never() -> bool:
    return False
