"""Replays flights as requests and labels, at a steady pace, with poison in between: a thread of its own.

Departures become requests, arrivals labels, in the order in which they happened. The pace is
open: a slow moment is made up for, so that latencies are honest; of a long one only the end is.
"""

import threading
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from penstock.demo.latency import Latencies
from penstock.demo.poison import Poison
from producers.labels import LabelProducer
from producers.pacing import due_at_s
from producers.publisher import Publisher
from producers.requests import RequestProducer
from producers.sources.flights import Arrival, Departure

_STOP_S = 10.0
_LOOK_S = 0.01
_MADE_UP_S = 5.0


@dataclass(slots=True)
class ReplayCounts:
    """What was sent so far; `poison` by the reason that it must be given."""

    requests: int = 0
    labels: int = 0
    poison: Counter[str] = field(default_factory=Counter)

    @property
    def records(self) -> int:
        """Everything on the requests topic."""
        return self.requests + sum(self.poison.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlets:
    """Where the replay sends to."""

    requests: RequestProducer
    labels: LabelProducer
    raw: Publisher


class Replay:
    """Sends every event of a timeline, or those before `until` (ms); `counts` and `event_time`, of the newest, grow."""

    def __init__(
        self, outlets: Outlets, events: Iterable[Departure | Arrival | Poison], *, rate: float, latencies: Latencies
    ) -> None:
        self.counts = ReplayCounts()
        self.done = threading.Event()
        self.first_answered_s: float | None = None
        self.until: int | None = None
        self.event_time = 0
        self.failure: Exception | None = None
        self._outlets = outlets
        self._events = iter(events)
        self._rate = rate
        self._latencies = latencies
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="replay", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def check(self) -> None:
        """Raise what ended the thread early, if anything did."""
        if self.failure is not None:
            raise self.failure

    def stop(self) -> None:
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(_STOP_S)

    def _run(self) -> None:
        try:
            self._send_all(self._events)
            for outlet in (self._outlets.requests, self._outlets.labels, self._outlets.raw):
                outlet.flush()
        except Exception as error:  # noqa: BLE001  # handed to the main thread by `check`
            self.failure = error
        finally:
            self.done.set()

    def _send_all(self, events: Iterator[Departure | Arrival | Poison]) -> None:
        started = self._first_answered(events)
        for event in events:
            if self._is_over(event):
                return
            if isinstance(event, Departure):
                wait_s = started + due_at_s(self.counts.requests, self._rate) - time.monotonic()
                started += max(-wait_s - _MADE_UP_S, 0.0)
                if self._stop.wait(wait_s) if wait_s > 0 else self._stop.is_set():
                    return
            self._send(event)

    def _is_over(self, event: Departure | Arrival | Poison) -> bool:
        return self.until is not None and not isinstance(event, Poison) and event.event_time >= self.until

    def _first_answered(self, events: Iterator[Departure | Arrival | Poison]) -> float:
        """Send the first request and wait for its prediction, since a scorer loads a version when it is needed."""
        sent_at = time.monotonic()
        for event in events:
            self._send(event)
            if isinstance(event, Departure):
                break
        while not self._latencies.answered and not self._stop.wait(_LOOK_S):
            pass
        self.first_answered_s = time.monotonic() - sent_at
        self._latencies.answered_s.clear()
        return time.monotonic()

    def _send(self, event: Departure | Arrival | Poison) -> None:
        if isinstance(event, Departure):
            self._latencies.sent(event.request_id, time.monotonic())
            self._outlets.requests.send(
                event.entity_id, event.features, event_time=event.event_time, request_id=event.request_id
            )
            self.counts.requests += 1
            self.event_time = event.event_time
        elif isinstance(event, Arrival):
            self._outlets.labels.send(event.request_id, event.entity_id, label=event.label, event_time=event.event_time)
            self.counts.labels += 1
        else:
            self._outlets.raw.publish(self._outlets.requests.topic, event.value, key=event.key)
            self.counts.poison[event.reason.value] += 1


def interspersed(
    events: Iterable[Departure | Arrival], poison: Iterable[Poison], *, every: int
) -> Iterator[Departure | Arrival | Poison]:
    """The events in their order, with one poison after each `every` of them, and the rest at the end."""
    waiting = iter(poison)
    for number, event in enumerate(events, start=1):
        yield event
        if number % every == 0:
            yield from _one(waiting)
    yield from waiting


def _one(waiting: Iterator[Poison]) -> Iterator[Poison]:
    following = next(waiting, None)
    if following is not None:
        yield following
