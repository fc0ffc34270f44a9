"""Stretches of prediction time that are still open, and the cohorts that they become. Pure but for its disk.

A stretch is [start, end) of event time, the same for all versions and arms. What is labeled in it
is kept as entries, the last one of a request holding, until it is old enough; then each version,
arm, role and generation becomes a cohort, once, in order of time, and the stretch never opens again.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import orjson

from schemas.events import Cohort
from streams.outcomes.delays import QUANTILE
from streams.outcomes.disk import Disk, Writes, after, number_key, numbers_of
from streams.outcomes.judging import Facts

_STRETCH, _ENTRIES = b"s", b"c"
_STRETCHES_PER_TURN = 200


class CellKey(NamedTuple):
    """Whose cohort it will be; in one generation of the deployment each arm has one share of the requests."""

    version: str
    arm: str
    role: str
    generation: int


class Entry(NamedTuple):
    """What is known of one labeled prediction; `loss` None: it is not labeled any more, or not of this cell."""

    version: str
    arm: str
    role: str
    generation: int
    event_time: int
    request_id: str
    entity_id: str
    loss: float | None
    delay_ms: int


@dataclass(slots=True)
class Cell:
    """What one version, arm and role has predicted in one stretch and generation."""

    predicted: int = 0


@dataclass(slots=True)
class Stretch:
    """An open stretch."""

    end: int
    cells: dict[CellKey, Cell]


@dataclass(frozen=True, slots=True, kw_only=True)
class CohortNames:
    """What the cohorts of one partition have alike, and how many losses one record may hold."""

    model: str
    partition: int
    losses_max: int


class Stretches:
    """The open stretches of one partition; `closed`: everything before that event time is closed."""

    def __init__(self, disk: Disk, *, stretch_ms: int, closed: int | None) -> None:
        self._disk = disk
        self._stretch_ms = stretch_ms
        self.closed = closed
        self._open = {numbers_of(key)[0]: _stretch(value) for key, value in disk.scan(_STRETCH)}
        self._entries: dict[int, list[Entry]] = {}
        self._touched: set[int] = set()
        self._gone: list[int] = []

    def start_of(self, event_time: int) -> int:
        return event_time // self._stretch_ms * self._stretch_ms

    def is_late(self, event_time: int) -> bool:
        """Whether the stretch of that time is closed, so that no cohort will ever show it."""
        return self.closed is not None and event_time < self.closed

    def predicted(self, facts: Facts, count: int) -> None:
        """Count a prediction in, or with -1 out again."""
        if self.is_late(facts.event_time):
            return
        start = self.start_of(facts.event_time)
        stretch = self._open.get(start)
        if stretch is None:
            stretch = self._open[start] = Stretch(start + self._stretch_ms, {})
        cell = stretch.cells.setdefault(CellKey(*facts[:4]), Cell())
        cell.predicted += count
        self._touched.add(start)

    def closable(self, before: int) -> bool:
        """Whether `close` would close anything."""
        return any(stretch.end <= before for stretch in self._open.values())

    def judged(self, entry: Entry) -> None:
        """What a label, or its correction, makes of a prediction."""
        if not self.is_late(entry.event_time):
            self._entries.setdefault(self.start_of(entry.event_time), []).append(entry)

    def close(self, before: int, names: CohortNames, *, now: int) -> list[Cohort]:
        """The cohorts of stretches that end by that event time, in order of time, some hundred at a time."""
        cohorts: list[Cohort] = []
        for start in sorted(self._open)[:_STRETCHES_PER_TURN]:
            stretch = self._open[start]
            if stretch.end > before:
                break
            cohorts += _cohorts(start, stretch, self._entries_of(start), names, now=now)
            self.closed = stretch.end if self.closed is None else max(self.closed, stretch.end)
            del self._open[start]
            self._entries.pop(start, None)
            self._touched.discard(start)
            self._gone.append(start)
        return cohorts

    def close_unseen(self, before: int | None) -> None:
        """Cohorts of earlier event times are out already: forget them."""
        if before is None or (self.closed is not None and before <= self.closed):
            return
        self.closed = before
        for start in [start for start, stretch in self._open.items() if stretch.end <= before]:
            del self._open[start]
            self._gone.append(start)

    def stage(self, writes: Writes, turn: int) -> None:
        """Add what the turn changes to a write."""
        for start in self._touched:
            writes.puts[number_key(_STRETCH, start)] = _bytes_of(self._open[start])
        for start, entries in self._entries.items():
            writes.puts[number_key(_ENTRIES, start, turn)] = orjson.dumps([list(entry) for entry in entries])
        for start in self._gone:
            writes.deletes.append(number_key(_STRETCH, start))
            prefix = number_key(_ENTRIES, start)
            writes.ranges.append((prefix, after(prefix)))

    def written(self) -> None:
        """The turn is on disk."""
        self._entries.clear()
        self._touched.clear()
        self._gone.clear()

    def _entries_of(self, start: int) -> Iterator[Entry]:
        """Those on disk, turn by turn, then those of this turn."""
        for _, value in self._disk.scan(number_key(_ENTRIES, start)):
            yield from (Entry(*fields) for fields in orjson.loads(value))
        yield from self._entries.get(start, ())


def _cohorts(
    start: int, stretch: Stretch, entries: Iterator[Entry], names: CohortNames, *, now: int
) -> Iterator[Cohort]:
    last = {(entry[:4], entry.request_id, entry.entity_id): entry for entry in entries}
    by_cell: dict[CellKey, list[Entry]] = {}
    for entry in last.values():
        if entry.loss is not None:
            by_cell.setdefault(CellKey(*entry[:4]), []).append(entry)
    for key, cell in sorted(stretch.cells.items()):
        if cell.predicted:
            labeled = sorted(by_cell.get(key, ()), key=lambda entry: (entry.event_time, entry.request_id))
            yield from _parts(start, stretch.end, key, cell, labeled, names=names, now=now)


def _parts(
    start: int, end: int, key: CellKey, cell: Cell, labeled: Sequence[Entry], *, names: CohortNames, now: int
) -> Iterator[Cohort]:
    """One cohort, or several of about equal size where its losses are too many for one record."""
    parts = max(math.ceil(len(labeled) / names.losses_max), 1)
    unlabeled = cell.predicted - len(labeled)
    assert unlabeled >= 0, f"{len(labeled)} of {cell.predicted} predictions are labeled in {key} from {start}"
    for part in range(parts):
        mine = labeled[_share(len(labeled), part, parts) : _share(len(labeled), part + 1, parts)]
        missing = _share(unlabeled, part + 1, parts) - _share(unlabeled, part, parts)
        suffix = f"{names.partition}.{key.generation}" + (f".{part}" if parts > 1 else "")
        yield Cohort(
            model=names.model,
            cohort_id=f"{names.model}:{key.version}:{key.arm}:{key.role}:{start}:{suffix}",
            version=key.version,
            arm=key.arm,
            role=key.role,
            generation=key.generation,
            start=start,
            end=end,
            predicted=len(mine) + missing,
            labeled=len(mine),
            losses=tuple(entry.loss for entry in mine if entry.loss is not None),
            delay_ms_p95=_delay_p95([entry.delay_ms for entry in mine]),
            closed_at=now,
        )


def _share(count: int, part: int, parts: int) -> int:
    return count * part // parts


def _delay_p95(delays_ms: Sequence[int]) -> float:
    """The smallest delay that 95 % are not above; 0 without labels.

    >>> _delay_p95(range(1, 101)), _delay_p95([])
    (95.0, 0.0)
    """
    return float(sorted(delays_ms)[math.ceil(QUANTILE * len(delays_ms)) - 1]) if delays_ms else 0.0


def _bytes_of(stretch: Stretch) -> bytes:
    cells = [[*key, cell.predicted] for key, cell in stretch.cells.items()]
    return orjson.dumps({"end": stretch.end, "cells": cells})


def _stretch(value: bytes) -> Stretch:
    found = orjson.loads(value)
    return Stretch(
        found["end"],
        {CellKey(*names): Cell(predicted) for *names, predicted in found["cells"]},
    )
