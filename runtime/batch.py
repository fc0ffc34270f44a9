"""What a lane takes and gives: records as columns in, records and counts out."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from confluent_kafka import Message

from schemas.columns import Rejection

# The class takes parameters in its stubs only.
KafkaMessage: TypeAlias = "Message[bytes, bytes]"
TopicPartitionKey = tuple[str, int]
Headers = dict[str, str | bytes | None] | list[tuple[str, str | bytes | None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordColumns:
    """Records of one topic as lists of equal length, in order within each partition."""

    topic: str
    keys: list[bytes | None]
    values: list[bytes | None]
    headers: list[Headers | None]
    partitions: list[int]
    offsets: list[int]
    append_times: list[int]

    def __len__(self) -> int:
        return len(self.values)

    def take(self, rows: Sequence[int]) -> "RecordColumns":
        """Those rows, in that order."""
        return RecordColumns(
            topic=self.topic,
            keys=[self.keys[row] for row in rows],
            values=[self.values[row] for row in rows],
            headers=[self.headers[row] for row in rows],
            partitions=[self.partitions[row] for row in rows],
            offsets=[self.offsets[row] for row in rows],
            append_times=[self.append_times[row] for row in rows],
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """What one poll brought: records by topic, and the offset after the last one by partition."""

    columns: Mapping[str, RecordColumns]
    offsets_next: Mapping[TopicPartitionKey, int]

    @property
    def records(self) -> int:
        return sum(len(columns) for columns in self.columns.values())

    @property
    def first_offsets(self) -> Mapping[TopicPartitionKey, int]:
        """The offset of the first record by partition."""
        return {
            (topic, partition): offset
            for topic, columns in self.columns.items()
            for partition, offset in dict(
                zip(reversed(columns.partitions), reversed(columns.offsets), strict=True)
            ).items()
        }

    @classmethod
    def empty(cls) -> "Batch":
        """No records: for what is due by time alone."""
        return cls(columns={}, offsets_next={})

    @classmethod
    def of(cls, messages: Sequence[KafkaMessage]) -> "Batch":
        """Arrange messages without errors, in the order they were polled, as columns."""
        by_topic: dict[str, list[KafkaMessage]] = {}
        for message in messages:
            by_topic.setdefault(message.topic() or "", []).append(message)
        columns = {topic: _columns(topic, group) for topic, group in by_topic.items()}
        # The last of a partition's offsets is the one that stays in the inner dict.
        offsets_next = {
            (topic, partition): offset + 1
            for topic, group in columns.items()
            for partition, offset in dict(zip(group.partitions, group.offsets, strict=True)).items()
        }
        return cls(columns=columns, offsets_next=offsets_next)


@dataclass(frozen=True, slots=True, kw_only=True)
class OutgoingRecords:
    """Records for one topic; without `partition` they go where murmur2 of the key says."""

    topic: str
    keys: Sequence[bytes | None]
    values: Sequence[bytes]
    partition: int | None = None


@dataclass(slots=True, kw_only=True)
class Tally:
    """What became of one partition's records in one batch."""

    records: int = 0
    scored: int = 0
    dead_lettered: dict[str, int] = field(default_factory=dict)

    def add_dead_letter(self, reason: str) -> None:
        self.dead_lettered[reason] = self.dead_lettered.get(reason, 0) + 1


@dataclass(frozen=True, slots=True, kw_only=True)
class LaneOutput:
    """What a step made of a batch: records to produce, and a tally per input partition.

    `pending_oldest`: the oldest offset of a partition that is still waited with, for its receipt.
    `stage_seconds`: what the step's stages took, where it tells.
    """

    outgoing: Sequence[OutgoingRecords]
    tallies: Mapping[TopicPartitionKey, Tally]
    pending_oldest: Mapping[TopicPartitionKey, int] = field(default_factory=dict)
    stage_seconds: Mapping[str, float] = field(default_factory=dict)


class RetryLaterError(Exception):
    """A step can't process its batch now; the lane rewinds and comes again."""


def tally_rows(columns: RecordColumns, rejections: Sequence[Rejection]) -> dict[TopicPartitionKey, Tally]:
    """Count each partition's records by what became of them."""
    tallies = {
        (columns.topic, partition): Tally(records=records, scored=records)
        for partition, records in Counter(columns.partitions).items()
    }
    for rejection in rejections:
        counts = tallies[columns.topic, columns.partitions[rejection.row]]
        counts.add_dead_letter(rejection.reason)
        counts.scored -= 1
    return tallies


def _columns(topic: str, messages: Sequence[KafkaMessage]) -> RecordColumns:
    return RecordColumns(
        topic=topic,
        keys=[message.key() for message in messages],
        values=[message.value() for message in messages],
        headers=[message.headers() for message in messages],
        partitions=[message.partition() or 0 for message in messages],
        offsets=[message.offset() or 0 for message in messages],
        append_times=[message.timestamp()[1] for message in messages],
    )
