"""What the controller decides, as examples and as properties."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from schemas.events import BucketRange, Command, DeploymentState
from streams.rollout.decisions import BUCKETS, VersionFacts, decide

VALIDATED = VersionFacts(state="validated", bundle="ab" * 32, request_schema_id=3, prediction_schema_id=4)


def command(action: str = "activate", command_id: str = "c1", **arguments: str) -> Command:
    return Command(
        command_id=command_id, model="flights", action=action, arguments=arguments, issued_by="ann", issued_at=1
    )


def activated(version: str, state: DeploymentState | None = None) -> DeploymentState:
    after = decide(state, command(version=version, command_id=f"activate-{version}"), VALIDATED, 5).state
    assert after is not None
    return after


def test_activating_a_validated_version_makes_it_serve_every_bucket() -> None:
    """One version serves all and the schemas of its registration come with it."""
    decision = decide(None, command(version="1"), VALIDATED, 5)

    assert decision.outcome == "accepted"
    assert decision.state is not None
    assert decision.state.generation == 1
    assert [served.version for served in decision.state.versions] == ["1"]
    assert decision.state.versions[0].buckets == (BucketRange(start=0, end=BUCKETS),)
    assert (decision.state.request_schema_id, decision.state.prediction_schema_id) == (3, 4)
    assert [event.kind for event in decision.events] == ["Activated"]


def test_a_second_activation_remembers_the_first_as_previous() -> None:
    """A rollback knows where to go back to."""
    state = activated("2", activated("1"))

    assert state.generation == 2
    assert state.previous_version == "1"


def test_activating_what_serves_changes_nothing() -> None:
    """A repeated activation is accepted and leaves the state as it was."""
    state = activated("1")

    decision = decide(state, command(version="1", command_id="again"), VALIDATED, 9)

    assert decision.outcome == "accepted"
    assert decision.state == state
    assert decision.events == ()


def test_a_version_that_validation_has_not_passed_is_refused_with_the_reason() -> None:
    """What is registered or rejected can't become active."""
    for facts in (
        VersionFacts(state="registered"),
        VersionFacts(state="rejected", failure="golden vectors differ"),
        VersionFacts(state=None),
    ):
        decision = decide(None, command(version="7"), facts, 5)

        assert decision.outcome == "refused"
        assert decision.state is None
        assert "7" in decision.reason
        assert facts.failure in decision.reason


def test_unknown_actions_and_missing_arguments_are_refused_with_the_remedy() -> None:
    """A refusal names what was asked and what there is."""
    assert "activate" in decide(None, command("explode"), VALIDATED, 5).reason
    assert "version" in decide(None, command("activate"), VALIDATED, 5).reason
    assert "offset_next" in decide(activated("1"), command("accept_loss", topic="t"), VALIDATED, 5).reason


def test_a_probe_is_answered_and_changes_nothing() -> None:
    """The doctor asks whether the controller decides at all."""
    decision = decide(activated("1"), command("probe"), VersionFacts(state=None), 7)

    assert (decision.outcome, decision.state, decision.events) == ("accepted", activated("1"), ())


def test_the_newest_accepted_loss_of_a_partition_replaces_the_one_before() -> None:
    """One word per partition is kept."""
    state = activated("1")
    for offset in ("10", "25"):
        after = decide(
            state, command("accept_loss", topic="t", partition="2", offset_next=offset), VersionFacts(state=None), 6
        ).state
        assert after is not None
        state = after

    assert [(loss.partition, loss.offset_next) for loss in state.accepted_losses] == [(2, 25)]
    assert state.versions == activated("1").versions


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["activate", "accept_loss", "nonsense"]),
            st.sampled_from(["1", "2", "3"]),
            st.sampled_from(["validated", "registered", "rejected", "approved"]),
        ),
        max_size=30,
    )
)
def test_only_servable_versions_ever_serve_and_generations_only_grow(steps: list[tuple[str, str, str]]) -> None:
    """For any sequence of commands: one active version at most, always one that validation passed."""
    state = None
    for number, (action, version, shelf_state) in enumerate(steps):
        facts = replace(VALIDATED, state=shelf_state)
        before = state
        decision = decide(state, command(action, command_id=str(number), version=version), facts, number)
        state = decision.state

        if state is not None and state != before:
            assert shelf_state in {"validated", "approved"}
            assert len(state.versions) == 1
            assert state.generation == (before.generation + 1 if before else 1)
        assert decide(before, command(action, command_id=str(number), version=version), facts, number) == decision
