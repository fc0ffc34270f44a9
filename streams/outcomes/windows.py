"""Windows of event time and what adds up in them: performance as it becomes known.

Predictions are counted in when they come, outcomes when their labels do; a correction takes the
old outcome out and puts the new one in. What has changed is told every few seconds, and once more
when a window's labels have had time to come. Windows that change no more leave memory, not disk.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import orjson

from schemas.events import Performance
from schemas.performance_sums import Judged, PerformanceSums, is_unsure, parts_of, sums_of
from streams.outcomes.disk import Disk, Writes
from streams.outcomes.judging import Facts, Judgment, VersionTraits
from streams.outcomes.request import Truth

_WINDOW, _OPEN = b"w", b"o"
_FRONT_MAX = 2_000
_PLAIN = ("end", "task", "classes", "loss_scale", "changed", "told_mature")


class WindowKey(NamedTuple):
    """Whose window it is, and where it begins."""

    version: str
    arm: str
    role: str
    start: int


@dataclass(slots=True)
class Window:
    """What is summed up; `changed` since it was told last, and whether it was mature then."""

    end: int
    task: str
    classes: tuple[str, ...]
    loss_scale: float | None
    sums: PerformanceSums
    changed: bool = True
    told_mature: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowPlan:
    """How long windows are, how often they are told, and below which probability an answer is unsure."""

    window_ms: int
    tell_every_ms: int
    confidence_least: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Telling:
    """When windows are told, and how far the partition's time has come."""

    now: int
    watermark: int | None
    age_cutoff_ms: int

    @property
    def mature_before(self) -> int | None:
        return None if self.watermark is None else self.watermark - self.age_cutoff_ms


class Windows:
    """The windows of one partition; `revision` is the last that was told.

    While `muted` nothing is summed up: what is read again is in the sums already.
    """

    def __init__(self, disk: Disk, plan: WindowPlan, *, model: str, partition: int, revision: int) -> None:
        self._disk = disk
        self._plan = plan
        self._model = model
        self._partition = partition
        self._front: dict[WindowKey, Window] = {}
        self._open: dict[WindowKey, tuple[int, bool]] = {
            _key_of(key): tuple(orjson.loads(value)) for key, value in disk.scan(_OPEN)
        }
        self._touched: set[WindowKey] = set()
        self._told_at = 0
        self.revision = revision
        self.muted = False

    def predict(self, facts: Facts, traits: VersionTraits, count: int) -> None:
        """Count a prediction in, or with -1 out again."""
        if not self.muted:
            unsure = is_unsure(traits.task, facts.score, self._plan.confidence_least)
            self._changed(facts, traits).sums.predict(count, low_confidence=unsure)

    def judge(self, facts: Facts, truth: Truth, judgment: Judgment, traits: VersionTraits, sign: int) -> None:
        """Take an outcome in, or with -1 out again."""
        if not self.muted:
            judged = _judged(facts, truth, judgment)
            self._changed(facts, traits).sums.judge(judged, sign, task=traits.task, classes=traits.classes)

    def due(self, telling: Telling) -> bool:
        """Whether there is something to tell, and the last time was long enough ago."""
        return telling.now - self._told_at >= self._plan.tell_every_ms and bool(self._to_tell(telling))

    def hurry(self) -> None:
        """Let what has changed be told at once."""
        self._told_at = 0

    def tell(self, telling: Telling) -> list[Performance]:
        """What has changed since it was told last, and what has become mature."""
        self._told_at = telling.now
        # The time, but never less than what was told before, by another process with another clock perhaps.
        self.revision = max(telling.now, self.revision + 1)
        told = []
        for key in self._to_tell(telling):
            window = self._window(key)
            told.append(self._event(key, window, telling))
            window.changed = False
            window.told_mature = _is_mature(window.end, telling)
            self._touch(key, window)
        return told

    def restore(self, parts: Sequence[Performance]) -> None:
        """Go on from what was told, after the disk was lost."""
        for part in parts:
            key = WindowKey(part.version, part.arm, part.role, part.start)
            self._front[key] = window = _window_of(part)
            self._touch(key, window)
            self.revision = max(self.revision, part.revision)

    def stage(self, writes: Writes) -> None:
        """Add what the turn changes to a write."""
        for key in self._touched:
            window = self._front[key]
            writes.puts[_bytes_key(_WINDOW, key)] = _bytes_of(window)
            if key in self._open:
                writes.puts[_bytes_key(_OPEN, key)] = orjson.dumps(self._open[key])
            else:
                writes.deletes.append(_bytes_key(_OPEN, key))

    def written(self) -> None:
        """The turn is on disk, and old windows need no memory."""
        self._touched.clear()
        while len(self._front) > _FRONT_MAX:
            del self._front[next(iter(self._front))]

    def _changed(self, facts: Facts, traits: VersionTraits) -> Window:
        start = facts.event_time // self._plan.window_ms * self._plan.window_ms
        key = WindowKey(facts.version, facts.arm, facts.role, start)
        window = self._window(key, traits)
        if not window.changed or key not in self._touched:
            window.changed = True
            self._touch(key, window)
        return window

    def _window(self, key: WindowKey, traits: VersionTraits | None = None) -> Window:
        window = self._front.pop(key, None)
        if window is None:
            (kept,) = self._disk.get_many([_bytes_key(_WINDOW, key)])
            if kept is not None:
                window = _from_bytes(kept)
            else:
                assert traits is not None, f"a window that is told is known: {key}"
                window = Window(
                    key.start + self._plan.window_ms,
                    traits.task.value,
                    traits.classes,
                    traits.loss_scale,
                    PerformanceSums(),
                )
        self._front[key] = window
        return window

    def _touch(self, key: WindowKey, window: Window) -> None:
        """Note the window for the write, and whether it is to be told again."""
        self._touched.add(key)
        if window.changed or not window.told_mature:
            self._open[key] = (window.end, window.changed)
        else:
            self._open.pop(key, None)

    def _to_tell(self, telling: Telling) -> list[WindowKey]:
        return [key for key, (end, changed) in self._open.items() if changed or _is_mature(end, telling)]

    def _event(self, key: WindowKey, window: Window, telling: Telling) -> Performance:
        sums, parts = window.sums, parts_of(window.sums)
        return Performance(
            part_id=f"{self._model}:{key.version}:{key.arm}:{key.role}:{key.start}:{self._partition}",
            model=self._model,
            version=key.version,
            arm=key.arm,
            role=key.role,
            partition=self._partition,
            start=key.start,
            end=window.end,
            revision=self.revision,
            task=window.task,
            classes=window.classes,
            loss_scale=window.loss_scale,
            watermark=telling.watermark,
            age_cutoff_ms=telling.age_cutoff_ms,
            predicted=sums.predicted,
            low_confidence=sums.low_confidence,
            labeled=sums.labeled,
            retracted=sums.retracted,
            sums=parts.sums,
            confusion=parts.confusion,
            scores=parts.scores,
            told_at=telling.now,
        )


