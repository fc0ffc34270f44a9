"""Decides, block by block, whether the rows of one version have drifted: one drift is one alarm.

A state and a block come in, the next state and perhaps an alarm go out; pure. The rule in full:

1. windows of one and of five blocks are compared with the baseline, column by column;
2. where the furthest column crosses the line that the budget of false alarms draws, an alarm is
   raised; once there is one, a lower line says which other columns moved along;
3. for some blocks after it no other is raised: columns that cross the lower line meanwhile belong
   to it, and once there are rows of after the change alone, it is told again, complete, as the same
   alarm;
4. its columns then get a new baseline from the blocks that follow, and are judged by that; where
   they leave it soon after, it is the same drift that goes on, and the same alarm.

Without a calibrated reference the first blocks are only learned from.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from streams.drift.blocks import Block, Floats, joined
from streams.drift.calibration import BLOCKS_MIN, WINDOWS, Calibration, calibrate
from streams.drift.chi_square import chi_square

REFRACTORY_BLOCKS = 5
COMPLETE_BLOCKS = 2
BASELINE_BLOCKS = 20
CONTINUES_BLOCKS = 50
ALONG_CHANCE = 0.01
"""How often, by chance, a window crosses the lower line, which is asked only when there is an alarm."""
Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True)
class Crossing:
    """A column over the line in a window of so many blocks: how high (in widths), and how likely that is by chance."""

    column: int
    window: int
    height: float
    chance: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Alarm:
    """Columns that drifted, the furthest first.

    `start`: of the block that raised it, its identity. `since`: first event time of the stretch
    that is unlike the baseline (ms). `after`: rows of after the change, with some of before it
    unless it is `complete`. `before`: rows that a column was like before it drifted, where that is
    not the reference; `left`: those of the baseline that it has left now, where it has one.
    """

    start: str
    since: int
    crossings: tuple[Crossing, ...]
    after: Block
    complete: bool
    before: Mapping[int, Block]
    left: Mapping[int, Block]


@dataclass(frozen=True, slots=True, kw_only=True)
class Baseline:
    """What a column is compared with after it drifted: `block` of the rows since, of which it is `blocks` long.

    `raised_at`, `start`, `since`: of the alarm about it. `earlier`: what it was like before that
    drift, None where like the reference.
    """

    block: Block
    blocks: int
    raised_at: int
    start: str
    since: int
    earlier: Block | None

    @property
    def tested_from(self) -> int:
        """From this block on no window has a block of the baseline in it."""
        return self.raised_at + BASELINE_BLOCKS + max(WINDOWS)

    @property
    def learned(self) -> bool:
        return self.blocks >= BASELINE_BLOCKS


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenAlarm:
    """An alarm within its refractory period; `continues` the drift that an earlier one was about."""

    raised_at: int
    start: str
    since: int
    continues: bool
    crossings: Mapping[int, Crossing]


@dataclass(frozen=True, slots=True, kw_only=True)
class DetectorState:
    """What is known after `blocks` blocks; `learned` holds their counts until there is a calibration."""

    calibration: Calibration | None
    blocks: int = 0
    recent: tuple[Block, ...] = ()
    learned: tuple[Floats, ...] = ()
    baselines: Mapping[int, Baseline] = field(default_factory=dict)
    alarm: OpenAlarm | None = None


def observe(
    state: DetectorState, block: Block, *, block_rows: int, rows_per_false_alarm: int
) -> tuple[DetectorState, Alarm | None]:
    """Take in one block. An alarm that was told already is told again once it is complete."""
    state = replace(state, blocks=state.blocks + 1, recent=(*state.recent, block)[-max(WINDOWS) :])
    calibration = state.calibration
    if calibration is None:
        return _learned(state, block), None
    state = _with_longer_baselines(state, block)
    if state.alarm is not None:
        return _within(state, state.alarm, _crossings(state, calibration, ALONG_CHANCE))
    if not _crossings(state, calibration, block_rows / (len(WINDOWS) * rows_per_false_alarm)):
        return state, None
    return _raised(state, _crossings(state, calibration, ALONG_CHANCE))


def _learned(state: DetectorState, block: Block) -> DetectorState:
    counts = (*state.learned, block.counts)
    if len(counts) < BLOCKS_MIN:
        return replace(state, learned=counts)
    return replace(state, calibration=calibrate(np.stack(counts)), learned=())


def _with_longer_baselines(state: DetectorState, block: Block) -> DetectorState:
    if all(baseline.learned for baseline in state.baselines.values()):
        return state
    longer = {
        column: each if each.learned else replace(each, block=joined([each.block, block]), blocks=each.blocks + 1)
        for column, each in state.baselines.items()
    }
    return replace(state, baselines=longer)


def _crossings(state: DetectorState, calibration: Calibration, chance: float) -> dict[int, Crossing]:
    """The columns over the line, by column, each with the window in which it is furthest over it."""
    baseline, tested = _compared_with(state, calibration)
    found: dict[int, Crossing] = {}
    for window in calibration.windows:
        if len(state.recent) < window.blocks:
            continue
        counts = np.sum([block.counts for block in state.recent[-window.blocks :]], axis=0)
        heights = window.heights(counts, baseline)
        for column in np.flatnonzero((heights > window.line(chance)) & tested).tolist():
            height = float(heights[column])
            crossing = Crossing(column=column, height=height, window=window.blocks, chance=window.chance(height))
            if column not in found or crossing.height > found[column].height:
                found[column] = crossing
    return found


def _compared_with(state: DetectorState, calibration: Calibration) -> tuple[Floats, Bools]:
    """The baseline of each column, and which columns have one that none of the windows is part of."""
    baseline, tested = calibration.baseline, np.ones(len(calibration.baseline), dtype=np.bool_)
    if state.baselines:
        baseline = baseline.copy()
        for column, each in state.baselines.items():
            baseline[column] = each.block.counts[column]
            tested[column] = state.blocks >= each.tested_from
    return baseline, tested


def _raised(state: DetectorState, crossings: Mapping[int, Crossing]) -> tuple[DetectorState, Alarm]:
    furthest = max(crossings.values(), key=lambda crossing: crossing.height)
    after = joined(state.recent[_changed_from(state, furthest.column) :])
    baseline = state.baselines.get(furthest.column)
    if baseline is not None and state.blocks - baseline.raised_at <= CONTINUES_BLOCKS:
        start, since, continues = baseline.start, baseline.since, True
    else:
        start, since, continues = state.recent[-1].start, after.event_times[0], False
    opened = OpenAlarm(raised_at=state.blocks, start=start, since=since, continues=continues, crossings=crossings)
    return replace(state, alarm=opened), _alarm(state, opened, after, complete=False)


def _within(
    state: DetectorState, opened: OpenAlarm, crossings: Mapping[int, Crossing]
) -> tuple[DetectorState, Alarm | None]:
    """The refractory period: complete the alarm, and at its end give its columns a baseline of what followed it."""
    merged = dict(opened.crossings)
    for column, crossing in crossings.items():
        if column not in merged or crossing.height > merged[column].height:
            merged[column] = crossing
    opened = replace(opened, crossings=merged)
    passed = state.blocks - opened.raised_at
    told = _alarm(state, opened, joined(state.recent[-passed:]), complete=True) if passed == COMPLETE_BLOCKS else None
    if passed < REFRACTORY_BLOCKS:
        return replace(state, alarm=opened), told
    since_then = joined(state.recent[-REFRACTORY_BLOCKS:])
    fresh = {
        column: Baseline(
            block=since_then,
            blocks=REFRACTORY_BLOCKS,
            raised_at=opened.raised_at,
            start=opened.start,
            since=opened.since,
            earlier=_before(state, opened, column),
        )
        for column in merged
    }
    return replace(state, alarm=None, baselines={**state.baselines, **fresh}), told


def _before(state: DetectorState, opened: OpenAlarm, column: int) -> Block | None:
    """What a column was like before the drift: of one that goes on, before it began; None: like the reference."""
    baseline = state.baselines.get(column)
    if baseline is None:
        return None
    return baseline.earlier if opened.continues else baseline.block


def _alarm(state: DetectorState, opened: OpenAlarm, after: Block, *, complete: bool) -> Alarm:
    ordered = sorted(opened.crossings.values(), key=lambda crossing: -crossing.height)
    earlier = {crossing.column: _before(state, opened, crossing.column) for crossing in ordered}
    return Alarm(
        start=opened.start,
        since=opened.since,
        crossings=tuple(ordered),
        after=after,
        complete=complete,
        before={column: block for column, block in earlier.items() if block is not None},
        left={column: state.baselines[column].block for column in earlier if column in state.baselines},
    )


def _changed_from(state: DetectorState, column: int) -> int:
    """The index of the recent block from which on the column is furthest from its baseline."""
    assert state.calibration is not None, "alarms are raised by a calibrated detector"
    baseline, _ = _compared_with(state, state.calibration)
    counts = np.stack([block.counts[column] for block in state.recent])
    from_each = np.cumsum(counts[::-1], axis=0)[::-1]
    statistic, _ = chi_square(from_each, baseline[column])
    return int(np.argmax(statistic))
