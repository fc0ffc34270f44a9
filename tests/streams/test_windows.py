"""Windows say the same as a sum over all that is stored, however their labels came, and whatever died on the way."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.events import Performance
from schemas.performance_sums import Judged, PerformanceSums, is_unsure, score_bin, sums_of
from schemas.signature import Task
from streams.outcomes.memory_disk import MemoryDisk
from streams.outcomes.partition_state import INPUTS, LABELS, PREDICTIONS, SHADOWS
from streams.outcomes.windows import WindowPlan
from tests.streams.joining_world import (
    APRIL,
    HOUR_MS,
    PLAN,
    TRAITS,
    PlayedLane,
    World,
    batch_join,
    label,
    prediction,
)
from tests.streams.test_outcome_join import FAULTS, NOW, Logs, logs

COUNTS = st.fixed_dictionaries({kind: st.integers(0, 3) for kind in INPUTS})
Windows = dict[tuple[str, str, str, int], PerformanceSums]


@settings(max_examples=200, deadline=None)
@given(logs(), st.lists(st.tuples(COUNTS, FAULTS), max_size=8), st.sampled_from([0, 3_000]))
def test_windows_add_up_to_what_is_stored(
    made: Logs, turns: Sequence[tuple[Mapping[str, int], str]], tell_every_ms: int
) -> None:
    """Corrections, repeated requests, aborts, kills and lost disks included; told at once or now and then."""
    plan = replace(PLAN, windows=replace(PLAN.windows, tell_every_ms=tell_every_ms))
    world = World(made, plan=plan)
    disk = MemoryDisk()
    lane = PlayedLane(world, disk)
    now = NOW
    for counts, fault in turns:
        now += 1_000
        lane.turn(counts, now=now, commits=fault != "aborted", writes=not fault.endswith("unwritten"))
        if fault.startswith(("killed", "disk_lost")):
            disk = disk if fault.startswith("killed") else MemoryDisk()
            if fault.endswith("again"):
                PlayedLane(world, disk, steps_max=sum(counts.values()))
            lane = PlayedLane(world, disk)
    lane.drain(now=now)
    lane.turn({}, now=now + 10_000)

    _assert_same(_recomputed(made), _told(world.performance))


def test_each_telling_of_a_window_has_a_higher_revision() -> None:
    """Also where another process with a slower clock goes on, without the first one's disk."""
    world = World({PREDICTIONS: [prediction(f"r{n}a", at=APRIL, appended_at=APRIL + n) for n in range(3)]})
    lane = PlayedLane(world, MemoryDisk())
    lane.turn({PREDICTIONS: 1}, now=NOW)
    lane = PlayedLane(world, MemoryDisk())
    lane.turn({PREDICTIONS: 1}, now=NOW - 60_000)
    lane.turn({PREDICTIONS: 1}, now=NOW - 59_000)

    assert [part.revision for part in world.performance] == [NOW, NOW + 1, NOW + 2]
    assert [part.predicted for part in world.performance] == [1, 2, 3]


def test_a_window_is_told_once_more_when_its_labels_had_time() -> None:
    """So that the last word on a window says that it is mature; then it is told no more."""
    later = APRIL + 2 * HOUR_MS + PLAN.maturity_most_ms
    world = World(
        {
            PREDICTIONS: [prediction("r1a", at=APRIL, appended_at=NOW), prediction("r2a", at=later, appended_at=NOW)],
            LABELS: [
                label("r1a", "late", at=APRIL + 1, appended_at=NOW),
                label("r2a", "late", at=later, appended_at=NOW),
            ],
        }
    )
    lane = PlayedLane(world, MemoryDisk())
    lane.state.inputs[SHADOWS].ended_at = 0
    lane.turn({PREDICTIONS: 1, LABELS: 1}, now=NOW)
    lane.turn({PREDICTIONS: 1, LABELS: 1}, now=NOW + 1)
    told = len(world.performance)
    lane.turn({}, now=NOW + 2)

    first = [part for part in world.performance if part.start == APRIL]
    assert [_matured(part) for part in first] == [False, True]
    assert [part.labeled for part in first] == [1, 1]
    assert len(world.performance) == told


def test_what_has_changed_waits_for_the_next_telling() -> None:
    """A thousand labels a second make one record each few seconds, and none is left out."""
    predictions = [prediction(f"r{number}a", at=APRIL, appended_at=APRIL + number) for number in range(10)]
    plan = replace(PLAN, windows=WindowPlan(window_ms=HOUR_MS, tell_every_ms=5_000, confidence_least=0.5))
    world = World({PREDICTIONS: predictions}, plan=plan)
    lane = PlayedLane(world, MemoryDisk())
    for number in range(10):
        lane.turn({PREDICTIONS: 1}, now=NOW + number * 1_000)

    assert [part.predicted for part in world.performance] == [1, 6]
    assert lane.state.due(NOW + 10_000)


