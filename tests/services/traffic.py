"""Requests at an even rate from a thread, and which of them the broker accepted, where."""

import threading
import time
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from confluent_kafka import KafkaError, Message, Producer

from tests.services.scoring_model import RequestEncoder, entity_of

TICK_S = 0.01
FLUSH_S = 90.0


@dataclass(slots=True)
class Traffic:
    """Sends requests `first`, `first` + 1 ... while its block runs; `accepted` is complete at the end."""

    bootstrap_servers: str
    topic: str
    encoder: RequestEncoder
    per_s: float
    first: int = 0
    accepted: dict[int, tuple[int, int]] = field(default_factory=dict)
    refused: list[int] = field(default_factory=list)
    sent: int = 0
    _stop: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._run, name="traffic", daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """Send no more, and wait until the broker has accepted what was sent."""
        self._stop.set()
        assert self._thread is not None, "entered before it is left"
        self._thread.join(FLUSH_S + 10)
        assert not self._thread.is_alive(), "the broker did not accept everything in time"

    def _run(self) -> None:
        producer = load_producer(self.bootstrap_servers)
        started = time.monotonic()
        while not self._stop.wait(TICK_S):
            due = int((time.monotonic() - started) * self.per_s)
            for position in range(self.sent, due):
                send(producer, self, self.first + position)
            self.sent = max(due, self.sent)
            producer.poll(0)
        producer.flush(FLUSH_S)


def send_at_once(traffic: Traffic, count: int) -> None:
    """Send `count` requests as fast as they go, and wait until all have been accepted."""
    producer = load_producer(traffic.bootstrap_servers)
    for position in range(count):
        send(producer, traffic, traffic.first + position)
        producer.poll(0)
    traffic.sent += count
    assert producer.flush(FLUSH_S) == 0


def send(producer: Producer, traffic: Traffic, number: int) -> None:
    """Produce one request, and note what became of it."""

    def delivered(error: KafkaError | None, message: Message) -> None:
        if error is None:
            traffic.accepted[number] = (message.partition() or 0, message.offset() or 0)
        else:
            traffic.refused.append(number)

    producer.produce(
        traffic.topic, value=traffic.encoder.encode(number), key=entity_of(number).encode(), on_delivery=delivered
    )


def load_producer(bootstrap_servers: str) -> Producer:
    """A producer that a broker's restart does not stop, and that repeats nothing."""
    return Producer(
        {
            "bootstrap.servers": bootstrap_servers,
            "partitioner": "murmur2_random",
            "enable.idempotence": True,
            "linger.ms": 2,
            "reconnect.backoff.max.ms": 500,
        }
    )
