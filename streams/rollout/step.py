"""The controller as a lane's step: commands, signals, cohorts and profiles in; journal, deployments and events out.

The journal entries, new states and events of a batch are one commit with its offsets, so that a
crash at any point makes no decision twice and none less. What time makes due is a batch of its own.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

import structlog

from runtime.batch import (
    Batch,
    LaneOutput,
    OutgoingRecords,
    RecordColumns,
    RetryLaterError,
    Tally,
    TopicPartitionKey,
    tally_rows,
)
from runtime.clock import Clock
from runtime.dead_letters import DeadLetterWriter
from runtime.kafka import SYSTEM_PARTITION
from runtime.metrics import DECISIONS, ROLLOUT_SHARE, Meters
from runtime.offsets import StartOffset
from schemas.alarms import ACTED_ON
from schemas.codec import EventCodec
from schemas.columns import Rejection
from schemas.errors import EventDecodeError, SchemaRegistryUnavailableError
from schemas.events import Cohort, Command, DeploymentState, Event, ModelEvent, Profile, Signal
from schemas.reasons import Reason
from schemas.topics import COHORTS, COMMANDS, DEPLOYMENTS, JOURNAL, MODEL_EVENTS, PROFILES, SIGNALS, TopicKind, Topics
from streams.rollout.acting_rules import ActingRules
from streams.rollout.allocation import size
from streams.rollout.decisions import decide
from streams.rollout.due import in_progress
from streams.rollout.inputs import (
    CohortInput,
    CommandInput,
    Input,
    SignalInput,
    StatementFacts,
    TallyInput,
    Time,
    TimeInput,
    VersionFacts,
    WindowInput,
)
from streams.rollout.journal import entry_of
from streams.rollout.memory import ControllerState
from streams.rollout.plan import Defaults, versions_named
from streams.rollout.shelf_news import ShelfNews
from streams.rollout.standings import Tallies
from streams.rollout.windows import ReadingRules, Windows

TICK_MS = 1_000
_log = structlog.get_logger("penstock.controller")

Facts = Callable[[str, str], VersionFacts]
# People first: what they ask for in a batch is decided before what penstock has noticed in it.
_KINDS: tuple[tuple[TopicKind, type[Command] | type[Signal] | type[Cohort] | type[Profile]], ...] = (
    (COMMANDS, Command),
    (SIGNALS, Signal),
    (COHORTS, Cohort),
    (PROFILES, Profile),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What the step asks of the world outside the topics."""

    facts: Facts
    statements: Callable[[Command], StatementFacts | None]
    record_approval: Callable[[Mapping[str, str]], None]
    restore: Callable[[], ControllerState]
    ensure_topics: Callable[[str], None]
    news: ShelfNews


