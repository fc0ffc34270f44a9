"""From a request to a candidate on the shelf: once, whatever crashes where, or never, with the reason."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import orjson
import pandas as pd
import pytest

from consumers.trainer.fit_process import FitProcess
from consumers.trainer.loop import TrainerLoop
from consumers.trainer.requests import RetrainRequest
from consumers.trainer.window import OutcomeRow
from consumers.trainer.work import Work, WorkLimits
from registry.catalogue import VersionRecord, VersionState
from registry.loaded import Estimator
from registry.shelf import Shelf
from runtime.metrics import Meters
from schemas.events import ModelEvent
from tests.registry.samples import doubles, flights, halves
from tests.trainer.conftest import MODEL, TARGET
from tests.trainer.crashes import POINTS, Crash, Crashes, CrashingFit, CrashingShelf, EventsInMemory, answers_in
from tests.trainer.outcomes import HOUR_MS, RULES, OutcomesInMemory, outcomes_of
from tests.trainer.troubled import TRUSTED, Raising

ASKED_AT = 1_000
WAIT_MS = 5_000


@dataclass
class StandingClock:
    """A clock that a test moves."""

    ms: int = ASKED_AT

    def now_ms(self) -> int:
        return self.ms


@dataclass
class Bench:
    """The world around trainers, which come and go: a shelf, stored outcomes, a topic of model events."""

    root: Path
    shelf: Shelf
    outcomes: OutcomesInMemory = field(default_factory=OutcomesInMemory)
    events: list[ModelEvent] = field(default_factory=list)
    clock: StandingClock = field(default_factory=StandingClock)

    def work(self, crashes: Crashes) -> tuple[Work, CrashingFit]:
        fit = CrashingFit(FitProcess(timeout_s=90.0), crashes)
        limits = WorkLimits(
            rules=RULES,
            request_wait_ms=WAIT_MS,
            memory_bytes_max=1 << 30,
            trusted_types=TRUSTED,
            bundle_bytes_max=1 << 28,
        )
        work = Work(
            shelf=CrashingShelf(self.root, crashes),
            bundles=self.root / "registry" / "bundles",
            outcomes=self.outcomes,
            fit=fit,
            folder=self.root / "trainer",
            limits=limits,
            clock=self.clock,
        )
        return work, fit

    def run(self, crashes: Crashes, *, answers: int = 1) -> CrashingFit:
        """A trainer in a process of its own, as it were, until there are so many answers or the crash comes."""
        work, fit = self.work(crashes)
        stop = threading.Event()
        events = EventsInMemory(crashes, self.events, stop, answers=answers)
        TrainerLoop(events, work, promoter=None, look_every_s=0.05, meters=Meters()).run(stop, lambda: None)
        return fit

    def answer(self, request: ModelEvent) -> ModelEvent | None:
        """The answer to one request now."""
        work, _fit = self.work(Crashes())
        return work.answer(RetrainRequest.of(request), wanted=lambda: True)

    def fault(self, request: ModelEvent) -> tuple[str, str]:
        answer = self.answer(request)
        assert answer is not None
        assert answer.kind == "TrainingFailed"
        return orjson.loads(answer.details)["fault"], answer.reason

    @property
    def versions(self) -> list[str]:
        return [record.version for record in self.shelf.records(MODEL)]


def asked(event_id: str = "drift-1", *, version: str | None = "1", since: int | None = None) -> ModelEvent:
    return ModelEvent(
        event_id=event_id,
        model=MODEL,
        kind="RetrainRequested",
        version=version,
        previous_version=None,
        reason="drift",
        caused_by="signal-1",
        occurred_at=ASKED_AT,
        details=orjson.dumps({"since": since}).decode(),
    )


@pytest.fixture
def bench(tmp_path: Path, shelf: Shelf, hours: list[OutcomeRow]) -> Bench:
    return Bench(root=tmp_path, shelf=shelf, outcomes=OutcomesInMemory(hours))


def test_a_request_becomes_a_candidate(bench: Bench) -> None:
    """The candidate says what it was made from and for, and how it did beside the version that serves."""
    bench.events.append(asked(since=100 * HOUR_MS))

    bench.run(Crashes())
    (answer,) = answers_in(bench.events)
    record, manifest = bench.shelf.record(MODEL, "2"), bench.shelf.manifest(MODEL, "2")
    facts = manifest.training

    assert (answer.event_id, answer.kind, answer.version) == ("drift-1:Trained", "Trained", "2")
    assert (answer.previous_version, answer.caused_by, answer.issued_by) == ("1", "drift-1", "penstock:trainer")
    assert answer.reason.endswith("of version 1 on the same 475 newest of 1,900 outcomes: better")
    assert (record.state, record.registered_by) == (VersionState.VALIDATED, "penstock:trainer")
    assert facts is not None
    assert (manifest.parent, facts.cause, facts.rows, facts.since) == ("1", "drift-1", 1_900, 100 * HOUR_MS)
    assert orjson.loads(answer.details)["training"]["sha256"] == facts.sha256 == manifest.sample.sha256
    assert manifest.metrics_of == "the newest 475 of 1900 outcomes, held back from the fit"
    assert manifest.metrics["accuracy"] == pytest.approx(1 - facts.loss)


@pytest.mark.parametrize("point", POINTS)
def test_a_crash_and_another_start_make_one_version(bench: Bench, point: str) -> None:
    """Killed at any point, and started again, the trainer ends with one candidate and one answer."""
    bench.events.append(asked())
    crashes = Crashes(point)

    with pytest.raises(Crash):
        bench.run(crashes)
    bench.events.append(asked())
    bench.events.append(asked("drift-2", version=None))
    bench.run(Crashes(), answers=2)
    answers = {answer.event_id: answer for answer in answers_in(bench.events)}

    assert crashes.hit
    assert bench.versions == ["1", "2"]
    assert sorted(answers) == ["drift-1:Trained", "drift-2:TrainingFailed"]
    assert answers["drift-1:Trained"].version == "2"


def test_what_is_on_the_shelf_is_not_fitted_again(bench: Bench) -> None:
    """After a crash between the shelf and the answer, the answer is given from the shelf."""
    bench.events.append(asked())
    with pytest.raises(Crash):
        bench.run(Crashes("after the shelf"))

    assert bench.run(Crashes()).fits == 0
    assert [answer.version for answer in answers_in(bench.events)] == ["2"]


def test_two_requests_make_two_versions(bench: Bench) -> None:
    """Each request is a cause of its own."""
    bench.events += [asked("a"), asked("b")]

    bench.run(Crashes(), answers=2)

    assert bench.versions == ["1", "2", "3"]
    assert [answer.event_id for answer in answers_in(bench.events)] == ["a:Trained", "b:Trained"]


def test_a_request_waits_for_its_outcomes(bench: Bench) -> None:
    """Too few outcomes are waited for, and after the time for that the request fails with the numbers."""
    request = asked(since=1_500 * HOUR_MS)

    assert bench.answer(request) is None
    bench.clock.ms = ASKED_AT + WAIT_MS
    fault, reason = bench.fault(request)

    assert fault == "too_few_rows"
    assert reason.startswith("500 matured outcomes in the stretch, and trainer.rows_min is 600; wait for more labels")


def test_a_request_that_waits_holds_up_no_other(bench: Bench) -> None:
    """While one request waits for outcomes, the next is worked on."""
    bench.events += [asked("waits", since=1_900 * HOUR_MS), asked("goes on")]

    bench.run(Crashes())

    assert [answer.event_id for answer in answers_in(bench.events)] == ["goes on:Trained"]


def test_only_what_has_matured_is_learned_from(bench: Bench) -> None:
    """Outcomes beyond the point where labels are complete are left alone, and none at all is waited for."""
    bench.outcomes.until = 1_000 * HOUR_MS
    answer = bench.answer(asked())
    bench.outcomes.until, bench.outcomes.rows = None, []

    assert answer is not None
    assert orjson.loads(answer.details)["training"]["until"] == 999 * HOUR_MS + 1
    assert bench.answer(asked("later")) is None


def test_a_candidate_that_does_worse_is_none(bench: Bench) -> None:
    """What has learned from another time than it is judged by does not get to the shelf."""
    signature = bench.shelf.manifest(MODEL, "1").signature
    upside_down = flights(1_500, seed=3).assign(late=lambda frame: 1 - frame["late"])
    sample = pd.concat([upside_down, flights(500, seed=4)], ignore_index=True)
    bench.outcomes.rows = outcomes_of(sample, signature, target=TARGET)

    fault, reason = bench.fault(asked())

    assert fault == "not_as_good"
    assert "of version 1 on the same 500 newest of 2,000 outcomes: worse; look at the data" in reason
    assert bench.versions == ["1"]


def test_a_model_that_nothing_serves_can_not_be_retrained(bench: Bench) -> None:
    """There is no pipeline to clone, and the remedy says so."""
    fault, reason = bench.fault(asked(version=None))

    assert (fault, reason.split(";")[0]) == ("no_version", "no version of late serves")
    assert bench.fault(asked(version="7"))[0] == "version_unusable"


def test_a_fit_that_fails_is_answered(
    tmp_path: Path, shelf: Shelf, add_numbers: Callable[[Estimator, pd.DataFrame], VersionRecord]
) -> None:
    """The estimator's own words reach the event."""
    few, many = doubles(200), doubles(900, seed=5)
    add_numbers(Raising().fit(few, halves(few)), few.assign(late=halves(few)))
    bench = Bench(root=tmp_path, shelf=shelf)
    signature = shelf.manifest(MODEL, "1").signature
    bench.outcomes.rows = outcomes_of(many.assign(late=halves(many)), signature, target=TARGET)

    fault, reason = bench.fault(asked())

    assert fault == "fit_refused"
    assert reason.startswith("the fit raised ValueError: these rows are not to my taste; read the detail")


