"""What workers make of what the controller decides, for any sequence of events and commands.

One worker has followed the deployments from the start and takes a new one where its generation is
new; the others begin anew from the newest bytes, each with a part of the entities. Who is scored by
whom is asked of them, not of the controller.
"""

from collections.abc import Mapping
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from schemas.codec import EventCodec
from schemas.events import DeploymentState
from schemas.issuers import automation
from streams.rollout.allocation import BUCKETS
from streams.rollout.changes import CONTROLLER, WORSE
from streams.rollout.due import in_progress
from streams.rollout.inputs import ArmWindow, CommandInput, VersionFacts, Window, WindowInput
from streams.rollout.verdicts import Decision
from streams.scoring.routing import Router
from tests.contracts.schemas_in_memory import SchemasInMemory
from tests.streams.rollouts import DEFAULTS, MINUTE, MODEL, VALIDATED, command, serving

ENTITIES = tuple(f"entity-{number}" for number in range(400))
TESTERS = "prefix:entity-1"
VERSIONS = ("1", "2", "3", "4", "5", "6")
UNAPPROVED = replace(VALIDATED, failure="check 'approvals' failed: it has 0 of 1 approvals")

versions = st.sampled_from(VERSIONS)
people = st.sampled_from(["ann", "bob", automation("trainer")])
PAIRS = st.sampled_from([("2", "3"), ("4", "3"), ("1", "2"), ("5", "1")])
ERRORS = st.sampled_from([0.05, 0.35])
ANYTHING = ("start", "resume", "step", "promote", "abort", "rollback", "freeze", "unfreeze", "unbar")


class Worker:
    """Routes by the deployments that it has seen, as a scorer does."""

    def __init__(self, codec: EventCodec, first: bytes) -> None:
        self._codec = codec
        self.state = codec.decode(DeploymentState, first)
        self._router = Router(self.state)

    def follow(self, value: bytes) -> None:
        """Take a deployment where it says something new to scorers."""
        state = self._codec.decode(DeploymentState, value)
        if (state.generation, state.salt) != (self.state.generation, self.state.salt):
            self.state, self._router = state, Router(state)

    def routes(self, entities: tuple[str, ...]) -> dict[str, tuple[str, bool]]:
        """The version of each entity, and whether a rule has pinned it."""
        found = self._router.entities(pa.array(entities, pa.string()))
        pinned = np.zeros(len(entities), dtype=bool) if found.pinned is None else found.pinned
        names = [self.state.versions[index].version for index in found.versions.tolist()]
        return dict(zip(entities, zip(names, pinned.tolist(), strict=True), strict=True))


