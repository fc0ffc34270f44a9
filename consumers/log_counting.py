"""How far request logs reach, and how many records lie in ranges of offsets.

Offsets outnumber records (transaction markers, aborted records), so records are counted by
reading them read_committed; bounded in number and time, and what is not counted stays uncounted.
"""

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from consumers.coverage import LanePartition
from consumers.errors import LedgerError
from consumers.ledger import LogExtent, OffsetRange
from schemas.topics import REQUESTS, Topics

RECORDS_MAX = 2_000_000
DEADLINE_S = 20.0
_POLL_RECORDS = 2_000
_CALL_S = 10.0


def request_partitions(topics: Topics, cluster_id: str, counts: Mapping[str, int]) -> list[LanePartition]:
    """Every partition of every request topic, from the number of partitions of all topics."""
    return [
        LanePartition(cluster_id, model, topic, partition)
        for topic, partitions in sorted(counts.items())
        if (model := topics.model_of(topic, REQUESTS)) is not None
        for partition in range(partitions)
    ]


def read_extents(reader: Consumer, places: Iterable[LanePartition]) -> dict[LanePartition, LogExtent]:
    """Where each log starts and ends now. Raises `LedgerError` when the broker does not say."""
    extents = {}
    for place in places:
        try:
            low, high = reader.get_watermark_offsets(TopicPartition(place.topic, place.partition), timeout=_CALL_S)
        except KafkaException as error:
            raise LedgerError(
                f"the extent of {place.topic} partition {place.partition} can't be read: {error}"
            ) from error
        extents[place] = LogExtent(log_start=low, log_end=high)
    return extents


def count_records(
    reader: Consumer,
    ranges: Sequence[OffsetRange],
    *,
    records_max: int = RECORDS_MAX,
    deadline_s: float = DEADLINE_S,
) -> dict[OffsetRange, int]:
    """The records in each range; ranges that go beyond a bound are left out."""
    deadline = time.monotonic() + deadline_s
    counted: dict[OffsetRange, int] = {}
    for group in _rounds(_within(ranges, records_max)):
        counted |= _count_round(reader, group, deadline=deadline)
    reader.unassign()
    return counted


def _within(ranges: Sequence[OffsetRange], records_max: int) -> list[OffsetRange]:
    """The ranges that can be counted within the bound, whatever they hold."""
    chosen = []
    left = records_max
    for candidate in ranges:
        width = candidate.offset_to - candidate.offset_from
        if width <= left:
            chosen.append(candidate)
            left -= width
    return chosen


def _rounds(ranges: Sequence[OffsetRange]) -> Iterator[list[OffsetRange]]:
    """Groups with at most one range of each partition, since a partition is read from one place at a time."""
    waiting = list(ranges)
    while waiting:
        first: dict[LanePartition, OffsetRange] = {}
        for candidate in waiting:
            first.setdefault(candidate.place, candidate)
        group = list(first.values())
        waiting = [candidate for candidate in waiting if candidate not in group]
        yield group


def _count_round(reader: Consumer, group: Sequence[OffsetRange], *, deadline: float) -> dict[OffsetRange, int]:
    """The records of each range of the group that was read to its end before the deadline."""
    reading = {(each.place.topic, each.place.partition): each for each in group}
    counts = dict.fromkeys(group, 0)
    finished: dict[OffsetRange, int] = {}
    reader.assign([TopicPartition(*place, each.offset_from) for place, each in reading.items()])
    while reading and time.monotonic() < deadline:
        for message in reader.consume(_POLL_RECORDS, 0.1):
            place = (message.topic() or "", message.partition() or 0)
            wanted = reading.get(place)
            if wanted is None:
                continue
            fault = message.error()
            at_end = fault is not None and fault.code() == KafkaError._PARTITION_EOF
            if fault is None and (message.offset() or 0) < wanted.offset_to:
                counts[wanted] += 1
                at_end = (message.offset() or 0) == wanted.offset_to - 1
            elif fault is None:
                at_end = True
            if at_end:
                finished[reading.pop(place)] = counts[wanted]
    return finished