class ControllerStep:
    """Decides; what it decided in a batch counts once `committed` is called."""

    def __init__(
        self,
        *,
        topics: Topics,
        codec: EventCodec,
        clock: Clock,
        surroundings: Surroundings,
        defaults: Defaults,
        acting_rules: ActingRules,
        reading_rules: ReadingRules,
        dead_letters: DeadLetterWriter,
        meters: Meters,
    ) -> None:
        self._topics = topics
        self._codec = codec
        self._clock = clock
        self._surroundings = surroundings
        self._defaults = defaults
        self._acting_rules = acting_rules
        self._reading_rules = reading_rules
        self._dead_letters = dead_letters
        self._meters = meters
        self._state: ControllerState | None = None
        self._pending: ControllerState | None = None
        self._windows = Windows()
        self._windows_pending = Windows()
        self._tallies = Tallies()
        self._tallies_pending = Tallies()
        self._unsaid: Sequence[DeploymentState | ModelEvent] = ()
        self._looked_at = 0
        self._with_topics: set[str] = set()

    def refresh(self) -> None:
        """Read the state from the topics before the first decision."""
        if self._state is None:
            self._state = self._surroundings.restore()
            self._unsaid = self._state.unsaid
            if self._unsaid:
                _log.warning("a crash left decisions half told", records=len(self._unsaid))

    def topics(self) -> Collection[str]:
        return tuple(self._topics.of(kind) for kind, _ in _KINDS)

    def ready(self, topic: str, partition: int = 0) -> bool:
        return self._state is not None

    def accepted_loss(self, topic: str, partition: int) -> int | None:
        """What was deleted unread can't be had again; going on is all there is."""
        return (1 << 63) - 1

    def take_announcements(self) -> Sequence[OutgoingRecords]:
        """What was decided before and not said, and what the shelf did by itself.

        What is due by time comes as a batch, so that it is committed as others are.
        """
        unsaid, self._unsaid = self._unsaid, ()
        news = self._surroundings.news.take(self._clock.now_ms())
        return [
            self._record(DEPLOYMENTS if isinstance(each, DeploymentState) else MODEL_EVENTS, each.model, each)
            for each in (*unsaid, *news)
        ]

    def assigned(self, starts: Sequence[StartOffset]) -> None:
        """Nothing is kept by partition."""

    def revoked(self, places: Sequence[TopicPartitionKey]) -> None:
        """Nothing is kept by partition."""

    def at_end(self, topic: str, partition: int) -> None:
        """Nothing waits for the end of a log."""

    def hurry(self) -> bool:
        """Nothing waits that a stop would lose."""
        return False

    def notes(self) -> Mapping[TopicPartitionKey, str]:
        return {}

    def due(self) -> bool:
        """Whether time alone makes something due, looked at once a second."""
        now = self._clock.now_ms()
        if self._state is None or now - self._looked_at < TICK_MS:
            return False
        self._looked_at = now
        return any(
            decide(deployment, _time(deployment), now).outcome != "ignored"
            for deployment in self._state.deployments.values()
        )

    def process(self, batch: Batch) -> LaneOutput:
        """Decide on the batch's records in the order of their kinds, each on the state that the one before left.

        A batch without records is time.
        """
        assert self._state is not None, "refresh comes before process"
        state, self._windows_pending, self._tallies_pending = self._state, self._windows, self._tallies
        outgoing: list[OutgoingRecords] = []
        for deployment in () if batch.columns else tuple(state.deployments.values()):
            state, records = self._decide(state, deployment.model, _time(deployment))
            outgoing += records
        tallies: dict[TopicPartitionKey, Tally] = {}
        for kind, event_type in _KINDS:
            columns = batch.columns.get(self._topics.of(kind))
            if columns is None:
                continue
            events, rejections = self._decode(event_type, columns)
            for event in events:
                state, records = self._take(state, event)
                outgoing += records
            outgoing += self._dead_letters.records(columns, "", rejections)
            tallies |= tally_rows(columns, rejections)
        self._pending = state
        return LaneOutput(outgoing=outgoing, tallies=tallies)

    def committed(self) -> None:
        """What was decided is final."""
        assert self._pending is not None, "committed follows process"
        self._state, self._pending = self._pending, None
        self._windows, self._tallies = self._windows_pending, self._tallies_pending

    def _decode(
        self, event_type: type[Command] | type[Signal] | type[Cohort] | type[Profile], columns: RecordColumns
    ) -> tuple[list[Command | Signal | Cohort | Profile], list[Rejection]]:
        events: list[Command | Signal | Cohort | Profile] = []
        rejections = []
        for row, value in enumerate(columns.values):
            try:
                events.append(self._codec.decode(event_type, value))
            except EventDecodeError as error:
                _log.error(
                    "record not readable",
                    topic=columns.topic,
                    partition=columns.partitions[row],
                    offset=columns.offsets[row],
                    detail=str(error),
                )
                rejections.append(Rejection(row=row, reason=Reason.MALFORMED, detail=str(error)))
            except SchemaRegistryUnavailableError as error:
                raise RetryLaterError(str(error)) from error
        return events, rejections

    def _take(
        self, state: ControllerState, event: Command | Signal | Cohort | Profile
    ) -> tuple[ControllerState, list[OutgoingRecords]]:
        """What the event is to be decided on as, and the decision, unless it was made before."""
        outgoing: list[OutgoingRecords] = []
        for found in self._inputs(state, event):
            if not state.knows(found.id):
                state, records = self._decide(state, event.model, found)
                outgoing += records
        return state, outgoing

    def _inputs(self, state: ControllerState, event: Command | Signal | Cohort | Profile) -> Sequence[Input]:
        deployment = state.deployments.get(event.model)
        if isinstance(event, Command):
            return (
                CommandInput(
                    command=event,
                    facts=self._facts(deployment, event),
                    defaults=self._defaults,
                    statement=self._surroundings.statements(event),
                ),
            )
        if isinstance(event, Signal):
            return (SignalInput(signal=event, rules=self._acting_rules if event.kind in ACTED_ON else None),)
        if isinstance(event, Cohort):
            return (CohortInput(cohort=event), *self._tallied(deployment, event))
        if deployment is None:
            return ()
        self._windows_pending, full = self._windows_pending.with_profile(
            deployment, event, self._reading_rules, self._clock.now_ms()
        )
        return [WindowInput(window=window) for window in full]

    def _tallied(self, deployment: DeploymentState | None, cohort: Cohort) -> Sequence[TallyInput]:
        """What the cohort completes for the record of its version, of models that are served."""
        if deployment is None:
            return ()
        rules = self._acting_rules
        self._tallies_pending, full = self._tallies_pending.with_cohort(
            cohort, labels_min=rules.tally_labels_min, coverage_min=self._defaults.rules.coverage_min
        )
        return () if full is None else (TallyInput(tally=full),)

    def _facts(self, deployment: DeploymentState | None, command: Command) -> dict[str, VersionFacts]:
        """Of the versions that the command names; of those on trial and of control where it names none."""
        names = set(versions_named(command.arguments))
        if deployment is not None and command.action == "start":
            names |= {served.version for served in deployment.versions}
        if deployment is not None and command.action == "promote" and not names:
            rollout = in_progress(deployment)
            names |= {each.version for each in rollout.candidates} if rollout else set()
        if deployment is not None and command.action == "rollback" and deployment.previous_version is not None:
            warm = {each.version for each in deployment.standby}
            names |= {deployment.previous_version} - warm
        return {name: self._surroundings.facts(command.model, name) for name in sorted(names)}

    def _decide(
        self, state: ControllerState, model: str, event: Input
    ) -> tuple[ControllerState, list[OutgoingRecords]]:
        """Decide, and write down what is worth it: what was ignored leaves no trace."""
        before, now = state.deployments.get(model), self._clock.now_ms()
        decision = decide(before, event, now)
        self._meters.add(DECISIONS, outcome=decision.outcome)
        if decision.outcome == "ignored":
            return state, []
        _log.info("decided", model=model, outcome=decision.outcome, why=decision.reason, **_origin(event))
        if decision.approval is not None:
            # Before the commit: who sees the event finds the approval. It is signed, and kept once.
            self._surroundings.record_approval(decision.approval)
        entry = entry_of(
            before,
            event,
            decision,
            now,
            model=model,
            sequence=state.sequence_of(model),
            chain=state.chains.get(model, ""),
        )
        records = [self._record(JOURNAL, model, entry)]
        if decision.state is not None and decision.state != before:
            self._make_topics(model)
            self._measure(decision.state)
            records.append(self._record(DEPLOYMENTS, model, decision.state))
        records += [self._record(MODEL_EVENTS, model, each) for each in decision.events]
        return state.after(entry, decision.state), records

    def _make_topics(self, model: str) -> None:
        """Once for each model and process; workers look for topics of every model that they hear of."""
        if model not in self._with_topics:
            self._surroundings.ensure_topics(model)
            self._with_topics.add(model)

    def _measure(self, deployment: DeploymentState) -> None:
        self._meters.forget(ROLLOUT_SHARE, model=deployment.model)
        for served in deployment.versions:
            share = size(served.buckets) / 10_000
            self._meters.set(ROLLOUT_SHARE, share, model=deployment.model, version=served.version)

    def _record(self, kind: TopicKind, model: str, event: Event) -> OutgoingRecords:
        return OutgoingRecords(
            topic=self._topics.of(kind),
            keys=[model.encode()],
            values=[self._codec.encode(event)],
            partition=SYSTEM_PARTITION,
        )


def _origin(event: Input) -> dict[str, str | None]:
    """What the log says of an input: who asked for what, or which event it was."""
    if not isinstance(event, CommandInput):
        return {"input_id": event.id}
    command = event.command
    return {
        "version": command.arguments.get("version"),
        "action": command.action,
        "issued_by": command.issued_by,
        "command_id": command.command_id,
    }


def _time(deployment: DeploymentState) -> TimeInput:
    return TimeInput(time=Time(time_id=f"time:{deployment.model}:{deployment.revision}"))
