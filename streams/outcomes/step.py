"""The outcome lane's step: the models that serve are followed, and every batch is joined."""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from registry.errors import ShelfUnavailableError
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
from runtime.metrics import (
    COHORTS_CLOSED,
    EVENT_TIME_SECONDS,
    OUTCOMES_EXPIRED,
    OUTCOMES_LATE,
    OUTCOMES_MADE,
    OUTCOMES_PENDING,
    OUTCOMES_RESTORING,
    Meters,
)
from schemas.codec import EventCodec
from schemas.errors import SchemaRegistryUnavailableError
from schemas.events import Cohort, DeploymentState, Performance
from schemas.topics import COHORTS, PERFORMANCE, Topics
from streams.outcomes.errors import UnknownModelError
from streams.outcomes.inputs import Inputs
from streams.outcomes.model_join import ModelJoin
from streams.outcomes.partition_state import INPUTS, Finished, PartitionState
from streams.outcomes.partitions import Partitions, Place

_AWAY = (SchemaRegistryUnavailableError, ShelfUnavailableError, UnknownModelError)


@dataclass(slots=True)
class _Turn:
    """What one batch is to give: counted when it is final."""

    outgoing: list[OutgoingRecords] = field(default_factory=list)
    tallies: dict[TopicPartitionKey, Tally] = field(default_factory=dict)
    pending_oldest: dict[TopicPartitionKey, int] = field(default_factory=dict)
    outcomes: Counter[str] = field(default_factory=Counter)
    late: Counter[str] = field(default_factory=Counter)
    finished: list[tuple[str, Finished]] = field(default_factory=list)


