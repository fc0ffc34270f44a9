"""Where each partition starts: committed offset, else last receipt, else log start.

The library must never choose. If a rebalance happens while a dangling transaction makes the
committed offset unstable, the fetch of it fails and librdkafka would start at
`auto.offset.reset`; records would be scored twice or skipped. So committed offsets are asked
for until every partition has a clean answer, and explicit offsets are assigned.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import structlog
from confluent_kafka import OFFSET_INVALID, Consumer, KafkaException, TopicPartition

from runtime.batch import TopicPartitionKey
from schemas.events import Receipt

_RETRY_EVERY_S = 0.2

_log = structlog.get_logger("penstock.offsets")


class OffsetsUnavailableError(Exception):
    """The committed offsets had no clean answer within the deadline; the process starts anew."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StartOffset:
    """Where a partition starts; `offset < log_start` means that records were deleted unread.

    `note` is what was kept beside the committed offset. `offset_pending_oldest` is the last
    receipt's, where it was asked because the committed offset is gone.
    """

    topic: str
    partition: int
    offset: int
    log_start: int
    note: str = ""
    offset_pending_oldest: int | None = None

    @property
    def lost(self) -> int:
        return max(self.log_start - self.offset, 0)


class StopRequestedError(Exception):
    """The process was asked to stop while it waited; what it would have been told no longer matters."""


Stopping = Callable[[], bool]
LastReceipts = Callable[[Sequence[TopicPartitionKey]], Mapping[TopicPartitionKey, Receipt]]


Floors = Callable[[], Mapping[TopicPartitionKey, int]]


def no_floors() -> Mapping[TopicPartitionKey, int]:
    """A lane that reads everything that it has not read yet."""
    return {}


def start_offsets(
    consumer: Consumer,
    partitions: Sequence[TopicPartition],
    *,
    last_receipts: LastReceipts,
    deadline_s: float,
    stopping: Stopping,
    floors: Floors = no_floors,
) -> list[StartOffset]:
    """Find the start of each partition, waiting for stable answers; never before its floor, if it has one.

    Raises `OffsetsUnavailableError` after `deadline_s`, and `StopRequestedError` within one call's
    time once `stopping` says so.
    """
    deadline = time.monotonic() + deadline_s
    committed = _committed(consumer, partitions, deadline, stopping)
    unknown = [(found.topic, found.partition) for found in committed if found.offset == OFFSET_INVALID]
    receipts = last_receipts(unknown) if unknown else {}
    starts = []
    for found in committed:
        log_start = _log_start(consumer, found, deadline, stopping)
        start = _start(found, receipts.get((found.topic, found.partition)), log_start)
        floor = floors().get((found.topic, found.partition), start.offset)
        starts.append(start if start.offset >= floor else replace(start, offset=floor))
    return starts


def _start(committed: TopicPartition, receipt: Receipt | None, log_start: int) -> StartOffset:
    known = committed.offset >= 0
    return StartOffset(
        topic=committed.topic,
        partition=committed.partition,
        offset=committed.offset if known else receipt.offset_to if receipt else log_start,
        log_start=log_start,
        note=(committed.metadata or "") if known else "",
        offset_pending_oldest=None if known or receipt is None else receipt.offset_pending_oldest,
    )


def _committed(
    consumer: Consumer, partitions: Sequence[TopicPartition], deadline: float, stopping: Stopping
) -> list[TopicPartition]:
    wanted = [TopicPartition(partition.topic, partition.partition) for partition in partitions]
    while True:
        try:
            answers = consumer.committed(wanted, timeout=_left(deadline, 5.0))
        except KafkaException as error:
            _log.warning("committed offsets not readable yet", detail=str(error.args[0]))
        else:
            faults = [answer.error for answer in answers if answer.error is not None]
            if not faults:
                return answers
            _log.warning("committed offsets not stable yet", detail=str(faults[0]))
        if time.monotonic() >= deadline:
            raise OffsetsUnavailableError(f"committed offsets of {len(wanted)} partitions had no stable answer")
        _wait(stopping)


def _log_start(consumer: Consumer, partition: TopicPartition, deadline: float, stopping: Stopping) -> int:
    while True:
        try:
            low, _high = consumer.get_watermark_offsets(
                TopicPartition(partition.topic, partition.partition), timeout=_left(deadline, 5.0)
            )
            return low
        except KafkaException as error:
            _log.warning("log start not readable yet", topic=partition.topic, detail=str(error.args[0]))
        if time.monotonic() >= deadline:
            raise OffsetsUnavailableError(f"the log start of {partition.topic} could not be read")
        _wait(stopping)


def _wait(stopping: Stopping) -> None:
    if stopping():
        raise StopRequestedError
    time.sleep(_RETRY_EVERY_S)


def _left(deadline: float, most: float) -> float:
    return max(min(deadline - time.monotonic(), most), 0.1)
