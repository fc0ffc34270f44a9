"""Which retrains are open follows from the events alone."""

from hypothesis import given
from hypothesis import strategies as st

from consumers.trainer.requests import Requests, RetrainRequest
from schemas.events import ModelEvent


def event(kind: str, event_id: str, *, caused_by: str = "", model: str = "m", details: str = "{}") -> ModelEvent:
    return ModelEvent(
        event_id=event_id,
        model=model,
        kind=kind,
        version="1",
        previous_version=None,
        reason="because",
        caused_by=caused_by,
        occurred_at=7,
        details=details,
    )


def asked(event_id: str, **more: str) -> ModelEvent:
    return event("RetrainRequested", event_id, **more)


def opened(*events: ModelEvent) -> list[str]:
    requests = Requests()
    for each in events:
        requests = requests.after(each)
    return list(requests.open)


def test_a_request_is_open_until_it_is_answered() -> None:
    """A Trained or a TrainingFailed that names it closes it, and it alone."""
    assert opened(asked("a"), asked("b")) == ["a", "b"]
    assert opened(asked("a"), asked("b"), event("Trained", "a:Trained", caused_by="a")) == ["b"]
    assert opened(asked("a"), asked("b"), event("TrainingFailed", "b:TrainingFailed", caused_by="b")) == ["a"]


def test_a_request_that_comes_again_changes_nothing() -> None:
    """Delivered twice, before or after its answer, it is one request."""
    answered = event("Trained", "a:Trained", caused_by="a")

    assert opened(asked("a"), asked("a")) == ["a"]
    assert opened(asked("a"), answered, asked("a")) == []
    assert opened(asked("a"), answered, answered) == []


def test_a_veto_takes_back_what_is_open_of_its_model() -> None:
    """What was asked for before the veto is closed; what is asked for later is open, and other models go on."""
    veto = event("RetrainVetoed", "v")

    assert opened(asked("a"), asked("other", model="n"), veto, asked("b")) == ["other", "b"]
    assert opened(asked("a"), veto, asked("a")) == []


def test_other_events_are_nothing_to_the_trainer() -> None:
    """Activations and promotions change nothing."""
    assert opened(event("Activated", "x"), asked("a"), event("Promoted", "y", caused_by="a")) == ["a"]


def test_what_a_request_says() -> None:
    """The version that serves, since when to learn, and when it was asked for."""
    assert RetrainRequest.of(asked("a", details='{"since":1364774400000}')) == RetrainRequest(
        event_id="a", model="m", version="1", since=1364774400000, requested_at=7
    )


@given(st.one_of(st.text(), st.sampled_from(["[]", "null", "3", '{"since":null}', '{"since":"x"}', '{"since":true}'])))
def test_details_of_any_kind_are_no_reason_to_fail(details: str) -> None:
    """Whoever wrote the event, a `since` that is no number counts as not given."""
    assert RetrainRequest.of(asked("a", details=details)).since is None
