"""Whatever order predictions and labels come in, and whatever dies on the way, the same outcomes come out."""

from collections.abc import Mapping, Sequence
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from streams.outcomes.memory_disk import MemoryDisk
from streams.outcomes.partition_state import INPUTS, LABELS, PREDICTIONS, SHADOWS
from tests.streams.joining_world import (
    APRIL,
    HOUR_MS,
    Logged,
    PlayedLane,
    World,
    batch_join,
    final_outcomes,
    label,
    prediction,
)

NOW = APRIL + 1_000 * HOUR_MS
REQUESTS = st.sampled_from(["r1a", "r2a", "r3b"])
MINUTES = st.integers(0, 300).map(lambda minutes: APRIL + minutes * 60_000)
Logs = dict[str, list[Logged]]


@st.composite
def logs(draw: st.DrawFn) -> Logs:
    """A few requests with repeated predictions, shadows, corrected labels and labels taken back."""
    predictions = [
        prediction(
            draw(REQUESTS),
            at=draw(MINUTES),
            appended_at=draw(MINUTES),
            version=draw(st.sampled_from(["1", "2"])),
            label=draw(st.sampled_from(["late", "on time"])),
            source_offset=number,
        )
        for number in range(draw(st.integers(0, 6)))
    ]
    shadows = [
        prediction(
            draw(REQUESTS),
            at=draw(MINUTES),
            appended_at=draw(MINUTES),
            role="shadow",
            version=draw(st.sampled_from(["2", "3"])),
            source_offset=number,
        )
        for number in range(draw(st.integers(0, 4)))
    ]
    labels = [
        label(
            draw(REQUESTS),
            draw(st.sampled_from(["late", "on time", None])),
            at=draw(MINUTES),
            appended_at=draw(MINUTES),
            revision=draw(st.integers(0, 2)),
            weight=draw(st.sampled_from([None, 2.0])),
            value=draw(st.sampled_from([None, -5.0, 7.5])),
        )
        for _ in range(draw(st.integers(0, 8)))
    ]
    return {PREDICTIONS: predictions, SHADOWS: shadows, LABELS: labels}


TURNS = st.lists(st.fixed_dictionaries({kind: st.integers(0, 3) for kind in INPUTS}), max_size=8)


@settings(max_examples=300, deadline=None)
@given(logs(), TURNS)
def test_outcomes_are_those_of_a_batch_join(made: Logs, turns: list[dict[str, int]]) -> None:
    """In whatever batches the inputs are read, one far ahead of the other included."""
    world = World(made)
    lane = PlayedLane(world, MemoryDisk())
    for counts in turns:
        lane.turn(counts, now=NOW)
    lane.drain(now=NOW)

    assert batch_join(made) == final_outcomes(world)


@settings(max_examples=200, deadline=None)
@given(logs(), st.randoms(use_true_random=False))
def test_any_permutation_gives_the_same_outcomes(made: Logs, random: Random) -> None:
    """Of the same events in any order of each log."""
    shuffled = {kind: random.sample(records, len(records)) for kind, records in made.items()}
    finals = []
    for each in (made, shuffled):
        world = World(each)
        PlayedLane(world, MemoryDisk()).drain(now=NOW)
        finals.append(final_outcomes(world))

    assert finals[0] == finals[1]


@settings(max_examples=200, deadline=None)
@given(logs(), TURNS)
def test_an_outcome_is_told_again_only_when_it_changed(made: Logs, turns: list[dict[str, int]]) -> None:
    """Each outcome of a prediction has a higher revision than the one before."""
    world = World(made)
    lane = PlayedLane(world, MemoryDisk())
    for counts in turns:
        lane.turn(counts, now=NOW)
    lane.drain(now=NOW)

    revisions: dict[tuple[str, str], list[int]] = {}
    for outcome in world.outcomes:
        revisions.setdefault((outcome["request_id"], outcome["ident"]), []).append(outcome["revision"])
    for told in revisions.values():
        assert sorted(set(told)) == told


FAULTS = st.sampled_from(
    [
        "none",
        "aborted",
        "killed",
        "killed_unwritten",
        "disk_lost",
        "disk_lost_unwritten",
        "disk_lost_and_killed_again",
    ]
)


@settings(max_examples=300, deadline=None)
@given(
    logs(), st.lists(st.tuples(st.fixed_dictionaries({kind: st.integers(0, 3) for kind in INPUTS}), FAULTS), max_size=8)
)
def test_aborts_kills_and_lost_disks_change_nothing(made: Logs, turns: Sequence[tuple[Mapping[str, int], str]]) -> None:
    """Every outcome once, the same as without faults; every cohort once, in order."""
    calm = World(made)
    PlayedLane(calm, MemoryDisk()).drain(now=NOW)
    world = World(made)
    disk = MemoryDisk()
    lane = PlayedLane(world, disk)
    for counts, fault in turns:
        lane.turn(counts, now=NOW, commits=fault != "aborted", writes=not fault.endswith("unwritten"))
        if fault.startswith(("killed", "disk_lost")):
            disk = disk if fault.startswith("killed") else MemoryDisk()
            if fault.endswith("again"):
                PlayedLane(world, disk, steps_max=sum(counts.values()))
            lane = PlayedLane(world, disk)
    lane.drain(now=NOW)

    told = [(outcome["request_id"], outcome["ident"], outcome["revision"]) for outcome in world.outcomes]
    ids = [cohort.cohort_id for cohort in world.cohorts]
    assert final_outcomes(calm) == final_outcomes(world)
    assert len(set(told)) == len(told)
    assert len(set(ids)) == len(ids)
    assert sorted(cohort.start for cohort in world.cohorts) == [cohort.start for cohort in world.cohorts]
