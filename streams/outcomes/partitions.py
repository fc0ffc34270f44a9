"""The partitions that this process joins: whose state is there, whose is being brought back, and their notes.

A partition of a model is joined when the same number of all three of its topics is ours and its
state is where the committed offsets are. Until then its records wait, paused, while the lane goes
on polling and what is missing is read by a second consumer, a little at a time.
"""

import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import structlog

from runtime.batch import Batch, KafkaMessage, RetryLaterError, TopicPartitionKey
from runtime.clock import Clock
from runtime.offsets import StartOffset
from schemas.events import Performance
from streams.outcomes.disk import Disk
from streams.outcomes.inputs import Inputs
from streams.outcomes.note import Note
from streams.outcomes.partition_state import INPUTS, PartitionState, StatePlan
from streams.outcomes.restoring import Span, newest_note, to_read_again

RECORDS_PER_POLL = 5_000
POLL_S = 0.05
SLICE_S = 0.5
LOOK_EVERY_MS = 200
RETRY_S = 1.0

_log = structlog.get_logger("penstock.outcomes")

Place = tuple[str, int]
"""A model and the number of a partition."""
Take = Callable[[Batch, Mapping[str, Mapping[int, PartitionState]]], None]
"""Joins a batch into states by model and partition. Raises `RetryLaterError` to see it again later."""


class Rereading(Protocol):
    """Gives the records of some ranges of offsets once more."""

    @property
    def done(self) -> bool: ...

    def poll(self, records_max: int, timeout_s: float) -> list[KafkaMessage]: ...

    def close(self) -> None: ...


@dataclass(slots=True)
class _Partition:
    """What is known of one partition: where each input starts, and its state once it is open."""

    starts: dict[str, StartOffset] = field(default_factory=dict)
    state: PartitionState | None = None
    ready: bool = False


