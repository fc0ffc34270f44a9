"""The replay itself: activate, send, watch, swap versions on the way, and wait until all is stored."""

import hashlib
import random
import time
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import chain

from rich.console import Console

from penstock import wiring
from penstock.commanding import command
from penstock.demo.accident import Accident
from penstock.demo.aftermath import Expected, await_stored, stored
from penstock.demo.display import Display, Moment
from penstock.demo.fault import Fault
from penstock.demo.poison import GoodRequest, Poison, poisons
from penstock.demo.replay import Outlets, Replay, interspersed
from penstock.demo.scene import MODEL, Scene, Tell
from penstock.demo.stack_process import StackProcess
from penstock.demo.story import Story
from penstock.demo.tail import LatencyTail
from penstock.errors import DemoFailedError
from producers.labels import LabelProducer
from producers.model_schema import request_schema_of
from producers.publisher import Publisher
from producers.requests import RequestProducer
from producers.sources.flights import Arrival, Departure, departures, timeline
from runtime.kafka import ensure_topics
from runtime.settings import Settings
from runtime.stack import attach
from schemas.request_writer import RequestWriter

POISON_ROUNDS = 5
STORY_SWAP_AFTER = 3_000
"""Flights: a version that has served for longer has a record that is good enough to go back to."""
_SEED = 7
_ACTIVATE_S = 30.0
_STALL_S = 90.0
"""So long may nothing move at all; how long everything takes is the machine's affair."""
_LOOK_S = 0.1
_RATE_OVER_S = 5.0
_DEAD_LETTERS_EVERY_S = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoPlan:
    """How many flights are replayed and how many a second, `stack` arguments, and whether a scorer is killed.

    `requests` None: as many as the story of `fault` takes.
    """

    requests: int | None
    rate: float
    stack: tuple[str, ...] = ()
    accident: bool = False
    fault: Fault | None = None

    def __post_init__(self) -> None:
        assert (self.requests is None) is (self.fault is not None), "a story has its own end"


@dataclass(slots=True)
class _Watch:
    """What the display remembers between two looks."""

    sent: deque[tuple[float, int]] = field(default_factory=deque)
    dead_letters: int = 0
    dead_letters_at: float = 0.0


