"""Labels for the requests of a traffic: late ones, corrected ones, some taken back, from a thread of their own."""

import random
import threading
import time
from dataclasses import dataclass, field, replace
from types import TracebackType
from typing import Self

from confluent_kafka import Producer

from schemas.codec import EventCodec
from schemas.events import Label
from tests.services.deployment import MODEL
from tests.services.scoring_model import EVENT_TIME_FIRST_MS, entity_of, request_id
from tests.services.traffic import FLUSH_S, TICK_S, Traffic, load_producer

CORRECTED, TAKEN_BACK, NEVER = 0.15, 0.05, 0.03


@dataclass(slots=True)
class LabelTraffic:
    """Labels what the traffic has sent, some thousand requests behind it; `finish` labels the rest."""

    bootstrap_servers: str
    topic: str
    codec: EventCodec
    traffic: Traffic
    behind: int = 1_000
    sent: int = 0
    _next: int = 0
    _chooser: random.Random = field(default_factory=lambda: random.Random(3))
    _corrections: list[Label] = field(default_factory=list)
    _stop: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._run, name="labels", daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.finish()

    def finish(self) -> None:
        """Label what is left of the traffic, which has stopped, and wait until the broker has all."""
        self._stop.set()
        assert self._thread is not None, "entered before it is left"
        self._thread.join(FLUSH_S + 10)
        assert not self._thread.is_alive(), "the broker did not accept every label in time"

    def _run(self) -> None:
        producer = load_producer(self.bootstrap_servers)
        while not self._stop.wait(TICK_S):
            self._label(producer, self.traffic.sent - self.behind)
        self._label(producer, self.traffic.sent)
        for correction in self._corrections:
            self._send(producer, correction)
        assert producer.flush(FLUSH_S) == 0

    def _label(self, producer: Producer, until: int) -> None:
        """Each label, and now and then a correction of an earlier one."""
        for number in range(self._next, until):
            chance = self._chooser.random()
            if chance > NEVER:
                label = Label(
                    model=MODEL,
                    request_id=request_id(number),
                    entity_id=entity_of(number),
                    label=self._chooser.choice(("0", "1")),
                    event_time=EVENT_TIME_FIRST_MS + number + self._chooser.randrange(800),
                    value=number / 8,
                )
                self._send(producer, label)
                if chance > 1 - CORRECTED:
                    taken_back = chance > 1 - TAKEN_BACK
                    self._corrections.append(replace(label, label=None if taken_back else "1", revision=1))
            if len(self._corrections) > 50:
                self._send(producer, self._corrections.pop(self._chooser.randrange(50)))
        self._next = max(self._next, until)
        producer.poll(0)

    def _send(self, producer: Producer, label: Label) -> None:
        producer.produce(self.topic, value=self.codec.encode(label), key=label.entity_id.encode())
        self.sent += 1


def wait_labeled(traffic: LabelTraffic, count: int) -> None:
    """Wait until so many labels were sent."""
    deadline = time.monotonic() + FLUSH_S
    while traffic.sent < count:
        assert time.monotonic() < deadline, f"{traffic.sent} of {count} labels were sent"
        time.sleep(0.05)
