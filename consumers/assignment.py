"""The partitions that the sink owns, and where each starts.

Committed offsets are asked for until they are stable and assigned explicitly; the library
never chooses. Records that the broker deleted before the sink read them are counted and
logged, and the sink goes on at the log start: scoring's receipts, not the store, prove losses.
"""

import time
from collections.abc import Mapping, Sequence

import structlog
from confluent_kafka import Consumer, KafkaException, TopicPartition

from runtime.batch import TopicPartitionKey
from runtime.membership import Membership
from runtime.metrics import PARTITIONS, REBALANCES, Meters
from runtime.offsets import OffsetsUnavailableError, Stopping, start_offsets

_RETRY_EVERY_S = 0.2
_CALL_S = 5.0

_log = structlog.get_logger("penstock.sink")


class SinkAssignment:
    """Tracks owned partitions through rebalances; used on the loop's thread only.

    `answered` turns true with the group's first answer, even if it gives nothing. `lost` counts
    offsets that were gone before they were read. `measured` are the positions as they were last
    measured, for other threads to read. `stopping` tells whether to wait for offsets any longer.
    """

    def __init__(self, consumer: Consumer, *, membership: Membership, deadline_s: float, meters: Meters) -> None:
        self._consumer = consumer
        self._membership = membership
        self._deadline_s = deadline_s
        self._meters = meters
        self._positions: dict[TopicPartitionKey, int] = {}
        self._held = False
        self.answered = False
        self.lost = 0
        self.measured: Mapping[TopicPartitionKey, int] = {}
        self.stopping: Stopping = _never

    def subscribe(self, topics: Sequence[str]) -> None:
        """Read exactly these topics from now on."""
        self._membership.subscribe(topics, assigned=self._assigned, revoked=self._revoked)

    def owned(self, offsets_next: Mapping[TopicPartitionKey, int]) -> list[TopicPartition]:
        """Those of the offsets that are still ours to commit."""
        return [TopicPartition(*place, offset) for place, offset in offsets_next.items() if place in self._positions]

    def advance(self, offsets_next: Mapping[TopicPartitionKey, int]) -> None:
        """Records before these offsets are in the store."""
        for place in self._positions.keys() & offsets_next.keys():
            self._positions[place] = max(self._positions[place], offsets_next[place])

    def measure(self) -> None:
        """Say how many partitions there are, and where each stands."""
        self._meters.set(PARTITIONS, len(self._positions))
        self.measured = dict(self._positions)

    def hold(self) -> None:
        """Fetch nothing, while polling goes on so that the group keeps us."""
        if not self._held:
            self._held = True
            self._pause(list(self._positions))

    def release(self) -> None:
        """Fetch again."""
        if self._held:
            self._held = False
            if self._positions:
                self._consumer.resume([TopicPartition(*place) for place in self._positions])

    def restart(self, topic: str, partition: int) -> None:
        """The broker has no record at our position: go on at the log start, and say what was lost."""
        place = (topic, partition)
        if place not in self._positions:
            return
        log_start, log_end = self._log_extent(place)
        self._count_lost(place, self._positions[place], log_start, log_end=log_end)
        self._positions[place] = log_start
        self._consumer.incremental_unassign([TopicPartition(*place)])
        self._consumer.incremental_assign([TopicPartition(*place, log_start)])
        if self._held:
            self._pause([place])

    def _assigned(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        self.answered = True
        self._meters.add(REBALANCES)
        if self.stopping():
            # A consumer that closes still tells of partitions, and never again of their offsets.
            return
        starts = start_offsets(
            consumer, partitions, last_receipts=lambda _: {}, deadline_s=self._deadline_s, stopping=self.stopping
        )
        for start in starts:
            place = (start.topic, start.partition)
            log_start, log_end = self._log_extent(place)
            if start.offset < log_start or start.offset > log_end:
                self._count_lost(place, start.offset, log_start, log_end=log_end)
                self._positions[place] = log_start
            else:
                self._positions[place] = start.offset
        added = [(start.topic, start.partition) for start in starts]
        consumer.incremental_assign([TopicPartition(*place, self._positions[place]) for place in added])
        if self._held:
            self._pause(added)
        _log.info("partitions assigned", partitions=[f"{at[0]}:{at[1]}@{self._positions[at]}" for at in added])

    def _revoked(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        for partition in partitions:
            self._positions.pop((partition.topic, partition.partition), None)
        consumer.incremental_unassign(partitions)

    def _pause(self, places: Sequence[TopicPartitionKey]) -> None:
        if places:
            self._consumer.pause([TopicPartition(*place) for place in places])

    def _count_lost(self, place: TopicPartitionKey, offset: int, log_start: int, *, log_end: int) -> None:
        lost = max(log_start - offset, 0)
        self.lost += lost
        _log.error(
            "records were gone before the store had them"
            if lost
            else "the log ends before the committed offset; reading it from its start",
            topic=place[0],
            partition=place[1],
            offset=offset,
            log_start=log_start,
            log_end=log_end,
            lost=lost,
        )

    def _log_extent(self, place: TopicPartitionKey) -> tuple[int, int]:
        deadline = time.monotonic() + self._deadline_s
        while time.monotonic() < deadline:
            try:
                return self._consumer.get_watermark_offsets(TopicPartition(*place), timeout=_CALL_S)
            except KafkaException as error:
                _log.warning("log not readable yet", topic=place[0], partition=place[1], detail=str(error.args[0]))
            time.sleep(_RETRY_EVERY_S)
        raise OffsetsUnavailableError(f"the extent of {place[0]} partition {place[1]} could not be read")


def _never() -> bool:
    return False