class OutcomeStep:
    """Joins the records of every model that is deployed and that `admits` lets in."""

    def __init__(
        self,
        *,
        deployments: Callable[[], Iterable[DeploymentState]],
        admits: Callable[[str], bool],
        build_join: Callable[[str], ModelJoin],
        partitions: Partitions,
        topics: Topics,
        codec: EventCodec,
        clock: Clock,
        dead_letters: DeadLetterWriter,
        meters: Meters,
    ) -> None:
        self._deployments = deployments
        self._admits = admits
        self._build_join = build_join
        self._partitions = partitions
        self._inputs = Inputs(topics)
        self._cohorts_topic = topics.of(COHORTS)
        self._performance_topic = topics.of(PERFORMANCE)
        self._codec = codec
        self._clock = clock
        self._dead_letters = dead_letters
        self._meters = meters
        self._states: dict[str, DeploymentState] = {}
        self._joins: dict[str, ModelJoin] = {}
        self._turn = _Turn()
        self._held = False
        self.held_back: Callable[[], bool] = _never

    @property
    def models(self) -> Collection[str]:
        """The models that are joined."""
        return self._joins

    def refresh(self) -> None:
        """Follow the deployments, and bring back a little more of what is missing."""
        for state in self._deployments():
            self._states[state.model] = state
            if state.model not in self._joins and self._admits(state.model):
                self._joins[state.model] = self._build_join(state.model)
        self._held = self.held_back()
        self._partitions.bring_back(self._take_back)
        self._meters.set(OUTCOMES_RESTORING, self._partitions.waiting)

    def topics(self) -> Collection[str]:
        return [self._inputs.topic(model, kind) for model in self._joins for kind in INPUTS]

    def ready(self, topic: str) -> bool:
        return not self._held

    def accepted_loss(self, topic: str, partition: int) -> int | None:
        state = self._states.get(self.model_of(topic))
        for loss in state.accepted_losses if state else ():
            if (loss.topic, loss.partition) == (topic, partition):
                return loss.offset_next
        return None

    def take_announcements(self) -> Sequence[OutgoingRecords]:
        return ()

    def process(self, batch: Batch) -> LaneOutput:
        """Join every model's records, close what is mature, forget what is too old.

        Raises `RetryLaterError` while the schema registry or the shelf can't be asked.
        """
        now = self._clock.now_ms()
        touched = {(self._inputs.of(topic)[0], number): None for topic, number in batch.offsets_next}
        states = self._partitions.begin_turn({**touched, **dict.fromkeys(self._partitions.due_places(now))})
        self._turn = turn = _Turn()
        for model, columns in self._by_model(batch).items():
            self._join(model, columns, _of_model(states, model), turn, now=now)
        for place, state in states.items():
            finished = state.finish(now)
            turn.finished.append((place[0], finished))
            self._note(place, state, turn)
        cohorts = [cohort for _, finished in turn.finished for cohort in finished.cohorts]
        if cohorts:
            turn.outgoing.append(self._cohort_records(cohorts))
        performance = [part for _, finished in turn.finished for part in finished.performance]
        if performance:
            turn.outgoing.append(self._performance_records(performance))
        return LaneOutput(outgoing=turn.outgoing, tallies=turn.tallies, pending_oldest=turn.pending_oldest)

    def committed(self) -> None:
        self._partitions.commit_turn()
        self._count(self._turn)

    def model_of(self, topic: str) -> str:
        return self._inputs.of(topic)[0]

    def _join(
        self,
        model: str,
        columns: Mapping[str, RecordColumns],
        states: Mapping[int, PartitionState],
        turn: _Turn,
        *,
        now: int,
    ) -> None:
        join = self._joins[model]
        try:
            records = join.read(columns)
            joined = join.join(records, states, now=now)
            if joined.outcomes:
                turn.outgoing.append(join.outgoing(joined))
        except _AWAY as error:
            raise RetryLaterError(f"{model} can't be joined now: {error}") from error
        for kind, rejections in records.rejections.items():
            turn.outgoing += self._dead_letters.records(columns[kind], model, rejections)
            turn.tallies |= tally_rows(columns[kind], rejections)
        turn.outcomes[model] += len(joined.outcomes)
        turn.late[model] += joined.late

    def _take_back(self, batch: Batch, states: Mapping[str, Mapping[int, PartitionState]]) -> None:
        """Join records whose outcomes are out already."""
        for model, columns in self._by_model(batch).items():
            try:
                self._joins[model].join(self._joins[model].read(columns), states[model], now=0)
            except _AWAY as error:
                raise RetryLaterError(f"{model} can't be joined now: {error}") from error

    def _by_model(self, batch: Batch) -> dict[str, dict[str, RecordColumns]]:
        by_model: dict[str, dict[str, RecordColumns]] = {}
        for topic, columns in batch.columns.items():
            model, kind = self._inputs.of(topic)
            by_model.setdefault(model, {})[kind] = columns
        return by_model

    def _note(self, place: Place, state: PartitionState, turn: _Turn) -> None:
        note = state.note()
        self._partitions.note_turn(place, note)
        for kind, offset in note.oldest.items():
            turn.pending_oldest[self._inputs.topic(place[0], kind), place[1]] = offset

    def _cohort_records(self, cohorts: Sequence[Cohort]) -> OutgoingRecords:
        return OutgoingRecords(
            topic=self._cohorts_topic,
            keys=[cohort.model.encode() for cohort in cohorts],
            values=[self._codec.encode(cohort) for cohort in cohorts],
            partition=SYSTEM_PARTITION,
        )

    def _performance_records(self, parts: Sequence[Performance]) -> OutgoingRecords:
        return OutgoingRecords(
            topic=self._performance_topic,
            keys=[part.part_id.encode() for part in parts],
            values=[self._codec.encode(part) for part in parts],
            partition=SYSTEM_PARTITION,
        )

    def _count(self, turn: _Turn) -> None:
        for model, outcomes in turn.outcomes.items():
            self._meters.add(OUTCOMES_MADE, outcomes, model=model)
            self._meters.add(OUTCOMES_LATE, turn.late[model], model=model)
        for model, finished in turn.finished:
            self._meters.add(COHORTS_CLOSED, len(finished.cohorts), model=model)
            self._meters.add(OUTCOMES_EXPIRED, finished.expired.unlabeled, model=model, what="unlabeled")
            self._meters.add(OUTCOMES_EXPIRED, finished.expired.unmatched, model=model, what="unmatched")
        for model in {model for model, _ in turn.finished}:
            self._measure(model)

    def _measure(self, model: str) -> None:
        states = [state for (owner, _), state in self._partitions.states() if owner == model]
        self._meters.set(OUTCOMES_PENDING, sum(state.pending for state in states), model=model)
        times = [state.watermark for state in states if state.watermark is not None]
        if times:
            self._meters.set(EVENT_TIME_SECONDS, min(times) / 1_000, model=model)


def _of_model(states: Mapping[Place, PartitionState], model: str) -> dict[int, PartitionState]:
    return {number: state for (owner, number), state in states.items() if owner == model}


def _never() -> bool:
    return False
