"""A partition's three logs and a lane over them, in memory: every order, crash and lost disk can be tried.

The lane is the real join, state and restoration; only Kafka is played: its logs are lists, and a
transaction is a moment in which outcomes, cohorts, offsets and the note become final together.
"""

import io
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from typing import Any

from runtime.batch import RecordColumns
from runtime.offsets import StartOffset
from schemas.errors import EventDecodeError
from schemas.events import Cohort, Label, Performance
from schemas.signature import Task
from streams.outcomes.joining import JoinedBatch, ReadBatch, join
from streams.outcomes.judging import VersionTraits
from streams.outcomes.labels import LabelRules, read_labels
from streams.outcomes.memory_disk import MemoryDisk
from streams.outcomes.partition_state import INPUTS, LABELS, PREDICTIONS, SHADOWS, PartitionState, StatePlan
from streams.outcomes.predictions import read_predictions
from streams.outcomes.restoring import Span, newest_note, to_read_again
from streams.outcomes.versions import ModelTraits, model_traits
from streams.outcomes.windows import WindowPlan

MODEL = "flights"
HOUR_MS = 3_600_000
APRIL = 1_364_774_400_000
TRAITS = model_traits(
    {
        version: VersionTraits(task=Task.BINARY, classes=("on time", "late"), loss_scale=None)
        for version in ("1", "2", "3")
    }
)
PLAN = StatePlan(
    horizon_ms=1 << 60,
    bucket_ms=HOUR_MS,
    stretch_ms=HOUR_MS,
    lateness_ms=0,
    idle_ms=60_000,
    maturity_least_ms=0,
    maturity_most_ms=6 * HOUR_MS,
    losses_max=10_000,
    front_bytes=1 << 20,
    windows=WindowPlan(window_ms=HOUR_MS, tell_every_ms=0, confidence_least=0.8),
)
RULES = LabelRules(
    model=MODEL, partitions=1, task=Task.BINARY, classes=TRAITS.classes, value_bytes_max=1 << 20, ahead_ms=None
)


@dataclass(frozen=True, slots=True)
class Logged:
    """A record of one input: its key, its value and when it was appended."""

    key: bytes
    value: bytes
    appended_at: int


class JsonPredictions:
    """Predictions as JSON: the join does not care how they are encoded."""

    def columns(
        self, values: Sequence[bytes], names: Sequence[str]
    ) -> tuple[dict[str, list[Any]], dict[int, EventDecodeError]]:
        rows = [json.loads(value) for value in values]
        return {name: [row[name] for row in rows] for name in names}, {}


def prediction(request: str, *, at: int, appended_at: int, **changes: Any) -> Logged:
    """A prediction of a request of the entity that the request's name ends with."""
    fields = {
        "request_id": request,
        "entity_id": request[-1],
        "version": "1",
        "arm": "stable",
        "role": "live",
        "generation": 1,
        "event_time": at,
        "label": "late",
        "score": 0.75,
        "probabilities": None,
        "requested_at": appended_at,
        "source_partition": 0,
        "source_offset": 0,
    } | changes
    return Logged(str(fields["entity_id"]).encode(), json.dumps(fields).encode(), appended_at)


def label(request: str, truth: str | float | None, *, at: int, appended_at: int, **changes: Any) -> Logged:
    """A label of a request."""
    fields = {"request_id": request, "entity_id": request[-1], "label": truth, "event_time": at} | changes
    return Logged(str(fields["entity_id"]).encode(), json.dumps(fields).encode(), appended_at)


def read_json_labels(values: Sequence[bytes | None]) -> list[Label]:
    return [Label(**{"model": MODEL} | json.loads(value or b"")) for value in values]


