"""The sink's way in: finds topics, polls bounded batches, and waits without leaving the group."""

import threading
import time
from collections.abc import Callable, Sequence

import structlog
from confluent_kafka import Consumer, KafkaError, KafkaException

from consumers.assignment import SinkAssignment
from runtime.batch import KafkaMessage

DISCOVER_EVERY_S = 2.0
BATCH_BYTES_MAX = 16 << 20
_CHUNK_RECORDS = 500
_POLL_HELD_S = 0.2
_DELETED = frozenset({KafkaError._AUTO_OFFSET_RESET, KafkaError.OFFSET_OUT_OF_RANGE})
_ENDING = frozenset({KafkaError.GROUP_AUTHORIZATION_FAILED, KafkaError.FENCED_INSTANCE_ID})

_log = structlog.get_logger("penstock.sink")


class Intake:
    """Polls the topics that `stored` chooses among those that exist."""

    def __init__(
        self,
        consumer: Consumer,
        assignment: SinkAssignment,
        *,
        stored: Callable[[Sequence[str]], frozenset[str]],
        records_max: int,
        wait_s: float,
    ) -> None:
        self._consumer = consumer
        self._assignment = assignment
        self._stored = stored
        self._records_max = records_max
        self._wait_s = wait_s
        self._subscribed: frozenset[str] = frozenset()
        self._discover_at = 0.0
        self._late: list[KafkaMessage] = []

    @property
    def answered(self) -> bool:
        """Whether the group has given its first answer, or there is nothing to ask for yet."""
        return self._assignment.answered or not self._subscribed

    def discover(self) -> None:
        """Subscribe to topics that have appeared; those of a new model are found within seconds."""
        now = time.monotonic()
        if now < self._discover_at:
            return
        self._discover_at = now + DISCOVER_EVERY_S
        try:
            existing = self._consumer.list_topics(timeout=DISCOVER_EVERY_S).topics
        except KafkaException as error:
            _log.warning("topics can't be listed now", detail=str(error.args[0]))
            return
        wanted = self._stored(list(existing))
        if wanted and wanted != self._subscribed:
            _log.info("subscribed", topics=sorted(wanted))
            self._subscribed = wanted
            self._assignment.subscribe(sorted(wanted))

    def poll(self) -> list[KafkaMessage]:
        """Wait for a first record, then take what has arrived, bounded in number and in bytes."""
        messages, self._late = self._late, []
        messages += self._usable(self._consumer.consume(1, self._wait_s))
        size = sum(map(_bytes_of, messages))
        while messages and len(messages) < self._records_max and size < BATCH_BYTES_MAX:
            polled = self._consumer.consume(min(_CHUNK_RECORDS, self._records_max - len(messages)), 0.0)
            if not polled:
                break
            chunk = self._usable(polled)
            size += sum(map(_bytes_of, chunk))
            messages += chunk
        return messages

    def wait(self, seconds: float, stop: threading.Event) -> None:
        """Fetch nothing for a while, but stay in the group; `go_on` ends it.

        A record that slips in before its partition is paused is kept for the next poll.
        """
        self._assignment.hold()
        deadline = time.monotonic() + seconds
        while not stop.is_set() and (left := deadline - time.monotonic()) > 0:
            if self._subscribed:
                self._late += self._usable(self._consumer.consume(1, min(left, _POLL_HELD_S)))
            else:
                stop.wait(left)

    def go_on(self) -> None:
        """Fetch again."""
        self._assignment.release()

    def _usable(self, polled: Sequence[KafkaMessage]) -> list[KafkaMessage]:
        return [message for message in polled if self._is_record(message)]

    def _is_record(self, message: KafkaMessage) -> bool:
        fault = message.error()
        if fault is None:
            return True
        if fault.code() in _DELETED:
            self._assignment.restart(message.topic() or "", message.partition() or 0)
        elif fault.fatal() or fault.code() in _ENDING:
            raise KafkaException(fault)
        elif fault.code() != KafkaError._PARTITION_EOF:
            _log.warning("consumer reports a fault", detail=fault.str(), topic=message.topic())
        return False


def _bytes_of(message: KafkaMessage) -> int:
    return len(message.value() or b"") + len(message.key() or b"")