class Performance:
    """One replay on a running stack."""

    def __init__(
        self,
        settings: Settings,
        scene: Scene,
        plan: DemoPlan,
        *,
        story: Story | None,
        stack: StackProcess,
        console: Console,
        tell: Tell,
    ) -> None:
        self._settings = attach(settings)
        self._scene = scene
        self._plan = plan
        self._story = story
        self._flights = scene.flights if plan.requests is None else scene.flights.iloc[: plan.requests]
        self._opening = (
            len(self._flights) if story is None else int((self._flights["departed_at"] < story.fault.since).sum())
        )
        self._stack = stack
        self._console = console
        self._tell = tell
        self._watch = _Watch()
        self._accident = Accident(settings)

    def run(self) -> Expected:
        """Play to the end and say what must have arrived. Raises `DemoFailedError`."""
        ensure_topics(self._settings.kafka, self._settings.topics, [MODEL])
        self._activate(self._scene.versions[0])
        with ExitStack() as stack:
            tail = LatencyTail(self._settings, MODEL)
            stack.callback(tail.stop)
            outlets = Outlets(
                requests=stack.enter_context(RequestProducer(self._settings, MODEL)),
                labels=stack.enter_context(LabelProducer(self._settings, MODEL)),
                raw=stack.enter_context(Publisher(self._settings)),
            )
            replay = Replay(outlets, self._events(outlets.requests), rate=self._plan.rate, latencies=tail.latencies)
            stack.callback(replay.stop)
            tail.start()
            replay.start()
            self._await_first(replay, tail)
            self._watch_replay(replay, tail)
            self._await_predictions(replay, tail)
            counts = replay.counts
        expected = Expected(requests=counts.requests, labels=counts.labels, dead_letters=dict(counts.poison))
        await_stored(self._settings, expected, stall_s=_STALL_S, watch=self._stack.check)
        if self._story is not None:
            self._story.read()
        return expected

    def _activate(self, version: str) -> None:
        started = time.monotonic()
        command(self._settings, "activate", MODEL, arguments={"version": version}, wait_s=_ACTIVATE_S)
        self._tell(f"version {version} is active after {(time.monotonic() - started) * 1000:.0f} ms")

    def _await_first(self, replay: Replay, tail: LatencyTail) -> None:
        """The first prediction shows that the version is loaded. Raises `DemoFailedError`."""
        deadline = time.monotonic() + _STALL_S
        while replay.first_answered_s is None:
            self._check(replay, tail)
            if time.monotonic() > deadline:
                raise DemoFailedError(f"no prediction was readable within {_STALL_S:.0f} s")
            time.sleep(_LOOK_S)
        self._tell(f"the first prediction is readable {replay.first_answered_s * 1000:.0f} ms after its request")

    def _watch_replay(self, replay: Replay, tail: LatencyTail) -> None:
        """Show how it goes; swap to the second version on the way, and later kill a scorer where that is the plan."""
        swapped = False
        swap_after = self._opening // 2 if self._story is None else min(self._opening // 2, STORY_SWAP_AFTER)
        with Display(self._console) as display:
            while not replay.done.wait(_LOOK_S):
                self._check(replay, tail)
                display.show(self._moment(replay, tail))
                if not swapped and replay.counts.requests >= swap_after:
                    self._activate(self._scene.versions[1])
                    swapped = True
                self._have_accident(replay)
                if self._story is not None:
                    self._story.follow(replay.event_time)
                    replay.until = self._story.until
            self._check(replay, tail)
            display.show(self._moment(replay, tail), last=True)
        if not swapped:
            raise DemoFailedError("the replay ended before the second version could be activated: replay more flights")

    def _have_accident(self, replay: Replay) -> None:
        """Kill a scorer once when three quarters are sent, and tell when it is back."""
        accident = self._accident
        if self._plan.accident and not accident.happened and replay.counts.requests >= self._opening * 3 // 4:
            self._tell(f"{accident.name}, process {accident.happen()}, is killed with -9 in the midst of its work")
        if accident.heal():
            self._tell(f"{accident.name} serves again {accident.healed_s:.1f} s after it was killed")

    def _await_predictions(self, replay: Replay, tail: LatencyTail) -> None:
        """Every request's prediction must be readable, and where that is promised, once. Raises `DemoFailedError`."""
        before, deadline = -1, 0.0
        while tail.latencies.answered < replay.counts.requests or self._hurt:
            self._check(replay, tail)
            self._have_accident(replay)
            now, answered = time.monotonic(), tail.latencies.answered
            if answered != before:
                before, deadline = answered, now + _STALL_S
            if now > deadline:
                hurt = f", and {self._accident.name} is not back" if self._hurt else ""
                missing = replay.counts.requests - answered
                raise DemoFailedError(f"{missing} predictions are missing, none came for {_STALL_S:.0f} s{hurt}")
            time.sleep(_LOOK_S)
        if self._settings.guarantee == "exactly_once" and tail.latencies.repeated:
            raise DemoFailedError(f"{tail.latencies.repeated} predictions were made twice")
        served = ", ".join(f"{count:,} by version {version}" for version, count in sorted(tail.versions.items()))
        self._tell(
            f"all {replay.counts.requests:,} requests are predicted ({served}); no request was stopped for the swap"
        )

    @property
    def _hurt(self) -> bool:
        """Whether the accident is still to come, or its scorer is not back yet."""
        return self._plan.accident and self._accident.healed_s is None

    def _check(self, replay: Replay, tail: LatencyTail) -> None:
        self._stack.check()
        replay.check()
        tail.check()

    def _moment(self, replay: Replay, tail: LatencyTail) -> Moment:
        now, counts, watch = time.monotonic(), replay.counts, self._watch
        watch.sent.append((now, counts.requests))
        while watch.sent[0][0] < now - _RATE_OVER_S:
            watch.sent.popleft()
        if now - watch.dead_letters_at > _DEAD_LETTERS_EVERY_S:
            watch.dead_letters, watch.dead_letters_at = stored(self._settings)["dead_letters"], now
        (first_at, first), p = watch.sent[0], tail.latencies.percentiles_ms()
        return Moment(
            sent=counts.requests,
            total=self._plan.requests,
            predicted=tail.latencies.answered,
            versions=dict(tail.versions),
            rate=(counts.requests - first) / (now - first_at) if now > first_at else 0.0,
            lag=len(tail.latencies.under_way),
            p50_ms=p[0],
            p99_ms=p[1],
            poison=sum(counts.poison.values()),
            dead_letters=watch.dead_letters,
            labels=counts.labels,
            day="" if self._story is None else self._story.day,
            error_rate=None if self._story is None or self._story.newest is None else self._story.newest.error_rate,
        )

    def _events(self, producer: RequestProducer) -> Iterator[Departure | Arrival | Poison]:
        """Flights as they are sent, with poison in between, spread over the replay or what is before the fault."""
        rounds = [list(self._poison(producer, number)) for number in range(POISON_ROUNDS)]
        mixed = list(chain.from_iterable(rounds))
        random.Random(_SEED).shuffle(mixed)  # noqa: S311  # an order, no secret
        # Departures and arrivals: about two events a flight.
        every = max(2 * self._opening // (len(mixed) + 1), 1)
        events = timeline(self._flights)
        if self._story is not None:
            events = map(self._story.upstream.sends, events)
        return interspersed(events, mixed, every=every)

    def _poison(self, producer: RequestProducer, number: int) -> Iterator[Poison]:
        registry, topics = wiring.schema_registry(self._settings), wiring.topics(self._settings)
        model = _complete(departure for departure, _ in departures(self._flights))

        def encode(request_id: str, entity_id: str, features: dict[str, object]) -> bytes:
            return producer.encode(entity_id, features, event_time=model.event_time, request_id=request_id)

        def encode_as(schema: str, request_id: str, entity_id: str, features: dict[str, object]) -> bytes:
            subject = f"{MODEL}.demo-{hashlib.sha256(schema.encode()).hexdigest()[:8]}"
            writer = RequestWriter(registry.register(subject, schema), schema)
            return writer.encode(request_id, entity_id, event_time=model.event_time, features=features)

        good = GoodRequest(
            entity_id=model.entity_id,
            features=dict(model.features),
            schema=request_schema_of(registry, topics, MODEL)[1],
            encode=encode,
            encode_as=encode_as,
        )
        return poisons(good, value_bytes_max=self._settings.scoring.value_bytes_max, label=f"poison-{number}")


def _complete(flights: Iterable[Departure]) -> Departure:
    """A flight of whose plane everything is known."""
    return next(flight for flight in flights if flight.features["plane_engines"] is not None)