@dataclass(slots=True)
class World:
    """Logs by input, what is committed, and what a reader of outcomes and cohorts has seen."""

    logs: Mapping[str, Sequence[Logged]]
    plan: StatePlan = PLAN
    traits: ModelTraits = TRAITS
    committed: dict[str, int] = field(default_factory=dict)
    notes: dict[str, str] = field(default_factory=dict)
    outcomes: list[dict[str, Any]] = field(default_factory=list)
    cohorts: list[Cohort] = field(default_factory=list)
    performance: list[Performance] = field(default_factory=list)
    expired: list[int] = field(default_factory=list)
    late: int = 0

    def log(self, kind: str) -> Sequence[Logged]:
        return self.logs.get(kind, ())


class PlayedLane:
    """One life of the lane: it restores its state first, then takes turns.

    `steps_max`: it dies after so many steps of restoring, one record each, and is not to be used.
    """

    def __init__(self, world: World, disk: MemoryDisk, *, steps_max: int | None = None) -> None:
        self._world = world
        self.state = PartitionState(disk, world.plan, model=MODEL, partition=0)
        starts = {
            kind: StartOffset(
                topic=kind,
                partition=0,
                offset=world.committed.get(kind, 0),
                log_start=0,
                note=world.notes.get(kind, ""),
            )
            for kind in INPUTS
        }
        note = newest_note(starts.values())
        self.state.adopt(note)
        spans = to_read_again(self.state, starts, note)
        self.read_again = {kind: span.end - span.first for kind, span in spans.items()}
        if not self.state.begun:
            self.state.begin_at({kind: span.first for kind, span in spans.items()})
        for step in islice(self._restoring(spans), steps_max):
            step()
        self.positions = {kind: start.offset for kind, start in starts.items()}

    def _restoring(self, spans: Mapping[str, Span]) -> Iterator[Callable[[], None]]:
        for kind, span in spans.items():
            for offset in range(span.first, span.told):
                yield partial(self._read_again, kind, offset)
        if self.state.rebuilding:
            newest = {part.part_id: part for part in self._world.performance}
            yield partial(self.state.rebuilt, list(newest.values()))
        for kind, span in spans.items():
            for offset in range(span.told, span.end):
                yield partial(self._read_again, kind, offset)

    def _read_again(self, kind: str, offset: int) -> None:
        self._take({kind: (offset, offset + 1)}, now=0)
        self.state.written()

    def turn(self, counts: Mapping[str, int], *, now: int, commits: bool = True, writes: bool = True) -> None:
        """Take so many records of each input, in one transaction that commits or not."""
        world = self._world
        ranges = {
            kind: (self.positions[kind], min(self.positions[kind] + counts.get(kind, 0), len(world.log(kind))))
            for kind in INPUTS
        }
        joined = self._take(ranges, now=now)
        finished = self.state.finish(now)
        note = self.state.note().encode()
        if not commits:
            self.state = self.state.again()
            return
        world.outcomes += [_outcome(each) for each in joined.outcomes]
        world.late += joined.late
        world.cohorts += finished.cohorts
        world.performance += finished.performance
        world.expired.append(finished.expired.unlabeled)
        for kind, (_, end) in ranges.items():
            world.committed[kind] = self.positions[kind] = end
            world.notes[kind] = note
        if writes:
            self.state.written()

    def drain(self, *, now: int, ended: bool = True) -> None:
        """Take all that is left, a few records at a time; then see the ends of all logs, and their silence."""
        while any(self.positions[kind] < len(self._world.log(kind)) for kind in INPUTS):
            self.turn(dict.fromkeys(INPUTS, 3), now=now)
        if ended:
            for progress in self.state.inputs.values():
                progress.ended_at = now
            while self.state.due(now):
                self.turn({}, now=now)

    def _take(self, ranges: Mapping[str, tuple[int, int]], *, now: int) -> JoinedBatch:
        world, predictions, labels = self._world, {}, None
        for kind, (first, end) in ranges.items():
            columns = _columns(kind, world.log(kind)[first:end], first)
            if not len(columns):
                continue
            if kind == LABELS:
                labels = columns, read_labels(columns, read_json_labels, RULES)[0]
            else:
                predictions[kind] = columns, read_predictions(columns.values, JsonPredictions())[0]
        batch = ReadBatch(predictions=predictions, labels=labels)
        return join(batch, {0: self.state}, traits=world.traits, reader=JsonPredictions(), now=now)


