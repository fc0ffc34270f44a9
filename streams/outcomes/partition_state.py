"""All that the join knows of one partition of one model, in memory and on its disk.

    read -> fetch -> predict, label -> changes -> predicted, judged -> finish -> written

A turn changes memory at once, and the disk by one write after its transaction has committed, with
the offsets that it reflects. A turn that does not commit is undone by reading the disk again; one
that committed and was not written is in the inputs still, and is read again from those offsets.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import orjson

from schemas.events import Cohort, Performance
from streams.outcomes.delays import DelayHistory
from streams.outcomes.disk import Disk, Writes
from streams.outcomes.judging import Facts, Judgment
from streams.outcomes.note import Note
from streams.outcomes.request import Kept, Request, Truth, ident_of, with_prediction, with_truth
from streams.outcomes.requests import Change, Expired, Requests
from streams.outcomes.stretches import CohortNames, Entry, Stretches
from streams.outcomes.watermark import InputProgress, log_time, watermark
from streams.outcomes.windows import Telling, WindowPlan, Windows

PREDICTIONS, SHADOWS, LABELS = INPUTS = ("predictions", "shadows", "labels")
_META = b"m"
_NEW: Mapping[str, Any] = {
    "turn": 0,
    "closed": None,
    "watermark": None,
    "inputs": {},
    "told": {},
    "revision": 0,
    "rebuilding": True,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class StatePlan:
    """What holds for every partition; times in ms, see the settings of outcomes."""

    horizon_ms: int
    bucket_ms: int
    stretch_ms: int
    lateness_ms: int
    idle_ms: int
    maturity_least_ms: int
    maturity_most_ms: int
    losses_max: int
    front_bytes: int
    windows: WindowPlan


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """What the end of a turn gave: cohorts in order of time, windows to tell, what went unlabeled or unmatched."""

    cohorts: Sequence[Cohort]
    performance: Sequence[Performance]
    expired: Expired


class PartitionState:
    """Used on one thread; everything that happens until `written` is one turn.

    `begun`: the disk holds something. `rebuilding`: what it holds is not whole yet, since all of it
    is being read again.
    """

    def __init__(self, disk: Disk, plan: StatePlan, *, model: str, partition: int) -> None:
        self._disk = disk
        self._plan = plan
        self._names = CohortNames(model=model, partition=partition, losses_max=plan.losses_max)
        (kept,) = disk.get_many([_META])
        meta = _NEW if kept is None else orjson.loads(kept)
        self.begun = kept is not None
        self._turn: int = meta["turn"]
        self._told: dict[str, int] = meta["told"]
        self.watermark: int | None = meta["watermark"]
        self.inputs = {kind: InputProgress(**meta["inputs"].get(kind, {})) for kind in INPUTS}
        self._requests = Requests(
            disk, horizon_ms=plan.horizon_ms, bucket_ms=plan.bucket_ms, front_bytes=plan.front_bytes
        )
        self._stretches = Stretches(disk, stretch_ms=plan.stretch_ms, closed=meta["closed"])
        self._delays = DelayHistory(disk)
        self.windows = Windows(disk, plan.windows, model=model, partition=partition, revision=meta["revision"])
        self.windows.muted = self.rebuilding = meta["rebuilding"]

    @property
    def pending(self) -> int:
        """Predictions that wait for their label."""
        return self._requests.pending

    def begin_at(self, offsets: Mapping[str, int]) -> None:
        """Inputs go on at these offsets, on disk too; what is read before them is in the state, or is not needed."""
        for kind, offset in offsets.items():
            self.inputs[kind].offset_next = offset
        self.begun = True
        self.written()

    def rebuilt(self, told: Sequence[Performance]) -> None:
        """All requests are there again as of then; windows go on from what was told."""
        self.windows.muted = self.rebuilding = False
        self.windows.restore(told)
        self.written()

    def read(
        self, kind: str, offsets: Sequence[int], event_times: Sequence[int | None], appended_at: Sequence[int]
    ) -> None:
        """Records of one input were read, in their order; those that were refused have no event time."""
        self.inputs[kind].read(offsets, event_times, appended_at)
        bucket = -1
        for offset, at in zip(offsets, appended_at, strict=True):
            if at // self._plan.bucket_ms != bucket:
                bucket = at // self._plan.bucket_ms
                self._requests.mark(kind, offset, at)

    def fetch(self, keys: Sequence[str]) -> None:
        """Have these requests at hand."""
        self._requests.fetch(keys)

    def predict(self, key: str, kept: Kept, appended_at: int) -> None:
        """Take a prediction, whose key was fetched."""
        request = with_prediction(self._requests.get(key), kept, appended_at)
        if request is not None:
            self._requests.put(key, request)

    def label(self, key: str, truth: Truth) -> None:
        """Take a label, whose key was fetched."""
        request = with_truth(self._requests.get(key), truth)
        if request is not None:
            self._requests.put(key, request)

    def changes(self) -> list[Change]:
        """What the turn's predictions and labels have changed; asked for once, when all are taken."""
        changes = list(self._requests.changes())
        self._requests.count(changes)
        return changes

    def is_late(self, facts: Facts) -> bool:
        """Whether the prediction came after its stretch was closed."""
        return self._stretches.is_late(facts.event_time)

    def predicted(self, facts: Facts, count: int = 1) -> None:
        """Count a prediction in, or with -1 out again."""
        self._stretches.predicted(facts, count)

    def judged(self, change: Change, facts: Facts, judgment: Judgment, *, ids: tuple[str, str]) -> None:
        """A label, or its correction, says this of a prediction; `ids` are request and entity."""
        truth = change.after.truth
        assert truth is not None, "only what has a label is judged"
        delay_ms = truth.event_time - facts.event_time
        self._stretches.judged(Entry(*facts[:4], facts.event_time, *ids, judgment.loss, delay_ms))
        if truth.label is not None and not _is_labeled(change.before) and _is_first(change.after, facts):
            known_as = truth.label if isinstance(truth.label, str) else ""
            self._delays.add(self._stretches.start_of(facts.event_time), known_as, delay_ms)

    def removed(self, facts: Facts, *, ids: tuple[str, str]) -> None:
        """The prediction was replaced by a repeated one, and does not count any more."""
        self._stretches.predicted(facts, -1)
        self._stretches.judged(Entry(*facts[:4], facts.event_time, *ids, None, 0))

    def finish(self, now: int) -> Finished:
        """Close what is mature and forget what is beyond the horizon."""
        before = self._mature_before(now)
        cohorts = [] if before is None else self._stretches.close(before, self._names, now=now)
        performance = []
        telling = self._telling(now)
        if self.windows.due(telling):
            performance = self.windows.tell(telling)
            self._told = {kind: progress.offset_next for kind, progress in self.inputs.items()}
        log = log_time(self.inputs.values(), now=now)
        expired = Expired() if log is None else self._requests.expire(log)
        return Finished(cohorts=cohorts, performance=performance, expired=expired)

    def due(self, now: int) -> bool:
        """Whether `finish` would do anything without further records."""
        before = self._mature_before(now)
        log = log_time(self.inputs.values(), now=now)
        closable = before is not None and self._stretches.closable(before)
        expirable = log is not None and self._requests.expirable(log)
        return closable or expirable or self.windows.due(self._telling(now))

    def note(self) -> Note:
        """What must be known to go on without the disk."""
        oldest = {kind: self._requests.oldest(kind) for kind in INPUTS}
        return Note(
            turn=self._turn + 1,
            closed=self._stretches.closed,
            watermark=self.watermark,
            oldest={kind: self.inputs[kind].offset_next if at is None else at for kind, at in oldest.items()},
            told=self._told,
            revision=self.windows.revision,
        )

    def adopt(self, note: Note) -> None:
        """Go on from what was committed, which may be further than the disk."""
        self._turn = max(self._turn, note.turn)
        self._stretches.close_unseen(note.closed)
        self._advance(note.watermark)
        self.windows.revision = max(self.windows.revision, note.revision)
        if note.told:
            self._told = dict(note.told)

    def written(self) -> None:
        """Write the turn, which has committed."""
        self._turn += 1
        writes = Writes()
        self._requests.stage(writes, self._turn)
        self._stretches.stage(writes, self._turn)
        self._delays.stage(writes)
        self.windows.stage(writes)
        writes.puts[_META] = self._meta()
        self._disk.write(writes)
        self._requests.written()
        self._stretches.written()
        self._delays.written()
        self.windows.written()

    def again(self) -> "PartitionState":
        """The state before this turn, which has not committed: what is on disk."""
        fresh = PartitionState(self._disk, self._plan, model=self._names.model, partition=self._names.partition)
        for kind, progress in self.inputs.items():
            fresh.inputs[kind].ended_at = progress.ended_at
        return fresh

    def close(self) -> None:
        self._disk.close()

    def _meta(self) -> bytes:
        inputs = {kind: {**asdict(progress), "ended_at": None} for kind, progress in self.inputs.items()}
        return orjson.dumps(
            {
                "turn": self._turn,
                "closed": self._stretches.closed,
                "watermark": self.watermark,
                "inputs": inputs,
                "told": self._told,
                "revision": self.windows.revision,
                "rebuilding": self.rebuilding,
            }
        )

    def _telling(self, now: int) -> Telling:
        return Telling(now=now, watermark=self.watermark, age_cutoff_ms=self._cutoff_ms())

    def _cutoff_ms(self) -> int:
        return self._delays.cutoff_ms(least_ms=self._plan.maturity_least_ms, most_ms=self._plan.maturity_most_ms)

    def _mature_before(self, now: int) -> int | None:
        """The event time before which predictions are old enough; None while it is not known how late it is."""
        plan = self._plan
        inputs = [progress for kind, progress in self.inputs.items() if kind != SHADOWS or not progress.unused]
        self._advance(watermark(inputs, now=now, lateness_ms=plan.lateness_ms, idle_ms=plan.idle_ms))
        if self.watermark is None:
            return None
        self._delays.grow_old(self.watermark - plan.maturity_most_ms - plan.stretch_ms + 1)
        return self.watermark - self._cutoff_ms()

    def _advance(self, time: int | None) -> None:
        """Time never goes back."""
        if time is not None and (self.watermark is None or time > self.watermark):
            self.watermark = time


def _is_labeled(request: Request | None) -> bool:
    return request is not None and request.truth is not None and request.truth.label is not None


def _is_first(request: Request, facts: Facts) -> bool:
    """Whether the delay is told by this one of the request's predictions, so that it counts once."""
    return request.predictions[0].ident == ident_of(facts.role, facts.version)
