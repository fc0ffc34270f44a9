"""How a batch becomes final: records produced and offsets moved, together or in that order.

`TransactionalCommit` is exactly-once: records, receipts and offsets are one transaction.
`PlainCommit` is at-least-once, for the embedded broker, which stores no transactional
offsets: produce, flush, then commit the offsets.
"""

import time
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import structlog
from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition

from runtime.batch import KafkaMessage, OutgoingRecords
from runtime.errors import FencedError
from runtime.settings import Guarantee
from runtime.stopwatch import Stopwatch
from runtime.watchdog import Watchdog

_log = structlog.get_logger("penstock.commit")


class BatchAbortedError(Exception):
    """The batch left no trace; the lane rewinds to its first offsets and reads it again."""


class Commit(Protocol):
    """Makes a batch final, or raises `BatchAbortedError` and leaves no trace that counts."""

    guarantee: Guarantee
    stages: Stopwatch

    def prepare(self) -> None:
        """Called once, before the consumer subscribes."""
        ...

    def polled(self) -> None:
        """Called right after each poll: the membership that polled is the one that commits."""
        ...

    def commit(self, outgoing: Sequence[OutgoingRecords], offsets: Sequence[TopicPartition]) -> None:
        """Produce the records and move the group's offsets to `offsets` (next to read)."""
        ...


class TransactionalCommit:
    """One transaction per batch, in a slot with one live owner (its transactional id)."""

    guarantee: Guarantee = "exactly_once"

    def __init__(
        self, producer: Producer, consumer: Consumer, *, watchdog: Watchdog, hang_s: float, deadline_s: float
    ) -> None:
        self._producer = producer
        self._consumer = consumer
        self._watchdog = watchdog
        self._hang_s = hang_s
        self._deadline_s = deadline_s
        self._membership: object = None
        self.stages = Stopwatch()

    def prepare(self) -> None:
        """Fence the slot's earlier owner and end what it left open."""
        with self._watchdog.limit("init_transactions", 3 * self._hang_s):
            self._retrying(lambda: self._producer.init_transactions(self._hang_s))

    def polled(self) -> None:
        """Keep the membership as of this poll.

        Asked for at commit, it could be of a later generation, in which another member owns
        what was polled; the broker would then take the offsets of both.
        """
        self._membership = self._consumer.consumer_group_metadata()

    def commit(self, outgoing: Sequence[OutgoingRecords], offsets: Sequence[TopicPartition]) -> None:
        """Make the batch final in this order.

        1. begin; 2. produce; 3. send the offsets with the membership that polled them;
        4. commit. An abortable error at any step aborts all of it.
        """
        try:
            with self.stages.stage("produce"):
                self._producer.begin_transaction()  # 1
                produce_all(self._producer, outgoing)  # 2
            with self.stages.stage("offsets"), self._watchdog.limit("send_offsets_to_transaction", self._hang_s):
                if offsets:
                    self._retrying(  # 3
                        lambda: self._producer.send_offsets_to_transaction(
                            list(offsets), self._membership, self._deadline_s
                        )
                    )
            with self.stages.stage("commit"), self._watchdog.limit("commit_transaction", self._hang_s):
                self._retrying(lambda: self._producer.commit_transaction(self._deadline_s))  # 4
        except KafkaException as error:
            self._abort(error.args[0])

    def _abort(self, fault: KafkaError) -> None:
        if fault.code() in (KafkaError._FENCED, KafkaError.PRODUCER_FENCED, KafkaError.INVALID_PRODUCER_EPOCH):
            raise FencedError(f"another process has taken this slot: {fault.str()}")
        if not fault.txn_requires_abort():
            raise KafkaException(fault)
        _log.warning("transaction aborted", detail=fault.str())
        with self._watchdog.limit("abort_transaction", self._hang_s):
            self._retrying(lambda: self._producer.abort_transaction(self._deadline_s))
        raise BatchAbortedError(fault.str())

    def _retrying(self, call: Callable[[], None]) -> None:
        """Repeat a call that may be repeated, until the deadline."""
        deadline = time.monotonic() + self._deadline_s
        while True:
            try:
                return call()
            except KafkaException as error:
                fault: KafkaError = error.args[0]
                if not fault.retriable() or time.monotonic() >= deadline:
                    raise
                _log.warning("transactional call repeated", detail=fault.str())
                time.sleep(0.05)


class PlainCommit:
    """Produce, flush, then commit: after a crash in between, the batch is done again."""

    guarantee: Guarantee = "at_least_once"

    def __init__(self, producer: Producer, consumer: Consumer, *, deadline_s: float) -> None:
        self._producer = producer
        self._consumer = consumer
        self._deadline_s = deadline_s
        self._failures: list[KafkaError] = []
        self.stages = Stopwatch()

    def prepare(self) -> None:
        """Nothing needs fencing without transactions."""

    def polled(self) -> None:
        """A plain commit asks for the membership by itself."""

    def commit(self, outgoing: Sequence[OutgoingRecords], offsets: Sequence[TopicPartition]) -> None:
        self._failures.clear()
        with self.stages.stage("produce"):
            produce_all(self._producer, outgoing, on_delivery=self._note)
            left = self._producer.flush(self._deadline_s)
        if left or self._failures:
            detail = self._failures[0].str() if self._failures else f"{left} records not delivered in time"
            raise BatchAbortedError(detail)
        if not offsets:
            return
        try:
            with self.stages.stage("commit"):
                committed = self._consumer.commit(offsets=list(offsets), asynchronous=False)
        except KafkaException as error:
            raise BatchAbortedError(error.args[0].str()) from error
        refused = [place.error.str() for place in committed or () if place.error is not None]
        if refused:
            raise BatchAbortedError(refused[0])

    def _note(self, error: KafkaError | None, _message: KafkaMessage) -> None:
        if error is not None:
            self._failures.append(error)


OnDelivery = Callable[[KafkaError | None, KafkaMessage], None]
_ANY_PARTITION = -1


def produce_all(
    producer: Producer, outgoing: Sequence[OutgoingRecords], *, on_delivery: OnDelivery | None = None
) -> None:
    """Hand all records to the producer, waiting while its queue is full.

    Raises `KafkaException` for a record that the producer will never take.
    """
    for records in outgoing:
        partition = _ANY_PARTITION if records.partition is None else records.partition
        waiting = [{"value": value, "key": key} for key, value in zip(records.keys, records.values, strict=True)]
        while waiting:
            taken = producer.produce_batch(records.topic, waiting, partition=partition, on_delivery=on_delivery)
            waiting = _left_over(waiting) if taken < len(waiting) else []
            if waiting:
                producer.poll(0.1)


def _left_over(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What the full queue had no room for, in order."""
    left = []
    for message in messages:
        error = message.pop("_error", None)
        if error is not None:
            if error.code() != KafkaError._QUEUE_FULL:
                raise KafkaException(error)
            left.append(message)
    return left