class ControllerAndWorkers(RuleBasedStateMachine):
    """Version 1 serves; versions 1 to 4 are approved, 5 once somebody approves it, 6 never."""

    @initialize()
    def begin(self) -> None:
        self.codec = EventCodec(SchemasInMemory())
        self.approved = {"1", "2", "3", "4"}
        self.model = serving()
        self.worker = Worker(self.codec, self.value)
        self.before = self.model.deployment
        self.scored_by: Mapping[str, tuple[str, bool]] = self.worker.routes(ENTITIES)
        self.ask("start", "ann", version="2", steps="1%,20%,60%", duration="15s")
        self.model.signal("version_loaded")

    @precondition(lambda self: not self.on_trial)
    @rule(version=versions, who=people, manual=st.booleans(), pinned=st.booleans())
    def start_canary(self, version: str, who: str, *, manual: bool, pinned: bool) -> None:
        arguments = {"promotion": "manual" if manual else "auto", "pins": TESTERS if pinned else ""}
        self.ask("start", who, version=version, steps="1%,20%,60%", duration="15s", **arguments)
        self.model.signal("version_loaded")

    @precondition(lambda self: not self.on_trial)
    @rule(version=versions, who=people)
    def start_blue_green(self, version: str, who: str) -> None:
        self.ask("start", who, version=version, strategy="blue-green", pins=TESTERS)
        self.model.signal("version_loaded")

    @precondition(lambda self: not self.on_trial)
    @rule(who=people, pair=PAIRS)
    def start_comparison(self, pair: tuple[str, str], who: str) -> None:
        self.ask("start", who, version=",".join(pair), strategy="ab", duration="1m")
        self.model.signal("version_loaded")

    @precondition(lambda self: self.on_trial)
    @rule(data=st.data(), good=st.booleans(), stretches=st.integers(1, 15))
    def labels(self, data: st.DataObject, stretches: int, *, good: bool) -> None:
        """All alike, or one candidate worse, with time to act on it."""
        chosen = data.draw(st.sampled_from(sorted(self.on_trial)))
        errors = dict.fromkeys(VERSIONS, 0.1) | {chosen: 0.1 if good else 0.35}
        for _ in range(stretches):
            self.model.labels(errors)
            self.model.tick(MINUTE // 4)

    @precondition(lambda self: self.on_trial)
    @rule(data=st.data(), of_now=st.booleans())
    def trouble(self, data: st.DataObject, *, of_now: bool) -> None:
        """A worker can't have a candidate, or profiles of it are bad; in this generation or the one before."""
        version = data.draw(st.sampled_from(sorted(self.on_trial)))
        generation = self.model.deployment.generation - (0 if of_now else 1)
        kind = data.draw(st.sampled_from(["version_refused", "version_quarantined", "readings"]))
        if kind != "readings":
            self.model.signal(kind, version=version, generation=generation)
            return
        for _ in range(DEFAULTS.rules.readings):
            self.model.inputs += 1
            self.model.decide(WindowInput(window=bad_window(f"w{self.model.inputs}", version, generation)))

    @precondition(lambda self: self.on_trial)
    @rule(who=people, action=st.sampled_from(["pause", "resume", "step", "step", "pin", "promote", "rollback"]))
    def steer(self, action: str, who: str) -> None:
        self.ask(action, who, pins="prefix:entity-2")

    @precondition(lambda self: not self.on_trial)
    @rule(errors=st.tuples(ERRORS, ERRORS))
    def bad_record(self, errors: tuple[float, float]) -> None:
        """The version that serves does worse than it should; what it did, and the one before it, is on record."""
        serving_version, previous = self.model.deployment.versions[0].version, self.model.deployment.previous_version
        for each, rate in zip((serving_version, previous), errors, strict=True):
            if each is not None:
                self.model.record(each, 1_000, rate)
        self.model.bad(serving_version)

    @rule(version=versions, who=people, action=st.sampled_from(["activate", "activate", "bar", "unbar", "retire"]))
    def govern(self, action: str, version: str, who: str) -> None:
        self.ask(action, who, version=version, reason="because")
        self.model.signal("version_loaded")

    @rule(who=people, action=st.sampled_from(ANYTHING), version=versions)
    def anything(self, action: str, who: str, version: str) -> None:
        """Whether it is legal now or not."""
        self.ask(action, who, version=version, reason="because")

    @rule()
    def approve(self) -> None:
        self.approved.add("5")

    @rule(ms=st.sampled_from([1_000, 2 * MINUTE, 31 * MINUTE, 61 * MINUTE]))
    def wait(self, ms: int) -> None:
        self.model.tick(ms)

    @invariant()
    def all_holds(self) -> None:
        self.one_version_is_active()
        now = self.workers_agree()
        self.nobody_is_scored_by_what_may_not_serve(now)
        self.nobody_moves_back(now)
        self.one_rollback_in_a_cool_down()
        self.before, self.scored_by = self.model.deployment, now

    def one_version_is_active(self) -> None:
        """Outside of a rollout one version has everything; within one, control and candidates share it."""
        state = self.model.deployment
        expected = 1 if in_progress(state) is None else 1 + len(self.on_trial)
        assert expected == len(state.versions)
        assert sum(each.end - each.start for served in state.versions for each in served.buckets) == BUCKETS

    def workers_agree(self) -> Mapping[str, tuple[str, bool]]:
        """Who has followed from the start, and who begins now with some of the partitions, in any order."""
        self.worker.follow(self.value)
        now = self.worker.routes(ENTITIES)
        joined: dict[str, tuple[str, bool]] = {}
        for partition in range(3):
            joined |= Worker(self.codec, self.value).routes(ENTITIES[partition::3][::-1])
        assert now == joined
        return now

    def nobody_is_scored_by_what_may_not_serve(self, now: Mapping[str, tuple[str, bool]]) -> None:
        serving_now = {version for version, _ in now.values()}
        assert serving_now <= self.approved
        assert not serving_now & self.told_to_be_withdrawn

    def nobody_moves_back(self, now: Mapping[str, tuple[str, bool]]) -> None:
        """Within a rollout an entity stays with its candidate, unless that is found worse, or a rule says otherwise."""
        old, new = in_progress(self.before), in_progress(self.model.deployment)
        if old is not None and new is not None and old.rollout_id == new.rollout_id:
            for entity, (version, pinned) in now.items():
                was, was_pinned = self.scored_by[entity]
                if was in self.on_trial and not pinned and not was_pinned:
                    assert (entity, was) == (entity, version)

    def one_rollback_in_a_cool_down(self) -> None:
        moments = [
            each.occurred_at for each in self.model.events if each.kind == "RolledBack" and each.issued_by == CONTROLLER
        ]
        assert all(later - earlier >= DEFAULTS.rules.cool_down_ms for earlier, later in pairwise(moments))

    @property
    def value(self) -> bytes:
        """The newest deployment as it lies on its topic."""
        return self.codec.encode(self.model.deployment)

    @property
    def told_to_be_withdrawn(self) -> set[str]:
        """As the events have it, in their order."""
        withdrawn: set[str] = set()
        for event in self.model.events:
            if event.kind in {"Barred", "Retired"}:
                withdrawn.add(str(event.version))
            elif event.kind == "Unbarred":
                withdrawn.discard(str(event.version))
        return withdrawn

    @property
    def on_trial(self) -> set[str]:
        rollout = in_progress(self.model.deployment)
        return {each.version for each in rollout.candidates if each.verdict != WORSE} if rollout else set()

    def ask(self, action: str, who: str, **arguments: str) -> Decision:
        """A command, with what the shelf says of each version now."""
        self.model.inputs += 1
        order = replace(command(action, f"{action}-{self.model.inputs}", **arguments), issued_by=who)
        facts = {version: self.facts(version) for version in VERSIONS}
        return self.model.decide(CommandInput(command=order, facts=facts, defaults=DEFAULTS))

    def facts(self, version: str) -> VersionFacts:
        return VALIDATED if version in self.approved else UNAPPROVED


def bad_window(window_id: str, version: str, generation: int) -> Window:
    """Every tenth row without a score."""
    control = ArmWindow(rows=1_000)
    return Window(
        window_id=window_id,
        model=MODEL,
        version=version,
        generation=generation,
        candidate=replace(control, rejected=100),
        control=control,
    )


ControllerAndWorkers.TestCase.settings = settings(max_examples=100, stateful_step_count=30, deadline=None)
TestControllerAndWorkers = pytest.mark.timeout(120)(ControllerAndWorkers.TestCase)


@pytest.mark.parametrize("salt", ["a", "b", "c"])
@pytest.mark.parametrize("percent", [0, 1, 5, 50, 100])
def test_observed_shares_lie_within_their_intervals(percent: int, salt: str) -> None:
    """Of 20,000 entities, as a rollout gives the share: 0 and 100 % exactly, others within four standard deviations."""
    entities = tuple(f"N{number}" for number in range(20_000))
    model = serving()
    order = command("start", salt, version="2", **(switch() if percent in (0, 100) else {"steps": f"{percent}%"}))
    model.decide(CommandInput(command=order, facts={"1": VALIDATED, "2": VALIDATED}, defaults=DEFAULTS))
    model.signal("version_loaded")
    if percent == 100:
        model.ask("step")
    codec = EventCodec(SchemasInMemory())
    routes = Worker(codec, codec.encode(model.deployment)).routes(entities)

    share = percent / 100
    observed = sum(version == "2" for version, _ in routes.values()) / len(entities)
    assert model.rollout.phase == "Running"
    assert abs(observed - share) <= 4 * (share * (1 - share) / len(entities)) ** 0.5


def switch() -> dict[str, str]:
    """A blue-green, which gives nobody first and then everybody."""
    return {"strategy": "blue-green"}
