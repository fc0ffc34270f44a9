"""Whole canaries of a simulated model, decided by the controller's own function at its shipped settings.

In: a world, and a seed. Out: how the rollout ended and after how many labels. Cohorts, time and a
worker's word that the candidate is loaded go in as they do from the topics; what serves whom
comes out of the state, and is who gets the next labels.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import orjson

from benchmarks.simulated_rollouts import in_processes
from penstock.roles.controller import rollout_defaults
from runtime.settings import RolloutSettings
from schemas.events import Cohort, Command, DeploymentState, Signal
from streams.rollout.allocation import BUCKETS, size
from streams.rollout.decisions import decide
from streams.rollout.inputs import CohortInput, CommandInput, Input, SignalInput, Time, TimeInput, VersionFacts
from streams.rollout.phases import Phase

MODEL = "simulated"
CONTROL, CANDIDATE = "1", "2"
STRETCH_LABELS = 1_000
LEVEL_STRETCHES = 60
"""Over so many stretches the level goes from its first value to its second, and stays there."""
CHUNK = 25
_DEFAULTS = rollout_defaults(RolloutSettings())
_FACTS = VersionFacts(state="validated", bundle="ab" * 32, request_schema_id=1, prediction_schema_id=2)


@dataclass(frozen=True, slots=True, kw_only=True)
class Errors:
    """Control's error rate, in a line from the first to the second, and what the candidate has on top of it."""

    name: str
    level: tuple[float, float] = (0.10, 0.10)
    difference: float = 0.0

    def at(self, stretch: int) -> dict[str, float]:
        """The error rate of each version."""
        part = min(stretch / LEVEL_STRETCHES, 1.0)
        control = self.level[0] + part * (self.level[1] - self.level[0])
        return {CONTROL: control, CANDIDATE: control + self.difference}


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """The phase in which a rollout ended, and the labels of both arms that had come by then."""

    phase: str
    labels: int


def decide_rollouts(errors: Errors, *, rollouts: int, seed: int, processes: int = 1) -> list[Ended]:
    """So many rollouts of the same versions, each with chance of its own."""
    seeds = np.random.SeedSequence(seed).spawn(rollouts)
    chunks = [(errors, seeds[start : start + CHUNK]) for start in range(0, rollouts, CHUNK)]
    return [each for chunk in in_processes(_decide_chunk, chunks, processes) for each in chunk]


def decide_rollout(errors: Errors, random: np.random.Generator) -> Ended:
    """One canary from its start to its end: Successful, Failed or Inconclusive."""
    rollout = _Rollout(state=None)
    rollout.ask("activate", version=CONTROL)
    rollout.ask("start", version=CANDIDATE)
    stretch = 0
    while rollout.phase == Phase.RUNNING:
        rollout.take_stretch(stretch, errors.at(stretch), random)
        stretch += 1
    return Ended(phase=str(rollout.phase), labels=stretch * STRETCH_LABELS)


@dataclass(slots=True, kw_only=True)
class _Rollout:
    """The model's state, and what has been decided on so far."""

    state: DeploymentState | None
    now: int = 0
    inputs: int = 0

    @property
    def deployment(self) -> DeploymentState:
        assert self.state is not None, "something was decided before"
        return self.state

    @property
    def phase(self) -> str:
        assert self.deployment.rollout is not None, "something was rolled out before"
        return self.deployment.rollout.phase

    def ask(self, action: str, *, version: str) -> None:
        """Command, and a worker that loads what is commanded."""
        order = Command(
            command_id=self._next_id(),
            model=MODEL,
            action=action,
            arguments={"version": version},
            issued_by="ann",
            issued_at=self.now,
        )
        self._decide(CommandInput(command=order, facts={version: _FACTS}, defaults=_DEFAULTS))
        loaded = Signal(
            signal_id=self._next_id(),
            model=MODEL,
            kind="version_loaded",
            message="loaded",
            evidence=orjson.dumps({"generation": self.deployment.generation}).decode(),
            raised_at=self.now,
        )
        self._decide(SignalInput(signal=loaded))

    def take_stretch(self, stretch: int, rates: dict[str, float], random: np.random.Generator) -> None:
        """A step's time passes, with labels of those whom each version serves by now."""
        begun, self.now = self.now, self.now + _DEFAULTS.step_duration_ms
        generation = self.deployment.generation
        sizes = {served.version: size(served.buckets) for served in self.deployment.versions}
        mine = int(random.binomial(STRETCH_LABELS, sizes[CANDIDATE] / BUCKETS))
        arms = {served.version: served.arm for served in self.deployment.versions}
        for version, labels in ((CONTROL, STRETCH_LABELS - mine), (CANDIDATE, mine)):
            wrong = int(random.binomial(labels, rates[version]))
            cohort = Cohort(
                model=MODEL,
                cohort_id=f"{MODEL}:{version}:{arms[version]}:live:{begun}:0",
                version=version,
                arm=arms[version],
                role="live",
                generation=generation,
                start=begun,
                end=self.now,
                predicted=labels,
                labeled=labels,
                losses=(1.0,) * wrong + (0.0,) * (labels - wrong),
                delay_ms_p95=0.0,
                closed_at=self.now,
            )
            self._decide(CohortInput(cohort=cohort))
        self._decide(TimeInput(time=Time(time_id=self._next_id())))

    def _decide(self, event: Input) -> None:
        decision = decide(self.state, event, self.now)
        assert decision.outcome != "refused", decision.reason
        self.state = decision.state

    def _next_id(self) -> str:
        self.inputs += 1
        return f"{MODEL}-{self.inputs}"


def _decide_chunk(chunk: tuple[Errors, Sequence[np.random.SeedSequence]]) -> list[Ended]:
    errors, seeds = chunk
    return [decide_rollout(errors, np.random.default_rng(seed)) for seed in seeds]
