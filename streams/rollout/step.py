"""The controller as a lane's step: commands in; journal, deployments and model events out.

The journal entry, the new state and the events of a batch are one commit with its offsets,
so that a crash at any point makes no decision twice and none less.
"""

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import asdict, dataclass, field, replace

import orjson
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
from schemas.codec import EventCodec
from schemas.columns import Rejection
from schemas.errors import EventDecodeError, SchemaRegistryUnavailableError
from schemas.events import Command, DeploymentState, Event, JournalEntry
from schemas.reasons import Reason
from schemas.topics import COMMANDS, DEPLOYMENTS, JOURNAL, MODEL_EVENTS, TopicKind, Topics
from streams.rollout.decisions import Decision, VersionFacts, decide

COMMAND_IDS_MAX = 10_000
_log = structlog.get_logger("penstock.controller")

Facts = Callable[[str, str], VersionFacts]


@dataclass(frozen=True, slots=True, kw_only=True)
class ControllerState:
    """Deployments and the next journal sequence by model, and the newest command ids."""

    deployments: dict[str, DeploymentState] = field(default_factory=dict)
    sequences: dict[str, int] = field(default_factory=dict)
    command_ids: tuple[str, ...] = ()

    def after(self, command: Command, decision: Decision) -> "ControllerState":
        deployments = dict(self.deployments)
        if decision.state is not None:
            deployments[command.model] = decision.state
        return ControllerState(
            deployments=deployments,
            sequences={**self.sequences, command.model: self.sequences.get(command.model, 0) + 1},
            command_ids=(*self.command_ids, command.command_id)[-COMMAND_IDS_MAX:],
        )


def restored_state(deployments: Iterable[DeploymentState], journal: Iterable[JournalEntry]) -> ControllerState:
    """The state that the topics tell of, in the order they were written."""
    state = ControllerState()
    for deployment in deployments:
        state = replace(state, deployments={**state.deployments, deployment.model: deployment})
    sequences: dict[str, int] = {}
    command_ids: list[str] = []
    for entry in journal:
        sequences[entry.model] = entry.sequence + 1
        command_ids.append(entry.command_id)
    return replace(state, sequences=sequences, command_ids=tuple(command_ids[-COMMAND_IDS_MAX:]))


class ControllerStep:
    """Decides commands; what it decided counts once `committed` is called."""

    def __init__(
        self,
        *,
        topics: Topics,
        codec: EventCodec,
        clock: Clock,
        facts: Facts,
        restore: Callable[[], ControllerState],
        ensure_topics: Callable[[str], None],
        dead_letters: DeadLetterWriter,
    ) -> None:
        self._topics = topics
        self._codec = codec
        self._clock = clock
        self._facts = facts
        self._restore = restore
        self._ensure_topics = ensure_topics
        self._dead_letters = dead_letters
        self._state: ControllerState | None = None
        self._pending: ControllerState | None = None

    def refresh(self) -> None:
        """Read the state from the topics before the first decision."""
        if self._state is None:
            self._state = self._restore()

    def topics(self) -> Collection[str]:
        return (self._topics.of(COMMANDS),)

    def ready(self, topic: str) -> bool:
        return self._state is not None

    def accepted_loss(self, topic: str, partition: int) -> int | None:
        """Commands that were deleted unread can't be had again; going on is all there is."""
        return (1 << 63) - 1

    def take_announcements(self) -> Sequence[OutgoingRecords]:
        return ()

    def process(self, batch: Batch) -> LaneOutput:
        """Decide the batch's commands in their order, each on the state that the one before left."""
        assert self._state is not None, "refresh comes before process"
        state = self._state
        outgoing: list[OutgoingRecords] = []
        tallies: dict[TopicPartitionKey, Tally] = {}
        for columns in batch.columns.values():
            commands, rejections = self._decode(columns)
            for command in commands:
                if command.command_id not in state.command_ids:
                    state, records = self._decide(state, command)
                    outgoing += records
            outgoing += self._dead_letters.records(columns, "", rejections)
            tallies |= tally_rows(columns, rejections)
        self._pending = state
        return LaneOutput(outgoing=outgoing, tallies=tallies)

    def committed(self) -> None:
        """What was decided is final."""
        assert self._pending is not None, "committed follows process"
        self._state, self._pending = self._pending, None

    def _decode(self, columns: RecordColumns) -> tuple[list[Command], list[Rejection]]:
        commands, rejections = [], []
        for row, value in enumerate(columns.values):
            try:
                commands.append(self._codec.decode(Command, value))
            except EventDecodeError as error:
                _log.error(
                    "command not readable",
                    topic=columns.topic,
                    partition=columns.partitions[row],
                    offset=columns.offsets[row],
                    detail=str(error),
                )
                rejections.append(Rejection(row=row, reason=Reason.MALFORMED, detail=str(error)))
            except SchemaRegistryUnavailableError as error:
                raise RetryLaterError(str(error)) from error
        return commands, rejections

    def _decide(self, state: ControllerState, command: Command) -> tuple[ControllerState, list[OutgoingRecords]]:
        before = state.deployments.get(command.model)
        facts = self._facts(command.model, command.arguments.get("version", ""))
        now = self._clock.now_ms()
        decision = decide(before, command, facts, now)
        _log.info(
            "decided",
            model=command.model,
            version=command.arguments.get("version"),
            action=command.action,
            issued_by=command.issued_by,
            command_id=command.command_id,
            outcome=decision.outcome,
            why=decision.reason,
        )
        entry = JournalEntry(
            model=command.model,
            sequence=state.sequences.get(command.model, 0),
            command_id=command.command_id,
            input=_json({"command": asdict(command), "facts": asdict(facts)}),
            now=now,
            state_before=None if before is None else _json(asdict(before)),
            state_after=None if decision.state is None else _json(asdict(decision.state)),
            actions=tuple(_json(asdict(event)) for event in decision.events),
            outcome=decision.outcome,
            reason=decision.reason,
        )
        records = [self._record(JOURNAL, command.model, entry)]
        if decision.state is not None and decision.state != before:
            self._ensure_topics(command.model)
            records.append(self._record(DEPLOYMENTS, command.model, decision.state))
        records += [self._record(MODEL_EVENTS, command.model, event) for event in decision.events]
        return state.after(command, decision), records

    def _record(self, kind: TopicKind, model: str, event: Event) -> OutgoingRecords:
        return OutgoingRecords(
            topic=self._topics.of(kind),
            keys=[model.encode()],
            values=[self._codec.encode(event)],
            partition=SYSTEM_PARTITION,
        )


def _json(content: object) -> str:
    return orjson.dumps(content, option=orjson.OPT_SORT_KEYS).decode()
