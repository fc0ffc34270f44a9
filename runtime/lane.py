"""The data plane's one mechanism: poll a batch, let a step turn it into records, make it final.

    consumer -> Batch -> step.process -> records + receipts + offsets in one commit

Exactly-once holds because nothing is in flight across a poll: a batch is committed whole or
rewound whole before the next poll, so a rebalance never meets a half-done one. One thread,
no framework; scale-out is more processes in the group.
"""

import threading
import time
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from typing import Protocol

import structlog
from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from runtime.assignment import Assignment
from runtime.backoff import Backoff
from runtime.batch import Batch, KafkaMessage, LaneOutput, OutgoingRecords, RetryLaterError, TopicPartitionKey
from runtime.commit import BatchAbortedError, Commit
from runtime.keeper import Keeper
from runtime.lag_watch import LagWatch
from runtime.metrics import (
    BATCH_RECORDS,
    BATCHES_READ_AGAIN,
    DEAD_LETTERS,
    PROCESS_SECONDS,
    RECORDS,
    STAGE_SECONDS,
    TRANSACTION_SECONDS,
    Meters,
)
from runtime.offsets import StopRequestedError
from runtime.receipts import ReceiptWriter

_log = structlog.get_logger("penstock.lane")

_DELETED = frozenset({KafkaError._AUTO_OFFSET_RESET, KafkaError.OFFSET_OUT_OF_RANGE})
_ENDING = frozenset({KafkaError.GROUP_AUTHORIZATION_FAILED, KafkaError._FENCED, KafkaError.FENCED_INSTANCE_ID})


class LaneStep(Protocol):
    """What a lane does with its batches; everything here runs on the lane's thread."""

    def refresh(self) -> None:
        """Take what changed since the last batch (deployments, loaded versions)."""
        ...

    def topics(self) -> Collection[str]:
        """The topics to subscribe to now."""
        ...

    def ready(self, topic: str) -> bool:
        """Whether records of the topic can be processed; those of others wait, paused."""
        ...

    def accepted_loss(self, topic: str, partition: int) -> int | None:
        """The offset up to which an operator accepted that records are lost, if any."""
        ...

    def take_announcements(self) -> Sequence[OutgoingRecords]:
        """Records that no batch caused, each given out once."""
        ...

    def process(self, batch: Batch) -> LaneOutput:
        """Turn a batch into records and tallies. Raises `RetryLaterError` to see it again later."""
        ...

    def committed(self) -> None:
        """The last output is final."""
        ...