def final_outcomes(world: World) -> dict[tuple[str, str], dict[str, Any]]:
    """The outcome of the highest revision of each prediction, as a store would hold it."""
    final: dict[tuple[str, str], dict[str, Any]] = {}
    for outcome in world.outcomes:
        place = (outcome["request_id"], outcome["ident"])
        if place not in final or outcome["revision"] >= final[place]["revision"]:
            final[place] = outcome
    return {
        place: {name: value for name, value in outcome.items() if name not in ("revision", "joined_at")}
        for place, outcome in final.items()
    }


def batch_join(logs: Mapping[str, Sequence[Logged]]) -> dict[tuple[str, str], dict[str, Any]]:
    """The same, written down as plainly as it can be said, from whole logs."""
    predictions: dict[tuple[str, str, str], dict[str, Any]] = {}
    for kind in (PREDICTIONS, SHADOWS):
        for logged in logs.get(kind, ()):
            said = json.loads(logged.value)
            ident = "live" if said["role"] == "live" else f"shadow:{said['version']}"
            place = (said["request_id"], said["entity_id"], ident)
            if place not in predictions or _source(said) > _source(predictions[place]):
                predictions[place] = said
    labels: dict[tuple[str, str], dict[str, Any]] = {}
    for logged in logs.get(LABELS, ()):
        said = {"revision": 0, "weight": None, "value": None} | json.loads(logged.value)
        key = (said["request_id"], said["entity_id"])
        if key not in labels or _rank(said) > _rank(labels[key]):
            labels[key] = said
    return {
        (request, ident): _judged(said, labels[request, entity], ident)
        for (request, entity, ident), said in predictions.items()
        if (request, entity) in labels
    }


def _judged(said: dict[str, Any], told: dict[str, Any], ident: str) -> dict[str, Any]:
    truth = told["label"]
    probability = None if truth is None else said["score"] if truth == "late" else 1 - said["score"]
    return {
        "request_id": said["request_id"],
        "ident": ident,
        "version": said["version"],
        "truth": truth,
        "truth_value": None,
        "truth_probability": probability,
        "loss": None if truth is None else float(truth != said["label"]),
        "loss_scale": None,
        "retracted": truth is None,
        "label_event_time": told["event_time"],
        "label_revision": told["revision"],
        "weight": told["weight"],
        "value": told["value"],
        "delay_ms": told["event_time"] - said["event_time"],
    }


def _source(said: dict[str, Any]) -> tuple[int, int, int]:
    return said["requested_at"], said["source_offset"], said["source_partition"]


def _rank(told: dict[str, Any]) -> tuple[int, int, bool, str, float, float]:
    """None before any text; of no weight or value, the ones that have some win."""
    return (
        told["revision"],
        told["event_time"],
        told["label"] is not None,
        told["label"] or "",
        -1.0 if told["weight"] is None else told["weight"],
        -1.0 if told["value"] is None else told["value"],
    )


def _outcome(joined: Any) -> dict[str, Any]:
    said = json.load(io.BytesIO(joined.prediction))
    ident = "live" if said["role"] == "live" else f"shadow:{said['version']}"
    part = {name: getattr(joined.part, name) for name in type(joined.part).__slots__}
    return {"request_id": said["request_id"], "ident": ident, "version": said["version"], **part}


def _columns(kind: str, records: Sequence[Logged], first: int) -> RecordColumns:
    return RecordColumns(
        topic=kind,
        keys=[record.key for record in records],
        values=[record.value for record in records],
        headers=[None] * len(records),
        partitions=[0] * len(records),
        offsets=list(range(first, first + len(records))),
        append_times=[record.appended_at for record in records],
    )