def test_only_what_is_needed_is_read_again() -> None:
    """Without a disk reading begins at the oldest record within the horizon, and what went is counted once."""
    plan = replace(PLAN, horizon_ms=10 * HOUR_MS, bucket_ms=HOUR_MS)
    predictions = [
        prediction(f"r{number}a", at=APRIL + number * HOUR_MS, appended_at=APRIL + number * HOUR_MS)
        for number in range(40)
    ]
    labels = [label("r0a", "late", at=APRIL, appended_at=APRIL), label("r39a", "late", at=APRIL, appended_at=NOW)]
    world = World({PREDICTIONS: predictions, LABELS: labels}, plan=plan)
    lane = PlayedLane(world, MemoryDisk())
    lane.turn({PREDICTIONS: 40, LABELS: 1}, now=APRIL + 39 * HOUR_MS)
    for progress in lane.state.inputs.values():
        progress.ended_at = 0
    lane.turn({}, now=APRIL + 39 * HOUR_MS)
    again = PlayedLane(world, MemoryDisk())
    again.turn({LABELS: 1}, now=APRIL + 39 * HOUR_MS)

    assert sum(world.expired) == 28
    assert again.read_again == {PREDICTIONS: 11, SHADOWS: 0, LABELS: 0}
    assert [outcome["request_id"] for outcome in world.outcomes] == ["r0a", "r39a"]


@pytest.mark.parametrize("task", list(Task))
def test_taking_out_undoes_taking_in(task: Task) -> None:
    """Nothing is left of an outcome that was corrected, but for the last bit of a double."""
    judged = Judged("b", 0.3, [0.2, 0.3, 0.5], "b", None, 0.3, 0.0, 2.0, 7.5, 60_000)
    other = Judged("a", 0.9, [0.9, 0.05, 0.05], "b", None, 0.05, 1.0, None, -1.0, 10)
    if task is Task.REGRESSION:
        judged, other = (each._replace(label=None, truth=None, truth_value=9.0) for each in (judged, other))
    sums, alone = PerformanceSums(), PerformanceSums()
    classes = ("a", "b") if task is Task.BINARY else ("a", "b", "c")
    for each, sign in ((judged, 1), (other, 1), (judged._replace(loss=None), 1), (judged, -1)):
        sums.judge(each, sign, task=task, classes=classes)
    sums.judge(judged._replace(loss=None), -1, task=task, classes=classes)
    alone.judge(other, 1, task=task, classes=classes)

    assert _counts(alone) == _counts(sums)
    assert _amounts(alone) == pytest.approx(_amounts(sums), rel=1e-9, abs=1e-6)


@given(st.floats(0, 1), st.floats(0, 1))
def test_bins_order_as_scores_do(first: float, second: float) -> None:
    """So that ranks, and the area under the curve, are told by bins."""
    low, high = sorted((first, second))

    assert score_bin(low) <= score_bin(high)


def _matured(part: Performance) -> bool:
    return part.watermark is not None and part.end <= part.watermark - part.age_cutoff_ms


def _told(parts: Sequence[Performance]) -> Windows:
    newest: dict[str, Performance] = {}
    for part in parts:
        newest[part.part_id] = max(newest.get(part.part_id, part), part, key=lambda each: each.revision)
    return {(part.version, part.arm, part.role, part.start): sums_of(part) for part in newest.values()}


def _recomputed(made: Logs) -> Windows:
    """The same from the predictions and outcomes that hold, as a store has them."""
    windows: Windows = {}
    outcomes = batch_join(made)
    for (request, ident), said in _predictions(made).items():
        key = (said["version"], said["arm"], said["role"], said["event_time"] // HOUR_MS * HOUR_MS)
        sums = windows.setdefault(key, PerformanceSums())
        sums.predict(1, low_confidence=is_unsure(Task.BINARY, said["score"], PLAN.windows.confidence_least))
        outcome = outcomes.get((request, ident))
        if outcome is not None:
            judged = Judged(
                said["label"],
                said["score"],
                None,
                outcome["truth"],
                None,
                outcome["truth_probability"],
                outcome["loss"],
                outcome["weight"],
                outcome["value"],
                outcome["delay_ms"],
            )
            sums.judge(judged, 1, task=Task.BINARY, classes=TRAITS.of("1").classes)
    return windows


def _predictions(made: Logs) -> dict[tuple[str, str], dict[str, Any]]:
    held: dict[tuple[str, str], dict[str, Any]] = {}
    for kind in (PREDICTIONS, SHADOWS):
        for logged in made.get(kind, ()):
            said = json.loads(logged.value)
            ident = "live" if said["role"] == "live" else f"shadow:{said['version']}"
            known = held.get((said["request_id"], ident))
            place = (said["requested_at"], said["source_offset"])
            if known is None or place > (known["requested_at"], known["source_offset"]):
                held[said["request_id"], ident] = said
    return held


def _assert_same(expected: Windows, found: Windows) -> None:
    """Sums agree but for the last digits of doubles, and windows that nothing is left in do not count."""
    held, told = ({key: sums for key, sums in each.items() if sums.predicted} for each in (expected, found))
    assert held.keys() == told.keys()
    for key, sums in held.items():
        assert _counts(sums) == _counts(told[key])
        assert _amounts(sums) == pytest.approx(_amounts(told[key]), rel=1e-9, abs=1e-6)


def _counts(sums: PerformanceSums) -> tuple[int, int, int, int]:
    return sums.predicted, sums.low_confidence, sums.labeled, sums.retracted


def _amounts(sums: PerformanceSums) -> dict[Any, float]:
    amounts: dict[Any, float] = {**sums.sums, **sums.confusion}
    amounts |= {(number, place): each for number, bins in sums.scores.items() for place, each in enumerate(bins)}
    return {name: amount for name, amount in amounts.items() if abs(amount) > 1e-6}