def _is_mature(end: int, telling: Telling) -> bool:
    return telling.mature_before is not None and end <= telling.mature_before


def _judged(facts: Facts, truth: Truth, judgment: Judgment) -> Judged:
    return Judged(
        facts.label,
        facts.score,
        facts.probabilities,
        truth.label if isinstance(truth.label, str) else None,
        truth.label if isinstance(truth.label, float) else None,
        judgment.truth_probability,
        judgment.loss,
        truth.weight,
        truth.value,
        truth.event_time - facts.event_time,
    )


def _window_of(part: Performance) -> Window:
    mature = part.watermark is not None and part.end <= part.watermark - part.age_cutoff_ms
    return Window(part.end, part.task, part.classes, part.loss_scale, sums_of(part), changed=False, told_mature=mature)


def _bytes_key(prefix: bytes, key: WindowKey) -> bytes:
    return prefix + orjson.dumps(list(key))


def _key_of(content: bytes) -> WindowKey:
    return WindowKey(*orjson.loads(content[1:]))


def _bytes_of(window: Window) -> bytes:
    sums = window.sums
    return orjson.dumps(
        {
            **{name: getattr(window, name) for name in _PLAIN},
            "counts": [sums.predicted, sums.low_confidence, sums.labeled, sums.retracted],
            "sums": sums.sums,
            "confusion": [[*cell, weight] for cell, weight in sums.confusion.items()],
            "scores": [[number, *amounts] for number, amounts in sums.scores.items()],
        }
    )


def _from_bytes(content: bytes) -> Window:
    found = orjson.loads(content)
    predicted, low_confidence, labeled, retracted = found["counts"]
    sums = PerformanceSums(
        predicted=predicted,
        low_confidence=low_confidence,
        labeled=labeled,
        retracted=retracted,
        sums=found["sums"],
        confusion={(truth, label): weight for truth, label, weight in found["confusion"]},
        scores={number: (negative, positive, score) for number, negative, positive, score in found["scores"]},
    )
    plain = {name: found[name] for name in _PLAIN}
    return Window(sums=sums, **{**plain, "classes": tuple(plain["classes"])})
