"""The sink: everything that people query goes from its topic into the store.

    consumer -> batch -> documents -> store -> dead letters -> offsets committed

Offsets are committed after the write, and documents have derived ids, so whatever crashes
the store ends up with one document per event. While the store is down partitions are paused
and one bounded batch waits; nothing is lost and scoring does not notice.
"""

import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TypeVar

import structlog

from consumers.assignment import SinkAssignment
from consumers.decoding import DecodedRecords, PredictionDecoder, RecordDecoder
from consumers.documents import PersonalFeatures
from consumers.errors import StoreUnavailableError
from consumers.intake import Intake
from consumers.performance_table import PerformanceTable
from consumers.sinks.base import Sink
from runtime.backoff import Backoff
from runtime.batch import Batch, KafkaMessage, OutgoingRecords, RecordColumns
from runtime.clock import Clock, SystemClock
from runtime.commit import BatchAbortedError, PlainCommit
from runtime.dead_letters import DeadLetterWriter
from runtime.groups import sink_group
from runtime.kafka import build_group_consumer, build_producer, cluster_id
from runtime.lag_watch import LagWatch
from runtime.membership import build_membership
from runtime.metrics import (
    BATCH_RECORDS,
    DOCUMENTS,
    DOCUMENTS_REJECTED,
    SINK_BACKLOG_RECORDS,
    SINK_WAITS,
    STAGE_SECONDS,
    Meters,
)
from runtime.metrics import DEAD_LETTERS as DEAD_LETTERED
from runtime.offsets import StopRequestedError
from runtime.settings import Settings
from runtime.stopwatch import Stopwatch
from schemas.codec import EventCodec
from schemas.columns import Rejection
from schemas.errors import SchemaRegistryUnavailableError
from schemas.reasons import Reason
from schemas.topics import DEAD_LETTERS, Topics

T = TypeVar("T")
Rejections = list[tuple[RecordColumns, list[Rejection]]]

CALL_DEADLINE_S = 8.0
ASSIGN_DEADLINE_S = 45.0
BACKOFF_FIRST_S = 0.2
BACKOFF_MOST_S = 5.0
_MAY_PASS = (StoreUnavailableError, SchemaRegistryUnavailableError, BatchAbortedError)

_log = structlog.get_logger("penstock.sink")


