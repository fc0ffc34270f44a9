"""Rollouts driven by hand, for tests: commands, cohorts and signals with short names, and a model to decide about."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import orjson

from schemas.events import (
    BucketRange,
    Cohort,
    Command,
    DeploymentState,
    GuardrailLimit,
    JournalEntry,
    ModelEvent,
    Rollout,
    RolloutRules,
    Signal,
)
from streams.rollout.acting_rules import ActingRules, KindRules
from streams.rollout.allocation import size
from streams.rollout.decisions import decide
from streams.rollout.inputs import (
    CohortInput,
    CommandInput,
    Input,
    SignalInput,
    TallyInput,
    Time,
    TimeInput,
    VersionFacts,
)
from streams.rollout.journal import entry_of
from streams.rollout.plan import Defaults
from streams.rollout.standings import Tally
from streams.rollout.verdicts import Decision

MODEL = "flights"
VALIDATED = VersionFacts(state="validated", bundle="ab" * 32, request_schema_id=3, prediction_schema_id=4)
MINUTE = 60_000
DEFAULTS = Defaults(
    rules=RolloutRules(
        judged_by="labels",
        promotion="auto",
        alpha=0.05,
        margin=0.05,
        block_labels_min=100,
        labels_max=100_000,
        coverage_min=0.9,
        deadline_ms=60 * MINUTE,
        cool_down_ms=30 * MINUTE,
        readings=5,
        breaches_min=3,
        limits=(
            GuardrailLimit(guardrail="dead_letter_share", limit=0.01),
            GuardrailLimit(guardrail="not_finite_share", limit=0.0),
            GuardrailLimit(guardrail="row_us", limit=50_000.0),
            GuardrailLimit(guardrail="score_shift", limit=0.5),
        ),
    ),
    step_duration_ms=MINUTE,
    step_labels_min=100,
    warm_up_ms=5_000,
)

_OF_KIND = KindRules(mode="auto", cool_down_ms=60 * MINUTE, per_day_max=2)
ACTING = ActingRules(retrain=_OF_KIND, rollback=_OF_KIND, record_labels_min=500, tally_labels_min=500)


def command(action: str = "activate", command_id: str = "c1", **arguments: str) -> Command:
    return Command(command_id=command_id, model=MODEL, action=action, arguments=arguments, issued_by="ann", issued_at=1)


def asked(order: Command, facts: VersionFacts = VALIDATED) -> CommandInput:
    """The command, with the same facts for every version that anybody could name."""
    return CommandInput(command=order, facts={str(number): facts for number in range(1, 10)}, defaults=DEFAULTS)


@dataclass(slots=True)
class Model:
    """One model whose inputs are decided one after the other; `now` is moved by the test."""

    state: DeploymentState | None = None
    now: int = 1_000
    facts: VersionFacts = VALIDATED
    events: list[ModelEvent] = field(default_factory=list)
    journal: list[JournalEntry] = field(default_factory=list)
    inputs: int = 0
    event_time: int = 0
    rules: ActingRules = ACTING

    def decide(self, event: Input) -> Decision:
        decision = decide(self.state, event, self.now)
        if decision.outcome != "ignored":
            chain = self.journal[-1].digest if self.journal else ""
            self.journal.append(
                entry_of(self.state, event, decision, self.now, model=MODEL, sequence=len(self.journal), chain=chain)
            )
        self.state = decision.state
        self.events += decision.events
        return decision

    def ask(self, action: str, by: str = "ann", **arguments: str) -> Decision:
        self.inputs += 1
        order = replace(command(action, f"{action}-{self.inputs}", **arguments), issued_by=by)
        return self.decide(asked(order, self.facts))

    def serve(self, version: str) -> None:
        """Activate, and let a worker load it."""
        assert self.ask("activate", version=version).outcome == "accepted"
        self.signal("version_loaded")

    def start(self, version: str = "2", *, load: bool = True, **arguments: str) -> Decision:
        decision = self.ask("start", version=version, **arguments)
        assert decision.outcome == "accepted", decision.reason
        if load:
            self.signal("version_loaded")
        return decision

    def signal(self, kind: str, **evidence: object) -> Decision:
        self.inputs += 1
        details = {"generation": self.deployment.generation, **evidence}
        return self.decide(
            SignalInput(
                signal=Signal(
                    signal_id=f"{kind}-{self.inputs}",
                    model=MODEL,
                    kind=kind,
                    message=f"{kind} it is",
                    evidence=orjson.dumps(details, option=orjson.OPT_SORT_KEYS).decode(),
                    raised_at=self.now,
                )
            )
        )

    def cohort(
        self, version: str, losses: Sequence[float], *, start: int, arm: str = "", generation: int | None = None
    ) -> Decision:
        """Matured labels of one version over the stretch that begins at `start`."""
        self.inputs += 1
        arm = arm or next(served.arm for served in self.deployment.versions if served.version == version)
        cohort = Cohort(
            model=MODEL,
            cohort_id=f"{MODEL}:{version}:{arm}:live:{start}:0.{self.inputs}",
            version=version,
            arm=arm,
            role="live",
            generation=self.deployment.generation if generation is None else generation,
            start=start,
            end=start + MINUTE,
            predicted=len(losses),
            labeled=len(losses),
            losses=tuple(losses),
            delay_ms_p95=1.0,
            closed_at=self.now,
        )
        return self.decide(CohortInput(cohort=cohort))

    def labels(self, errors: dict[str, float], *, labels: int = 1_000) -> None:
        """One stretch with so many labels of each version that serves, of which the given share are errors."""
        self.event_time += MINUTE
        for version, share in errors.items():
            if version not in self.shares:
                continue
            wrong = round(labels * share)
            self.cohort(version, [1.0] * wrong + [0.0] * (labels - wrong), start=self.event_time)

    def alarm(self, kind: str, version: str = "1", **evidence: object) -> Decision:
        self.inputs += 1
        signal = Signal(
            signal_id=f"{kind}-{self.inputs}",
            model=MODEL,
            kind=kind,
            message=f"{kind} of version {version}",
            evidence=orjson.dumps({"version": version, **evidence}).decode(),
            raised_at=self.now,
        )
        return self.decide(SignalInput(signal=signal, rules=self.rules))

    def bad(self, version: str) -> Decision:
        """The version is worse than its baseline by more than the margin."""
        return self.alarm("performance", version, asks_for="rollback")

    def record(self, version: str, labels: int, error_rate: float) -> None:
        self.inputs += 1
        tally = Tally(
            tally_id=f"tally:{self.inputs}", model=MODEL, version=version, labels=labels, losses=labels * error_rate
        )
        self.decide(TallyInput(tally=tally))

    def tick(self, ms: int = 0) -> Decision:
        """Let time pass, and let the controller look at it."""
        self.now += ms
        return self.decide(TimeInput(time=Time(time_id=f"time:{MODEL}:{self.deployment.revision}")))

    @property
    def deployment(self) -> DeploymentState:
        assert self.state is not None, "something was decided before"
        return self.state

    @property
    def rollout(self) -> Rollout:
        assert self.deployment.rollout is not None, "something was rolled out before"
        return self.deployment.rollout

    @property
    def shares(self) -> dict[str, int]:
        """Buckets by version."""
        return {served.version: size(served.buckets) for served in self.deployment.versions}

    @property
    def kinds(self) -> list[str]:
        return [event.kind for event in self.events]


def serving(version: str = "1") -> Model:
    """A model of which one version serves."""
    model = Model()
    model.serve(version)
    model.events.clear()
    return model


def spans(*pairs: tuple[int, int]) -> tuple[BucketRange, ...]:
    return tuple(BucketRange(start=start, end=end) for start, end in pairs)