class Lane:
    """Runs one step over its topics until it is told to stop."""

    def __init__(
        self,
        *,
        consumer: Consumer,
        commit: Commit,
        step: LaneStep,
        assignment: Assignment,
        receipts: ReceiptWriter | None,
        batch_records_max: int,
        batch_wait_ms: int,
        meters: Meters,
        lag_watch: LagWatch,
        keeper: Keeper | None = None,
    ) -> None:
        self._keeper = keeper
        self._ends: set[TopicPartitionKey] = set()
        self._consumer = consumer
        self._commit = commit
        self._step = step
        self._assignment = assignment
        self._receipts = receipts
        self._batch_records_max = batch_records_max
        self._batch_wait_s = batch_wait_ms / 1_000
        self._meters = meters
        self._lag_watch = lag_watch
        self._subscribed: frozenset[str] = frozenset()
        self._backoff = Backoff(first_s=0.05, most_s=5.0, failures_max=20)
        self._announcements: list[OutgoingRecords] = []
        self._announcing = Backoff(first_s=0.05, most_s=5.0, failures_max=20)

    def run(self, stop: threading.Event, *, ready: Callable[[], None]) -> None:
        """Poll, process and commit until `stop`; the batch in hand is finished first.

        Raises whatever only a restart can mend: a fenced slot, offsets that stay unstable, a
        batch that failed more often than the backoff allows.
        """
        self._commit.prepare()
        self._assignment.stopping = stop.is_set
        self._step.refresh()
        ready()
        with self._lag_watch, suppress(StopRequestedError):
            while not stop.is_set():
                self._step.refresh()
                self._follow_step()
                batch = self._poll() or self._due()
                if batch is not None:
                    self._handle(batch, stop)
                self._tell_ends()
        if self._keeper is not None and self._keeper.hurry():
            self._handle(Batch.empty(), stop)
        self._consumer.close()

    def _follow_step(self) -> None:
        wanted = frozenset(self._step.topics())
        if wanted != self._subscribed:
            self._subscribed = wanted
            self._assignment.subscribe(sorted(wanted))
        for lost, resumed in self._assignment.acceptable_losses(self._step.accepted_loss):
            receipts = self._receipts.of_loss(lost, resumed) if self._receipts else ()
            note = self._keeper.notes().get((resumed.topic, resumed.partition), "") if self._keeper else ""
            self._commit.polled()
            self._commit.commit(receipts, [TopicPartition(resumed.topic, resumed.partition, resumed.offset, note)])
            self._assignment.lost_accepted(resumed)
        self._assignment.hold_unready(self._step.ready)
        self._assignment.measure()
        self._announce()

    def _announce(self) -> None:
        """Send what no batch caused; what an aborted transaction took along is sent with the next."""
        self._announcements += [*self._assignment.take_signals(), *self._step.take_announcements()]
        if not self._announcements:
            return
        try:
            self._commit.commit(self._announcements, [])
        except BatchAbortedError as error:
            _log.warning("announcements will be sent again", records=len(self._announcements), why=str(error))
            time.sleep(self._announcing.failed(error))
            return
        self._announcing.succeeded()
        self._announcements = []

    def _poll(self) -> Batch | None:
        """One waiting poll for the first record, then what has already arrived.

        A batch is what came while the last one was made final: small when the load is small,
        full when it is not, and nothing waits for a batch to fill.
        """
        rebalances = self._assignment.rebalances
        messages = self._consumer.consume(1, self._batch_wait_s)
        if messages and self._batch_records_max > 1:
            messages += self._consumer.consume(self._batch_records_max - 1, 0.0)
        if self._assignment.rebalances != rebalances:
            # A partition may have gone and come back between two of these records, which would
            # then be there twice: what a rebalance interrupted is read again from the positions.
            self._assignment.rewind({(message.topic() or "", message.partition() or 0) for message in messages})
            return None
        self._commit.polled()
        records = [message for message in messages if message.error() is None]
        if len(records) < len(messages):
            self._look_into([message for message in messages if message.error() is not None])
        if not records:
            return None
        batch = Batch.of(records)
        if self._assignment.wants_all(batch.first_offsets):
            return batch
        wanted = [message for message in records if self._assignment.wants(message)]
        return Batch.of(wanted) if wanted else None

    def _due(self) -> Batch | None:
        """A batch without records, where the keeper has something to do that no record causes."""
        return Batch.empty() if self._keeper is not None and self._keeper.due() else None

    def _look_into(self, faults: Sequence[KafkaMessage]) -> None:
        for message in faults:
            fault = message.error()
            assert fault is not None, "faults carry an error"
            if fault.code() == KafkaError._PARTITION_EOF:
                self._ends.add((message.topic() or "", message.partition() or 0))
            elif fault.code() in _DELETED:
                self._assignment.deleted_unread(message)
            elif fault.fatal() or fault.code() in _ENDING:
                raise KafkaException(fault)
            else:
                _log.warning("consumer reports a fault", detail=fault.str(), topic=message.topic())

    def _handle(self, batch: Batch, stop: threading.Event) -> None:
        # What announcements took in between is no part of this batch.
        self._commit.stages.take()
        started = time.perf_counter()
        try:
            output = self._step.process(batch)
            processed = time.perf_counter()
            receipts = self._receipts.of_batch(self._assignment, batch, output) if self._receipts else ()
            self._commit.commit([*output.outgoing, *receipts], self._offsets(batch))
        except (RetryLaterError, BatchAbortedError) as error:
            _log.warning(
                "batch will be read again", topics=sorted(batch.columns), records=batch.records, why=str(error)
            )
            self._meters.add(BATCHES_READ_AGAIN)
            self._assignment.rewind(batch.offsets_next)
            self._ends -= batch.offsets_next.keys()
            stop.wait(self._backoff.failed(error))
            return
        self._backoff.succeeded()
        self._assignment.advance(batch.offsets_next)
        self._step.committed()
        self._meters.observe(PROCESS_SECONDS, processed - started)
        self._meters.observe(TRANSACTION_SECONDS, time.perf_counter() - processed)
        for stage, seconds in {**output.stage_seconds, **self._commit.stages.take()}.items():
            self._meters.observe(STAGE_SECONDS, seconds, stage=stage)
        self._count(batch, output)

    def _offsets(self, batch: Batch) -> list[TopicPartition]:
        """Where each partition of the batch, and each that the keeper has a note for, goes on."""
        if self._keeper is None:
            return [TopicPartition(*place, offset) for place, offset in batch.offsets_next.items()]
        notes = self._keeper.notes()
        offsets = {place: self._assignment.position(*place) for place in notes if place in self._assignment.owned}
        offsets |= batch.offsets_next
        return [TopicPartition(*place, offset, notes.get(place, "")) for place, offset in offsets.items()]

    def _tell_ends(self) -> None:
        """Tell the keeper which logs were read to their end, once all that was read of them is final."""
        ends, self._ends = self._ends, set()
        if self._keeper is not None:
            for place in ends:
                self._keeper.at_end(*place)

    def _count(self, batch: Batch, output: LaneOutput) -> None:
        self._meters.observe(BATCH_RECORDS, batch.records)
        for (topic, _partition), tally in output.tallies.items():
            self._meters.add(RECORDS, tally.records, topic=topic)
            for reason, records in tally.dead_lettered.items():
                self._meters.add(DEAD_LETTERS, records, topic=topic, reason=reason)
