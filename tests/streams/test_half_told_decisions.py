"""A controller that died while it wrote, where no transaction holds a decision's records together.

Whatever part of them has come to its topic, the next controller, which reads the input again, leaves
what one that lived on would have left.
"""

from collections.abc import Sequence
from itertools import chain, combinations
from pathlib import Path

import pytest

from runtime.batch import OutgoingRecords
from schemas.codec import EventCodec
from schemas.directory_registry import DirectoryRegistry
from schemas.events import DeploymentState, JournalEntry, ModelEvent
from schemas.topics import DEPLOYMENTS, JOURNAL, MODEL_EVENTS, TopicKind
from streams.rollout.journal import replay
from streams.rollout.memory import ControllerState, made_whole, restored_state
from tests.streams.test_controller_step import Controller

Topics = dict[str, list[bytes]]
RECORDS = ("journal", "deployments", "model-events", "model-events")
"""What activating a second version writes: that it was activated, and that the first was superseded."""
PARTS = list(chain.from_iterable(combinations(range(len(RECORDS)), count) for count in range(len(RECORDS) + 1)))


@pytest.mark.parametrize("part", PARTS, ids=lambda part: "+".join(RECORDS[each] for each in part) or "nothing")
def test_no_part_of_a_decision_is_lost_or_made_twice(tmp_path: Path, part: tuple[int, ...]) -> None:
    """One entry in the journal, the deployment in force, both events; and the same with more to decide after it."""
    written: Topics = {}
    first = controller(tmp_path, written)
    write(written, first.process(first.command("1", "a")).outgoing)
    first.step.committed()
    records = [*first.process(first.command("2", "b")).outgoing]
    assert tuple(each.topic for each in records) == RECORDS
    write(written, [records[each] for each in part])

    second = controller(tmp_path, written)
    write(written, second.step.take_announcements())
    write(written, second.process(second.command("2", "b"), second.command("1", "c")).outgoing)

    journal = [second.codec.decode(JournalEntry, value) for value in written["journal"]]
    events = {second.codec.decode(ModelEvent, value).event_id for value in written["model-events"]}
    states = [second.codec.decode(DeploymentState, value) for value in written["deployments"]]
    assert [(each.sequence, each.command_id, each.outcome) for each in journal] == [
        (0, "a", "accepted"),
        (1, "b", "accepted"),
        (2, "c", "accepted"),
    ]
    assert [each.faults for each in replay(journal)] == [()] * 3
    assert {f"{each}:Activated:{version}" for each, version in (("a", "1"), ("b", "2"), ("c", "1"))} <= events
    assert {"b:Superseded:1", "c:Superseded:2"} <= events
    assert sorted({each.revision for each in states}) == [1, 2, 3]
    assert [each.generation for each in states] == sorted(each.generation for each in states)
    assert states[-1].command_id == "c"


def controller(folder: Path, written: Topics) -> Controller:
    """One that begins with what has been written."""
    codec = EventCodec(DirectoryRegistry(folder / "schemas.sqlite"))

    def of(kind: TopicKind) -> Sequence[bytes]:
        return written.get(kind.name, ())

    def restore() -> ControllerState:
        entries = [codec.decode(JournalEntry, value) for value in of(JOURNAL)]
        states = [codec.decode(DeploymentState, value) for value in of(DEPLOYMENTS)]
        told = {codec.decode(ModelEvent, value).event_id for value in of(MODEL_EVENTS)}
        return made_whole(restored_state(states, entries), entries, told)

    return Controller(folder, restore)


def write(written: Topics, outgoing: Sequence[OutgoingRecords]) -> None:
    for records in outgoing:
        written.setdefault(records.topic, []).extend(records.values)