def test_a_store_that_is_away_is_waited_for(bench: Bench) -> None:
    """A request outlives the store's absence; nothing is answered meanwhile."""
    bench.events.append(asked())
    bench.outcomes.down = True
    work, _fit = bench.work(Crashes())
    stop = threading.Event()
    tries = 0

    class Returning:
        """The worker, whose store comes back with the third try."""

        def answer(self, request: RetrainRequest, *, wanted: Callable[[], bool]) -> ModelEvent | None:
            nonlocal tries
            tries += 1
            bench.outcomes.down = tries < 3
            return work.answer(request, wanted=wanted)

    events = EventsInMemory(Crashes(), bench.events, stop, answers=1)
    TrainerLoop(events, Returning(), promoter=None, look_every_s=0.01, meters=Meters()).run(stop, lambda: None)

    assert tries == 3
    assert [answer.kind for answer in answers_in(bench.events)] == ["Trained"]


def test_a_veto_ends_what_it_forbids(bench: Bench) -> None:
    """A request that is vetoed while it is fitted gives no version and no answer; the next one is its own."""
    bench.events.append(asked())
    stop = threading.Event()
    work, _fit = bench.work(Crashes())
    started: list[str] = []

    class Vetoing:
        """The worker, with a person who says no as soon as the first request is taken up."""

        def answer(self, request: RetrainRequest, *, wanted: Callable[[], bool]) -> ModelEvent | None:
            started.append(request.event_id)
            if len(started) == 1:
                veto = replace(asked(), event_id="no", kind="RetrainVetoed")
                bench.events += [veto, asked("again")]
            return work.answer(request, wanted=wanted)

    events = EventsInMemory(Crashes(), bench.events, stop, answers=1)
    TrainerLoop(events, Vetoing(), promoter=None, look_every_s=0.01, meters=Meters()).run(stop, lambda: None)

    assert started == ["drift-1", "again"]
    assert [answer.event_id for answer in answers_in(bench.events)] == ["again:Trained"]
    assert bench.versions == ["1", "2"]
