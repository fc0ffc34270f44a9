"""A model's timeline: each thing under what led to it, the same out of each kind of store."""

from dataclasses import replace
from pathlib import Path

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumers.documents import command_document, journal_document, model_event_document, signal_document
from consumers.timeline import Moment, Step, linked, trees
from consumers.timeline_reading import timeline
from schemas.events import Command, JournalEntry, ModelEvent, Signal
from tests.consumers.stored import APRIL, BOTH, both_stores

MINUTE = 60_000


def moment(kind: str, minute: int, *, caused_by: str = "", versions: str = "2", moment_id: str = "") -> Moment:
    return Moment(
        id=moment_id or kind,
        at=minute * MINUTE,
        kind=kind,
        versions=tuple(versions.split(",")),
        who="",
        words="",
        caused_by=caused_by,
    )


CHAIN = [
    moment("drift", 0, versions="1"),
    moment("RetrainRequested", 1, versions="1", caused_by="drift"),
    moment("Registered", 2, caused_by="bundle"),
    moment("Trained", 2, caused_by="RetrainRequested"),
    moment("Refused", 3, caused_by="Trained:canary"),
    moment("ApprovalGiven", 4, caused_by="c1"),
    moment("Approved", 4, caused_by="c1"),
    moment("RolloutStarted", 5, caused_by="Approved:canary"),
    moment("Widened", 6, caused_by="time:m:7"),
    moment("Promoted", 7, caused_by="cohort-9"),
    moment("Superseded", 7, versions="1", caused_by="cohort-9"),
]
CAUSES = {"Trained:canary": "Trained", "Approved:canary": "Approved", "c1": ""}
TREE: dict[str, object] = {
    "drift": {
        "RetrainRequested": {
            "Registered": {},
            "Trained": {
                "Refused": {},
                "ApprovalGiven": {},
                "Approved": {"RolloutStarted": {"Widened": {}, "Promoted": {"Superseded": {}}}},
            },
        }
    }
}


def shape(steps: tuple[Step, ...]) -> dict[str, object]:
    return {step.moment.kind: shape(step.followed_by) for step in steps}


def test_the_chain_from_drift_to_promotion() -> None:
    """A person's approval comes under the candidate, the canary under the approval, its end under the canary."""
    assert shape(trees(linked(CHAIN, CAUSES))) == TREE


@given(order=st.permutations(CHAIN))
def test_a_signal_that_was_told_again_stays_above_what_it_led_to(order: list[Moment]) -> None:
    """The store has when it was told last, complete; the retrain was asked for by then."""
    again = [replace(each, at=9 * MINUTE) if each.kind == "drift" else each for each in order]
    found = linked(again, CAUSES)

    assert shape(trees(found)) == TREE
    assert (found[0].kind, found[0].at) == ("drift", MINUTE)


@given(order=st.permutations(CHAIN))
def test_the_order_in_which_things_are_read_changes_nothing(order: list[Moment]) -> None:
    """Whatever the store's order, the chain is the same."""
    assert shape(trees(linked(order, CAUSES))) == TREE


def test_what_nothing_led_to_stands_alone() -> None:
    """A person's activation, an alarm without effect, a rollout of a version that nobody trained here."""
    apart = [moment("Activated", 0, caused_by="c1"), moment("drift", 1), moment("RolloutStarted", 2, caused_by="c2")]

    assert [len(step.followed_by) for step in trees(linked(apart, {}))] == [0, 0, 0]


def test_what_a_person_registered_and_what_came_of_it() -> None:
    """Nobody asked for it, so it begins a chain of its own."""
    added = [moment("Registered", 0, caused_by="bundle"), moment("Validated", 1, caused_by="bundle")]

    assert shape(trees(linked(added, {}))) == {"Registered": {"Validated": {}}}


def test_what_is_taken_back_is_under_the_alarm() -> None:
    """Automation that goes back and bars is one decision on one alarm."""
    found = linked(
        [
            moment("performance", 0),
            moment("Barred", 1, caused_by="performance"),
            moment("RolledBack", 1, versions="1", caused_by="performance"),
        ],
        {},
    )

    assert shape(trees(found)) == {"performance": {"RolledBack": {"Barred": {}}}}


def test_nothing_leads_to_itself() -> None:
    """An event that names itself as its cause is led to by nothing."""
    (alone,) = linked([moment("Activated", 0, caused_by="Activated")], {})

    assert alone.led_by == ""


def event(
    kind: str, minute: int, *, caused_by: str, version: str = "2", who: str = "penstock:controller"
) -> ModelEvent:
    return ModelEvent(
        event_id=f"{kind}:{minute}",
        model="flights",
        kind=kind,
        version=version,
        previous_version=None,
        reason=f"{kind} for a reason",
        caused_by=caused_by,
        occurred_at=APRIL + minute * MINUTE,
        issued_by=who,
    )


def command(command_id: str, *, who: str, cause: str | None = None) -> Command:
    arguments = {"version": "2"} if cause is None else {"version": "2", "cause": cause}
    return Command(
        command_id=command_id, model="flights", action="start", arguments=arguments, issued_by=who, issued_at=APRIL
    )


def entry(sequence: int, command_id: str, outcome: str) -> JournalEntry:
    return JournalEntry(
        model="flights",
        sequence=sequence,
        command_id=command_id,
        input="{}",
        now=APRIL + 3 * MINUTE,
        state_before=None,
        state_after=None,
        actions=(),
        outcome=outcome,
        reason="it needs approval",
    )


@pytest.mark.parametrize("kind", BOTH)
def test_out_of_the_store(kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    """Alarms, events and what automation asked for in vain; not what people were refused, nor other models."""
    alarm = Signal(
        signal_id="s1",
        model="flights",
        kind="drift",
        message="dep_delay (scale)",
        evidence=orjson.dumps({"version": "1"}).decode(),
        raised_at=APRIL,
    )
    events = [
        event("RetrainRequested", 1, caused_by="s1", version="1"),
        event("Trained", 2, caused_by="RetrainRequested:1", who="penstock:trainer"),
        event("RolloutStarted", 4, caused_by="c2", who="penstock:trainer"),
    ]
    sink, store, let_be_found = both_stores(kind, request, tmp_path)
    sink.setup()
    rejected = sink.write(
        [
            signal_document(alarm),
            signal_document(replace(alarm, signal_id="s2", kind="version_loaded")),
            signal_document(replace(alarm, signal_id="s3", model="others")),
            *map(model_event_document, events),
            command_document(command("c1", who="penstock:trainer", cause="Trained:2")),
            command_document(command("c2", who="penstock:trainer", cause="Trained:2")),
            command_document(command("c3", who="ann")),
            journal_document(entry(0, "c1", "refused")),
            journal_document(entry(1, "c2", "accepted")),
            journal_document(entry(2, "c3", "refused")),
        ]
    )
    sink.close()
    let_be_found()
    found = timeline(store, "flights")

    assert rejected == []
    assert [(each.kind, each.led_by) for each in found] == [
        ("drift", ""),
        ("RetrainRequested", "s1"),
        ("Trained", "RetrainRequested:1"),
        ("Refused", "Trained:2"),
        ("RolloutStarted", "Trained:2"),
    ]
    assert found[0] == Moment(
        id="s1", at=APRIL, kind="drift", versions=("1",), who="", words="dep_delay (scale)", caused_by=""
    )
    assert (found[3].who, found[3].words) == ("penstock:trainer", "it needs approval")
    assert timeline(store, "unknown") == []
