"""The trainer's loop: follows the model events, works on one request at a time, publishes the answers.

    model-events -> open requests -> work -> answer -> model-events
                 -> candidates that wait -> commands

It joins no group and commits no offsets: what is open follows from the events alone, which it
reads from their start. A request that has to wait for outcomes does not hold up the others.
"""

import threading
import time
from collections.abc import Callable, Iterator
from typing import Protocol

import structlog

from consumers.errors import StoreNotFoundError, StoreUnavailableError
from consumers.trainer.requests import Requests, RetrainRequest
from registry.errors import ShelfUnavailableError
from runtime.metrics import TRAINING_SECONDS, TRAININGS, Meters
from schemas.errors import SchemaRegistryUnavailableError
from schemas.events import ModelEvent

_MAY_PASS = (StoreUnavailableError, StoreNotFoundError, ShelfUnavailableError, SchemaRegistryUnavailableError)
_LOOK_S = 0.5
_log = structlog.get_logger("penstock.trainer")


class ModelEvents(Protocol):
    """Where model events are read and written, in their order."""

    def catch_up(self) -> Iterator[ModelEvent]:
        """All of them up to now."""
        ...

    def news(self) -> Iterator[ModelEvent]:
        """Those that have come since; returns at once."""
        ...

    def publish(self, event: ModelEvent) -> None:
        """Deliver one, or raise."""
        ...


class Worker(Protocol):
    """What answers a request; see `Work`."""

    def answer(self, request: RetrainRequest, *, wanted: Callable[[], bool]) -> ModelEvent | None: ...


class Promoter(Protocol):
    """What asks for canaries of candidates; see `CanaryDesk`."""

    def take(self, event: ModelEvent) -> None: ...

    def ask(self) -> None: ...


class TrainerLoop:
    """Runs on one thread until it is told to stop. `look_every_s`: how often a request that waits is tried again."""

    def __init__(
        self,
        events: ModelEvents,
        worker: Worker,
        *,
        promoter: Promoter | None,
        look_every_s: float,
        meters: Meters,
    ) -> None:
        self._events = events
        self._worker = worker
        self._promoter = promoter
        self._look_every_s = look_every_s
        self._meters = meters
        self._requests = Requests()
        self._due_at: dict[str, float] = {}

    def run(self, stop: threading.Event, ready: Callable[[], None]) -> None:
        """Answer requests until `stop`; a fit under way is given up then, and done again by the next start."""
        for event in self._events.catch_up():
            self._take(event)
        ready()
        while not stop.wait(_LOOK_S):
            self._follow()
            for request in list(self._requests.open.values()):
                if not stop.is_set() and self._is_due(request):
                    self._work_on(request, stop)

    def _follow(self) -> None:
        for event in self._events.news():
            self._take(event)
        if self._promoter is not None:
            self._promoter.ask()

    def _take(self, event: ModelEvent) -> None:
        self._requests = self._requests.after(event)
        if self._promoter is not None:
            self._promoter.take(event)

    def _is_due(self, request: RetrainRequest) -> bool:
        return request.event_id in self._requests.open and time.monotonic() >= self._due_at.get(request.event_id, 0.0)

    def _work_on(self, request: RetrainRequest, stop: threading.Event) -> None:
        def wanted() -> bool:
            self._follow()
            return request.event_id in self._requests.open and not stop.is_set()

        started = time.monotonic()
        try:
            answer = self._worker.answer(request, wanted=wanted)
        except _MAY_PASS as error:
            _log.warning("retrain waits", model=request.model, request=request.event_id, why=str(error))
            answer = None
        if answer is None or not wanted():
            self._due_at[request.event_id] = time.monotonic() + self._look_every_s
            return
        self._events.publish(answer)
        self._requests = self._requests.after(answer)
        self._due_at.pop(request.event_id, None)
        self._meters.add(TRAININGS, outcome=answer.kind)
        self._meters.observe(TRAINING_SECONDS, time.monotonic() - started)
        _log.info("answered", model=request.model, request=request.event_id, kind=answer.kind, why=answer.reason)