class Partitions:
    """A keeper (see `runtime.keeper`) of join states; used on the lane's thread only."""

    def __init__(
        self,
        *,
        inputs: Inputs,
        plan: StatePlan,
        open_disk: Callable[[str, int], Disk],
        read_again: Callable[[Mapping[TopicPartitionKey, tuple[int, int]]], Rereading],
        closed_until: Callable[[str, int], int | None],
        told: Callable[[Collection[Place]], Mapping[Place, Sequence[Performance]]],
        clock: Clock,
    ) -> None:
        self._inputs = inputs
        self._plan = plan
        self._open_disk = open_disk
        self._read_again = read_again
        self._closed_until = closed_until
        self._told = told
        self._clock = clock
        self._partitions: dict[Place, _Partition] = {}
        self._rereading: Rereading | None = None
        self._live: dict[TopicPartitionKey, tuple[int, int]] | None = None
        self._turn: dict[Place, Note] = {}
        self._looked_at = 0
        self._begin_at = 0.0

    @property
    def waiting(self) -> int:
        """Partitions whose state is not there yet."""
        return sum(not each.ready for each in self._partitions.values())

    def assigned(self, starts: Sequence[StartOffset]) -> None:
        for start in starts:
            model, kind = self._inputs.of(start.topic)
            self._partitions.setdefault((model, start.partition), _Partition()).starts[kind] = start
        self._abandon()

    def revoked(self, places: Sequence[TopicPartitionKey]) -> None:
        for topic, number in places:
            model, kind = self._inputs.of(topic)
            partition = self._partitions.get((model, number))
            if partition is None:
                continue
            partition.starts.pop(kind, None)
            partition.ready = False
            if partition.state is not None:
                partition.state.close()
                partition.state = None
            if not partition.starts:
                del self._partitions[model, number]
            self._turn.pop((model, number), None)
        self._abandon()

    def ready(self, topic: str, partition: int) -> bool:
        found = self._partitions.get((self._inputs.of(topic)[0], partition))
        return found is not None and found.ready

    def at_end(self, topic: str, partition: int) -> None:
        model, kind = self._inputs.of(topic)
        found = self._partitions.get((model, partition))
        if found is not None and found.state is not None:
            found.state.inputs[kind].ended_at = self._clock.now_ms()

    def due(self) -> bool:
        """Looked at a few times a second."""
        now = self._clock.now_ms()
        if now - self._looked_at < LOOK_EVERY_MS:
            return False
        self._looked_at = now
        return bool(self.due_places(now))

    def hurry(self) -> bool:
        for _, state in self.states():
            state.windows.hurry()
        return bool(self.due_places(self._clock.now_ms()))

    def due_places(self, now: int) -> list[Place]:
        """Partitions in which something is to be done without further records."""
        return [place for place, state in self.states() if state.due(now)]

    def notes(self) -> Mapping[TopicPartitionKey, str]:
        return {
            (self._inputs.topic(model, kind), number): note.encode()
            for (model, number), note in self._turn.items()
            for kind in INPUTS
        }

    def states(self) -> Iterator[tuple[Place, PartitionState]]:
        """Those that are joined."""
        for place, partition in self._partitions.items():
            if partition.ready and partition.state is not None:
                yield place, partition.state

    def begin_turn(self, places: Iterable[Place]) -> dict[Place, PartitionState]:
        """The states that a turn will change; what an earlier turn has changed and not committed is undone first."""
        for place in self._turn:
            partition = self._partitions[place]
            assert partition.state is not None, "a turn is over before its partition goes"
            partition.state = partition.state.again()
        self._turn = dict.fromkeys(places, Note())
        states = dict(self.states())
        return {place: states[place] for place in self._turn}

    def note_turn(self, place: Place, note: Note) -> None:
        """What is to be kept with the offsets of a partition that the turn has changed."""
        self._turn[place] = note

    def commit_turn(self) -> None:
        """The turn is final: write it."""
        for place in self._turn:
            state = self._partitions[place].state
            assert state is not None, "a turn is over before its partition goes"
            state.written()
        self._turn.clear()

    def bring_back(self, take: Take) -> None:
        """Bring back what is missing, for half a second at most; `take` joins records without a word about it."""
        deadline = time.monotonic() + SLICE_S
        if self._rereading is None and not self._begin():
            return
        while self._rereading is not None and time.monotonic() < deadline:
            if self._rereading.done:
                self._next_stage()
                continue
            messages = self._rereading.poll(RECORDS_PER_POLL, POLL_S)
            if messages:
                self._take(Batch.of(messages), take)

    def close(self) -> None:
        """Close every state; nothing is pending in them."""
        self._abandon()
        for partition in self._partitions.values():
            if partition.state is not None:
                partition.state.close()
                partition.state = None
                partition.ready = False

    def _begin(self) -> bool:
        """Open what is whole and not ready, and start to read what is missing. False where nothing is to be done.

        First requests alone, up to where the windows of lost disks were told last; then all the rest.
        """
        if time.monotonic() < self._begin_at:
            return False
        opened = [
            place for place, each in self._partitions.items() if not each.ready and len(each.starts) == len(INPUTS)
        ]
        spans = {place: span for found in opened for place, span in self._open(found).items()}
        if opened:
            self._live = {place: (span.told, span.end) for place, span in spans.items()}
            self._rereading = self._read_again({place: (span.first, span.told) for place, span in spans.items()})
            offsets = sum(span.end - span.first for span in spans.values())
            _log.info("bringing back state", partitions=len(opened), offsets=offsets)
        return bool(opened)

    def _next_stage(self) -> None:
        """Requests are there: let windows go on, and read the rest. Or that is done too: the partitions are joined."""
        assert self._rereading is not None, "a stage ends that was begun"
        self._rereading.close()
        self._rereading = None
        if self._live is None:
            self._finish()
            return
        rebuilding = [
            place for place, each in self._partitions.items() if each.state is not None and each.state.rebuilding
        ]
        told = self._told(rebuilding) if rebuilding else {}
        for place in rebuilding:
            state = self._partitions[place].state
            assert state is not None, "just looked at"
            state.rebuilt(told.get(place, ()))
        self._rereading = self._read_again(self._live)
        self._live = None

    def _open(self, place: Place) -> dict[TopicPartitionKey, Span]:
        model, number = place
        partition = self._partitions[place]
        state = partition.state or PartitionState(
            self._open_disk(model, number), self._plan, model=model, partition=number
        )
        partition.state = state
        note = newest_note(partition.starts.values())
        if not note.turn and any(start.offset_pending_oldest is not None for start in partition.starts.values()):
            # The committed offsets, and the note with them, have expired: what is closed is on the topic alone.
            told = {kind: start.offset for kind, start in partition.starts.items()}
            note = Note(closed=self._closed_until(model, number), told=told)
        state.adopt(note)
        spans = to_read_again(state, partition.starts, note)
        if not state.begun:
            state.begin_at({kind: span.first for kind, span in spans.items()})
        return {(self._inputs.topic(model, kind), number): span for kind, span in spans.items()}

    def _take(self, batch: Batch, take: Take) -> None:
        touched = self._touched(batch)
        try:
            take(batch, touched)
        except RetryLaterError as error:
            _log.warning("state can't be brought back now", why=str(error))
            for model, states in touched.items():
                for number, state in states.items():
                    self._partitions[model, number].state = state.again()
            self._abandon()
            self._begin_at = time.monotonic() + RETRY_S
            return
        for states in touched.values():
            for state in states.values():
                state.written()

    def _touched(self, batch: Batch) -> dict[str, dict[int, PartitionState]]:
        """By model, the states of the partitions that a batch has records of."""
        touched: dict[str, dict[int, PartitionState]] = {}
        for topic, number in batch.offsets_next:
            model = self._inputs.of(topic)[0]
            state = self._partitions[model, number].state
            assert state is not None, "only what is open is read again"
            touched.setdefault(model, {})[number] = state
        return touched

    def _finish(self) -> None:
        for (model, number), partition in self._partitions.items():
            if partition.ready or partition.state is None or len(partition.starts) < len(INPUTS):
                continue
            partition.state.begin_at({kind: start.offset for kind, start in partition.starts.items()})
            partition.ready = True
            _log.info("partition is joined", model=model, partition=number, pending=partition.state.pending)

    def _abandon(self) -> None:
        """Stop reading again: with other partitions it begins anew, where each state has come to."""
        if self._rereading is not None:
            self._rereading.close()
            self._rereading = None
        self._live = None
