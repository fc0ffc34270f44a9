"""Receipts: what each commit did with each partition's range of offsets.

Ranges of one partition that touch prove that nothing was lost, ranges that do not overlap
that nothing was done twice. A range may hold fewer records than offsets, since transaction
markers take offsets; records are counted, never offsets.
"""

from collections.abc import Callable, Sequence

from confluent_kafka import TopicPartition

from runtime.assignment import Assignment
from runtime.batch import Batch, LaneOutput, OutgoingRecords, Tally
from runtime.clock import Clock
from runtime.kafka import SYSTEM_PARTITION
from runtime.settings import Guarantee
from schemas.codec import EventCodec
from schemas.events import Receipt
from schemas.topics import RECEIPTS, Topics


class ReceiptWriter:
    """Makes the receipts of one lane, as records for the receipts topic."""

    def __init__(
        self,
        *,
        lane: str,
        guarantee: Guarantee,
        cluster_id: str,
        topics: Topics,
        codec: EventCodec,
        clock: Clock,
        model_of: Callable[[str], str],
    ) -> None:
        self._lane = lane
        self._guarantee = guarantee
        self._cluster_id = cluster_id
        self._topics = topics
        self._codec = codec
        self._clock = clock
        self._model_of = model_of

    def of_batch(self, assignment: Assignment, batch: Batch, output: LaneOutput) -> Sequence[OutgoingRecords]:
        """One receipt per partition of the batch, from the offset committed before to the next one."""
        receipts = []
        for (topic, partition), offset_to in batch.offsets_next.items():
            tally = output.tallies[topic, partition]
            assert tally.records == tally.scored + sum(tally.dead_lettered.values()), (topic, partition, tally)
            offset_from = assignment.position(topic, partition)
            pending = output.pending_oldest.get((topic, partition))
            receipts.append(self._receipt(topic, partition, offset_from, offset_to, tally=tally, pending=pending))
        return self._encode(receipts)

    def of_loss(self, partition: TopicPartition, offset_next: TopicPartition) -> Sequence[OutgoingRecords]:
        """The receipt for records that were deleted unread and whose loss was accepted."""
        receipt = self._receipt(partition.topic, partition.partition, partition.offset, offset_next.offset, tally=None)
        return self._encode([receipt])

    def _receipt(
        self,
        topic: str,
        partition: int,
        offset_from: int,
        offset_to: int,
        *,
        tally: Tally | None,
        pending: int | None = None,
    ) -> Receipt:
        assert offset_from < offset_to, (topic, partition, offset_from, offset_to)
        return Receipt(
            cluster_id=self._cluster_id,
            lane=self._lane,
            guarantee=self._guarantee,
            model=self._model_of(topic),
            topic=topic,
            partition=partition,
            offset_from=offset_from,
            offset_to=offset_to,
            records=tally.records if tally else 0,
            scored=tally.scored if tally else 0,
            dead_lettered=dict(tally.dead_lettered) if tally else {},
            lost=0 if tally else offset_to - offset_from,
            offset_pending_oldest=pending,
            committed_at=self._clock.now_ms(),
        )

    def _encode(self, receipts: Sequence[Receipt]) -> Sequence[OutgoingRecords]:
        return [
            OutgoingRecords(
                topic=self._topics.of(RECEIPTS),
                keys=[f"{receipt.topic}:{receipt.partition}".encode() for receipt in receipts],
                values=[self._codec.encode(receipt) for receipt in receipts],
                partition=SYSTEM_PARTITION,
            )
        ]
