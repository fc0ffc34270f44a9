"""A candidate goes on to a canary by itself: asked for once for each thing that may have changed the answer."""

from dataclasses import dataclass, field

import pytest

from consumers.trainer.canaries import Canaries
from consumers.trainer.canary_desk import CanaryDesk
from runtime.clock import FixedClock
from schemas.events import ModelEvent

COOL_DOWN_MS = 60_000


def event(kind: str, version: str | None = "2", *, event_id: str = "", model: str = "m", at: int = 0) -> ModelEvent:
    return ModelEvent(
        event_id=event_id or f"{kind}:{version}",
        model=model,
        kind=kind,
        version=version,
        previous_version=None,
        reason="because",
        caused_by="",
        occurred_at=at,
    )


TRAINED = event("Trained", event_id="asked:Trained")


def due(*events: ModelEvent, now: int = 0) -> list[tuple[str, str]]:
    """Version and command of what is to be asked for after these events."""
    canaries = Canaries(cool_down_ms=COOL_DOWN_MS)
    for each in events:
        canaries = canaries.after(each)
    return [(candidate.version, candidate.command_id) for candidate in canaries.due(now)]


def test_a_candidate_is_asked_for_when_it_is_trained() -> None:
    """The command's id follows from the event, so that a trainer that starts again asks for the same."""
    assert due() == []
    assert due(event("TrainingFailed", None)) == []
    assert due(TRAINED) == [("2", "asked:Trained:canary")]


def test_the_newest_candidate_of_each_model_counts() -> None:
    """One that was trained later takes the place of one that waits; models do not mix."""
    later, other = event("Trained", "3", event_id="later"), event("Trained", "7", event_id="other", model="n")

    assert due(TRAINED, other, later) == [("3", "later:canary"), ("7", "other:canary")]


@pytest.mark.parametrize("kind", ["RolloutStarted", "Activated", "Promoted", "Rejected", "Barred", "Retired"])
def test_what_was_tried_or_is_out_is_not_asked_for(kind: str) -> None:
    """By whomever: a candidate that has begun a rollout, or that somebody took out, is done with."""
    assert due(TRAINED, event(kind)) == []
    assert due(TRAINED, event(kind), event("Approved")) == []


@pytest.mark.parametrize("kind", ["RolloutStarted", "Activated", "Approved", "Rejected", "Barred"])
def test_what_happens_to_others_changes_nothing(kind: str) -> None:
    """Neither another version nor another model gives reason to ask again."""
    assert due(TRAINED, event(kind, "9")) == [("2", "asked:Trained:canary")]
    assert due(TRAINED, event(kind, "2", model="n")) == [("2", "asked:Trained:canary")]


@pytest.mark.parametrize("kind", ["Approved", "Unbarred"])
def test_an_approval_gives_reason_to_ask_again(kind: str) -> None:
    """What was refused before may be allowed now, and is another command."""
    assert due(TRAINED, event(kind)) == [("2", f"{kind}:2:canary")]


def test_the_end_of_another_rollout_gives_reason_to_ask_again() -> None:
    """After a rollback only when things have cooled down."""
    promoted = due(TRAINED, event("Promoted", "1"))
    rolled_back = [TRAINED, event("RolledBack", "1", at=1_000)]

    assert promoted == [("2", "Promoted:1:canary")]
    assert due(*rolled_back, now=COOL_DOWN_MS) == []
    assert due(*rolled_back, now=COOL_DOWN_MS + 1_000) == [("2", "RolledBack:1:canary")]


def test_several_versions_in_one_rollout() -> None:
    """A comparison of several names them all."""
    assert due(TRAINED, event("RolloutStarted", "3,2")) == []


def test_a_veto_holds_for_what_waits() -> None:
    """Whoever vetoes retrains does not want their candidates to go on either."""
    assert due(TRAINED, event("RetrainVetoed", None)) == []


@dataclass
class CommandsInMemory:
    """The way to the controller, with what was sent."""

    sent: list[tuple[str, str, str, dict[str, str], str]] = field(default_factory=list)

    def send(self, action: str, model: str, *, arguments: dict[str, str], command_id: str, issued_by: str) -> None:
        self.sent.append((action, model, command_id, arguments, issued_by))


def test_each_reason_is_one_command() -> None:
    """Asking again and again sends once; the command says what caused it and how wide the steps are."""
    commands, clock = CommandsInMemory(), FixedClock(5)
    desk = CanaryDesk(commands, steps="20%,50%", cool_down_ms=COOL_DOWN_MS, clock=clock)

    desk.ask()
    desk.take(TRAINED)
    desk.ask()
    desk.ask()
    desk.take(event("Approved"))
    desk.ask()
    desk.take(event("RolloutStarted"))
    desk.ask()

    arguments = {"version": "2", "strategy": "canary", "cause": "asked:Trained", "steps": "20%,50%"}
    assert commands.sent == [
        ("start", "m", "asked:Trained:canary", arguments, "penstock:trainer"),
        ("start", "m", "Approved:2:canary", {**arguments, "cause": "Approved:2"}, "penstock:trainer"),
    ]
