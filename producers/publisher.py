"""Publishes framed records and accounts for every one of them: accepted by the broker, or an error.

Bytes go in, counts come out. A record is never dropped silently: a full queue is waited for,
a failed delivery raises on the next call and again on `flush`.
"""

import time
from types import TracebackType
from typing import Self

from confluent_kafka import KafkaError, Message

from producers.errors import DeliveryFailedError
from producers.holdback import Holdback
from runtime.kafka import build_producer
from runtime.settings import Settings
from schemas.topics import PRODUCER_HEADER

_QUEUE_WAIT_S = 0.1
PARTITION_BY_KEY = -1


class Publisher:
    """One idempotent Kafka producer with its books; `holdback` keeps it behind slow consumers.

    Not for use by several threads at once.
    """

    def __init__(self, settings: Settings, holdback: Holdback | None = None) -> None:
        self._settings = settings
        self._producer = build_producer(settings.kafka)
        self._headers: list[tuple[str, str | bytes | None]] = []
        if settings.producers.name:
            self._headers.append((PRODUCER_HEADER, settings.producers.name.encode()))
        self._holdback = holdback
        self._failure: KafkaError | None = None
        self._failed_topic = ""
        self.accepted = 0
        self.failed = 0
        self.bytes_sent = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Flush, unless an error is already on its way."""
        try:
            if kind is None:
                self.flush()
        finally:
            self.close()

    def publish(self, topic: str, value: bytes | None, *, key: bytes | None, partition: int = PARTITION_BY_KEY) -> None:
        """Hand one record to the client.

        Raises `DeliveryFailedError` for an earlier record that failed or a queue that stays full,
        `HoldbackTimeoutError` when the embedded broker's consumers stand still.
        """
        self._raise_failure()
        size = len(value or b"")
        if self._holdback is not None and self._holdback.is_due(size):
            self.flush()
            self._holdback.wait()
        self._produce(topic, value, key=key, partition=partition)
        self.bytes_sent += size
        self._producer.poll(0)

    def flush(self) -> int:
        """Wait until every record is accepted; return how many were, over the publisher's life.

        Raises `DeliveryFailedError`.
        """
        left = self._producer.flush(self._settings.producers.delivery_timeout_s)
        self._raise_failure()
        if left:
            raise DeliveryFailedError("the broker", "no answer within producers.delivery_timeout_s", failed=left)
        return self.accepted

    def close(self) -> None:
        """Let go of the holdback's connections; what was not flushed may be lost."""
        if self._holdback is not None:
            self._holdback.close()

    def _produce(self, topic: str, value: bytes | None, *, key: bytes | None, partition: int) -> None:
        deadline = time.monotonic() + self._settings.producers.delivery_timeout_s
        while True:
            try:
                self._producer.produce(
                    topic, value, key=key, partition=partition, headers=self._headers, on_delivery=self._delivered
                )
            except BufferError:
                self._producer.poll(_QUEUE_WAIT_S)
                self._raise_failure()
                if time.monotonic() > deadline:
                    raise DeliveryFailedError(topic, "the client's queue stays full", failed=self.failed + 1) from None
            else:
                return

    def _delivered(self, error: KafkaError | None, message: Message) -> None:
        if error is None:
            self.accepted += 1
            return
        self.failed += 1
        if self._failure is None:
            self._failure = error
            self._failed_topic = message.topic() or ""

    def _raise_failure(self) -> None:
        if self._failure is not None:
            raise DeliveryFailedError(self._failed_topic, self._failure.str(), failed=self.failed)
