"""What holds for any sequence of commands, labels, signals, readings and time."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.events import DeploymentState, Rollout
from schemas.issuers import automation
from streams.rollout.allocation import BUCKETS, size
from streams.rollout.changes import CONTROLLER
from streams.rollout.due import in_progress
from streams.rollout.inputs import ArmWindow, VersionFacts, Window, WindowInput
from streams.rollout.journal import replay
from streams.rollout.phases import ENDED, TRANSITIONS, Phase
from tests.streams.rollouts import DEFAULTS, MINUTE, MODEL, VALIDATED, Model, serving

VERSIONS = ("1", "2", "3", "4")
PEOPLE = ("ann", "bob", automation("trainer"))
APPROVED = frozenset({"1", "2", "3"})
"""Version 4 was never validated: it must serve by no path."""

_asks = st.tuples(
    st.sampled_from(
        [
            "activate",
            "start",
            "start",
            "pause",
            "resume",
            "step",
            "promote",
            "abort",
            "rollback",
            "freeze",
            "unfreeze",
            "bar",
            "unbar",
            "retire",
            "retrain",
        ]
    ),
    st.sampled_from(VERSIONS),
    st.sampled_from(PEOPLE),
    st.sampled_from(["canary", "blue-green", "ab"]),
    st.sampled_from(["auto", "manual"]),
)
_labels = st.tuples(
    st.just("labels"), st.sampled_from([0.05, 0.1, 0.3]), st.sampled_from([0.05, 0.1, 0.4]), st.integers(0, 2)
)
_signals = st.tuples(
    st.just("signal"),
    st.sampled_from(["version_loaded", "version_loaded", "version_refused", "version_quarantined"]),
    st.sampled_from(VERSIONS),
    st.integers(0, 1),
)
_windows = st.tuples(st.just("window"), st.sampled_from(VERSIONS), st.booleans(), st.integers(0, 1))
_time = st.tuples(st.just("time"), st.sampled_from([1_000, MINUTE, 61 * MINUTE]))
_alarms = st.tuples(st.just("alarm"), st.sampled_from(["drift", "performance"]), st.sampled_from(VERSIONS))
_tallies = st.tuples(st.just("tally"), st.sampled_from(VERSIONS), st.sampled_from([0.05, 0.4]))
STEPS = st.lists(
    st.one_of(_asks, _asks, _labels, _labels, _signals, _windows, _alarms, _tallies, _time, _time),
    min_size=20,
    max_size=60,
)


def begun() -> Model:
    """Version 1 serves, and a canary of version 2 has been asked for: most of what follows has something to bite on."""
    model = serving()
    model.start(load=False)
    return model


def drive(model: Model, step: tuple[object, ...]) -> None:
    """One of the steps that Hypothesis has drawn."""
    kind = step[0]
    if kind == "labels" and model.state is not None:
        for _ in range(int(str(step[3])) + 1):
            model.labels({version: float(str(step[1 if version == "1" else 2])) for version in VERSIONS})
    elif kind == "signal" and model.state is not None:
        model.signal(str(step[1]), version=step[2], generation=model.state.generation - int(str(step[3])))
    elif kind == "window" and model.state is not None:
        window(model, str(step[1]), bad=bool(step[2]), age=int(str(step[3])))
    elif kind == "alarm":
        model.alarm(str(step[1]), str(step[2]), asks_for="rollback")
    elif kind == "tally":
        model.record(str(step[1]), 1_000, float(str(step[2])))
    elif kind == "time":
        model.now += int(str(step[1]))
        if model.state is not None:
            model.tick()
    elif len(step) == 5:
        action, version, who, strategy, promotion = map(str, step)
        model.facts = VALIDATED if version in APPROVED else VersionFacts(state="rejected", failure="golden")
        versions = ",".join(each for each in ("2", "3") if each != "1") if strategy == "ab" else version
        extra = {"strategy": strategy, "promotion": promotion} if action == "start" else {}
        model.ask(action, by=who, version=versions if action == "start" else version, reason="because", **extra)


def window(model: Model, version: str, *, bad: bool, age: int) -> None:
    model.inputs += 1
    arm = ArmWindow(rows=1_000)
    model.decide(
        WindowInput(
            window=Window(
                window_id=f"w{model.inputs}",
                model=MODEL,
                version=version,
                generation=model.deployment.generation - age,
                candidate=replace(arm, rejected=100 if bad else 0),
                control=arm,
            )
        )
    )


@dataclass(slots=True)
class Watched:
    """A model and what it was before each step."""

    model: Model
    check: Callable[[DeploymentState | None, Model], None]

    def run(self, steps: list[tuple[object, ...]]) -> None:
        for step in steps:
            before = self.model.state
            drive(self.model, step)
            self.check(before, self.model)


@settings(max_examples=100, deadline=None)
@given(STEPS)
def test_buckets_are_complete_and_what_serves_may_serve(steps: list[tuple[object, ...]]) -> None:
    """Every bucket has one owner; one version serves unless a rollout is under way; none that may not serve does."""

    def check(_before: DeploymentState | None, model: Model) -> None:
        state = model.state
        if state is None or not state.versions:
            return
        owned = sorted((each.start, each.end) for served in state.versions for each in served.buckets)
        assert [0, *(end for _, end in owned)] == [*(start for start, _ in owned), BUCKETS]
        if in_progress(state) is None:
            assert len(state.versions) == 1
        names = {served.version for served in state.versions} | {each.version for each in state.standby}
        assert names <= APPROVED
        assert not names & {each.version for each in state.withdrawn}
        assert {each.version for each in state.overrides} <= names

    Watched(begun(), check).run(steps)


@settings(max_examples=100, deadline=None)
@given(STEPS)
def test_at_most_one_automatic_rollback_in_a_cool_down(steps: list[tuple[object, ...]]) -> None:
    """Whatever happens, the controller by itself takes a deployment back once in that time at most."""
    model = begun()
    Watched(model, lambda _before, _model: None).run(steps)
    moments = [each.occurred_at for each in model.events if each.kind == "RolledBack" and each.issued_by == CONTROLLER]

    assert all(later - earlier >= DEFAULTS.rules.cool_down_ms for earlier, later in pairwise(moments))


@settings(max_examples=100, deadline=None)
@given(STEPS)
def test_phases_follow_the_table_and_generations_what_scorers_do(steps: list[tuple[object, ...]]) -> None:
    """A phase changes as the table says and no other way; a generation begins exactly when routing changes."""
    legal = {(each.before, each.after) for each in TRANSITIONS}

    def check(before: DeploymentState | None, model: Model) -> None:
        state = model.state
        if state is None or before is None:
            return
        old, new = before.rollout, state.rollout
        if old is not None and new is not None and old.rollout_id == new.rollout_id and old.phase != new.phase:
            between = {Phase.RUNNING} if Phase(old.phase) is Phase.PENDING else set()
            assert (old.phase, new.phase) in legal or any((each, new.phase) in legal for each in between)
        assert state.generation >= before.generation
        assert state.revision >= before.revision
        if routing(before) != routing(state):
            assert state.generation > before.generation
        if state != before:
            assert state.revision > before.revision

    def routing(state: DeploymentState) -> tuple[object, ...]:
        return (state.salt, state.versions, state.standby, state.overrides, state.withdrawn, state.previous_version)

    Watched(begun(), check).run(steps)


@settings(max_examples=100, deadline=None)
@given(STEPS)
def test_widening_never_moves_an_entity_back(steps: list[tuple[object, ...]]) -> None:
    """While a rollout goes on, a candidate keeps every bucket that it has, unless it is found worse."""

    def check(before: DeploymentState | None, model: Model) -> None:
        old, new = in_progress(before), in_progress(model.state)
        if before is None or model.state is None or old is None or new is None or old.rollout_id != new.rollout_id:
            return
        for candidate in new.candidates:
            if candidate.verdict != "worse":
                assert buckets(before, candidate.version) <= buckets(model.state, candidate.version)
        assert before.salt == model.state.salt

    def buckets(state: DeploymentState, version: str) -> set[int]:
        return {
            bucket
            for served in state.versions
            if served.version == version
            for each in served.buckets
            for bucket in range(each.start, each.end)
        }

    Watched(begun(), check).run(steps)


@settings(max_examples=100, deadline=None)
@given(STEPS)
def test_a_frozen_model_changes_by_people_alone(steps: list[tuple[object, ...]]) -> None:
    """While it is frozen, labels, signals, readings and time change nothing that serves."""

    def check(before: DeploymentState | None, model: Model) -> None:
        if before is None or before.frozen_by is None or model.state is None or not model.journal:
            return
        if model.journal[-1].input.startswith('{"command"'):
            return
        assert model.state.versions == before.versions

    Watched(begun(), check).run(steps)


@settings(max_examples=100, deadline=None)
@given(STEPS)
def test_replaying_the_journal_gives_every_state_byte_for_byte(steps: list[tuple[object, ...]]) -> None:
    """From the JSON alone; event ids are all different."""
    model = begun()
    Watched(model, lambda _before, _model: None).run(steps)

    assert [found.faults for found in replay(model.journal)] == [()] * len(model.journal)
    assert len({each.event_id for each in model.events}) == len(model.events)


@settings(max_examples=100, deadline=None)
@given(STEPS)
def test_ended_rollouts_stay_as_they_ended_unless_a_person_goes_back(steps: list[tuple[object, ...]]) -> None:
    """Labels that come late, signals and time change nothing any more."""

    def check(before: DeploymentState | None, model: Model) -> None:
        old, new = ended(before), ended(model.state)
        if old is None or new is None or old.rollout_id != new.rollout_id:
            return
        assert old == new or (old.phase, new.phase) == (Phase.SUCCESSFUL, Phase.FAILED) or old.advised != new.advised

    def ended(state: DeploymentState | None) -> Rollout | None:
        rollout = state.rollout if state else None
        return rollout if rollout is not None and Phase(rollout.phase) in ENDED else None

    Watched(begun(), check).run(steps)


def test_shares_add_up_at_every_step_of_the_default_canary() -> None:
    """1, 5, 20 and 50 %, exactly."""
    model = Model()
    model.serve("1")
    model.start()
    widths = []
    for _ in range(4):
        widths.append([size(served.buckets) for served in model.deployment.versions])
        if widths[-1][1] < 5_000:
            model.ask("step")

    assert widths == [[9_900, 100], [9_500, 500], [8_000, 2_000], [5_000, 5_000]]