class SinkLoop:
    """Runs until it is told to stop, on one thread. `settings` name brokers that exist."""

    def __init__(
        self,
        settings: Settings,
        sink: Sink,
        *,
        codec: EventCodec,
        reader: PredictionDecoder,
        outcome_reader: PredictionDecoder,
        performance: PerformanceTable,
        personal_features: PersonalFeatures,
        clock: Clock | None = None,
        meters: Meters | None = None,
        service: str = "sink-0",
    ) -> None:
        self._meters = meters or Meters()
        self._sink = sink
        topics = Topics(settings.topics.prefix)
        cluster = cluster_id(settings.kafka)
        self._decoder = RecordDecoder(
            topics=topics,
            codec=codec,
            predictions=reader,
            outcomes=outcome_reader,
            performance=performance,
            cluster_id=cluster,
            personal_features=personal_features,
        )
        self._dead_letter_topic = topics.of(DEAD_LETTERS)
        self._dead_letters = DeadLetterWriter(
            service=service,
            cluster_id=cluster,
            topics=topics,
            codec=codec,
            clock=clock or SystemClock(),
            value_bytes_max=settings.scoring.dead_letter_bytes_max,
        )
        self._consumer = build_group_consumer(settings.kafka, group=sink_group(settings.topics.prefix))
        self._assignment = SinkAssignment(
            self._consumer,
            membership=build_membership(settings.kafka, self._consumer),
            deadline_s=ASSIGN_DEADLINE_S,
            meters=self._meters,
        )
        self._lag_watch = LagWatch(settings.kafka, lambda: self._assignment.measured, self._meters)
        self._stages = Stopwatch()
        self._commit = PlainCommit(build_producer(settings.kafka), self._consumer, deadline_s=CALL_DEADLINE_S)
        self._intake = Intake(
            self._consumer,
            self._assignment,
            stored=self._decoder.stored,
            records_max=settings.store.batch_documents_max,
            wait_s=settings.store.batch_wait_ms / 1_000,
        )

    @property
    def lost(self) -> int:
        """Offsets that the broker had deleted before they were read."""
        return self._assignment.lost

    def run(self, stop: threading.Event, ready: Callable[[], None]) -> None:
        """Read and write until `stop`; the batch in hand is finished, unless its store is down.

        `ready` is called once the group has answered. Raises what only a restart can mend.
        """
        is_ready = False
        self._assignment.stopping = stop.is_set
        try:
            self._patiently(self._setup, stop)
            with self._lag_watch, suppress(StopRequestedError):
                while not stop.is_set():
                    self._intake.discover()
                    self._assignment.measure()
                    self._handle(self._intake.poll(), stop)
                    if not is_ready and self._intake.answered:
                        is_ready = True
                        ready()
        finally:
            self._consumer.close()
            self._sink.close()

    def _setup(self) -> bool:
        self._sink.setup()
        return True

    def _handle(self, messages: Sequence[KafkaMessage], stop: threading.Event) -> None:
        """Decode (1), write (2), produce dead letters and only then commit the offsets (3).

        Each step is repeated while what it needs is away. On `stop` in between nothing is
        committed, and the next start does the batch again.
        """
        if not messages:
            return
        batch = Batch.of(messages)
        self._meters.set(SINK_BACKLOG_RECORDS, batch.records)
        work = self._patiently(lambda: self._decode(batch), stop)  # 1
        rejected = None if work is None else self._patiently(lambda: self._write(work), stop)  # 2
        if rejected is not None:
            outgoing = self._dead_letters_of(rejected)
            if self._patiently(lambda: self._finish(outgoing, batch), stop) is not None:  # 3
                self._count(batch)

    def _count(self, batch: Batch) -> None:
        self._meters.set(SINK_BACKLOG_RECORDS, 0)
        self._meters.observe(BATCH_RECORDS, batch.records)
        for stage, seconds in self._stages.take().items():
            self._meters.observe(STAGE_SECONDS, seconds, stage=stage)

    def _decode(self, batch: Batch) -> list[tuple[RecordColumns, DecodedRecords]]:
        with self._stages.stage("decode"):
            return [(columns, self._decoder.decode(columns)) for columns in batch.columns.values()]

    def _write(self, work: Sequence[tuple[RecordColumns, DecodedRecords]]) -> Rejections:
        """Write all documents at once; return what was undecodable or refused, by topic."""
        documents = [document for _columns, decoded in work for document in decoded.documents]
        with self._stages.stage("write"):
            refused = {id(each.document): each.detail for each in self._sink.write(documents)} if documents else {}
        self._meters.add(DOCUMENTS, len(documents) - len(refused))
        self._meters.add(DOCUMENTS_REJECTED, len(refused))
        return [(columns, [*decoded.rejections, *_refusals(decoded, refused)]) for columns, decoded in work]

    def _dead_letters_of(self, rejected: Rejections) -> list[OutgoingRecords]:
        """Dead letters for what could not be stored; a dead letter itself is only logged."""
        outgoing = []
        for columns, rejections in rejected:
            for rejection in rejections:
                self._meters.add(DEAD_LETTERED, topic=columns.topic, reason=rejection.reason)
            if columns.topic == self._dead_letter_topic:
                _log_unstorable(columns, rejections)
            else:
                outgoing += self._dead_letters.records(columns, self._decoder.model_of(columns.topic), rejections)
        return outgoing

    def _finish(self, outgoing: Sequence[OutgoingRecords], batch: Batch) -> Batch:
        with self._stages.stage("commit"):
            self._commit.commit(outgoing, self._assignment.owned(batch.offsets_next))
        self._assignment.advance(batch.offsets_next)
        return batch

    def _patiently(self, act: Callable[[], T], stop: threading.Event) -> T | None:
        """Do it, again and again while what it needs is away; None when `stop` comes first."""
        backoff = Backoff(first_s=BACKOFF_FIRST_S, most_s=BACKOFF_MOST_S, failures_max=sys.maxsize)
        while True:
            try:
                result = act()
            except _MAY_PASS as error:
                wait_s = backoff.failed(error)
                self._meters.add(SINK_WAITS)
                _log.warning("waiting, with partitions paused", wait_s=wait_s, why=str(error))
                self._intake.wait(wait_s, stop)
                if stop.is_set():
                    return None
            else:
                self._intake.go_on()
                return result


def _log_unstorable(columns: RecordColumns, rejections: Sequence[Rejection]) -> None:
    for rejection in rejections:
        _log.error(
            "a dead letter can't be stored",
            topic=columns.topic,
            partition=columns.partitions[rejection.row],
            offset=columns.offsets[rejection.row],
            reason=rejection.reason.value,
            detail=rejection.detail,
        )


def _refusals(decoded: DecodedRecords, refused: dict[int, str]) -> list[Rejection]:
    return [
        Rejection(row=row, reason=Reason.REJECTED_BY_STORE, detail=refused[id(document)])
        for document, row in zip(decoded.documents, decoded.rows, strict=True)
        if id(document) in refused
    ]
