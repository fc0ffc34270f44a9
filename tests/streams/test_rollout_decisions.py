"""What the controller decides, as examples and as properties."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from schemas.events import BucketRange, Command, DeploymentState, ModelEvent
from schemas.issuers import automation
from streams.rollout.allocation import BUCKETS
from streams.rollout.decisions import decide as decide_input
from streams.rollout.inputs import VersionFacts
from streams.rollout.verdicts import Decision
from tests.streams.rollouts import VALIDATED, asked, command


def decide(state: DeploymentState | None, order: Command, facts: VersionFacts, now: int) -> Decision:
    """One command, with the same facts for every version."""
    return decide_input(state, asked(order, facts), now)


def activated(version: str, state: DeploymentState | None = None) -> DeploymentState:
    after = decide(state, command(version=version, command_id=f"activate-{version}"), VALIDATED, 5).state
    assert after is not None
    return after


UNBAR, UNBAR_1 = (command("unbar", f"u{version}", version=version, reason="mended") for version in ("2", "1"))


def accepted(state: DeploymentState | None, order: Command) -> DeploymentState:
    decision = decide(state, order, VALIDATED, 6)
    assert (decision.outcome, decision.state is None) == ("accepted", False), decision.reason
    assert decision.state is not None
    return decision.state


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
            st.sampled_from(["activate", "bar", "unbar", "retire", "accept_loss", "nonsense"]),
            st.sampled_from(["1", "2", "3"]),
            st.sampled_from(["validated", "registered", "rejected", "approved"]),
            st.sampled_from(["ann", automation("monitor")]),
        ),
        max_size=30,
    )
)
def test_only_servable_versions_ever_serve_and_generations_only_grow(steps: list[tuple[str, str, str, str]]) -> None:
    """For any sequence of commands: one active version at most, which validation passed and nobody withdrew."""
    state = None
    for number, (action, version, shelf_state, who) in enumerate(steps):
        facts = replace(VALIDATED, state=shelf_state)
        order = replace(command(action, str(number), version=version, reason="why"), issued_by=who)
        before = state
        decision = decide(state, order, facts, number)
        state = decision.state

        if state is not None and state != before:
            assert len(state.versions) <= 1
            assert state.generation == (before.generation + 1 if before else 1)
            assert not any(state.serves(each.version) for each in state.withdrawn)
            assert state.previous_version not in {each.version for each in state.withdrawn}
            assert len({each.version for each in state.withdrawn}) == len(state.withdrawn)
        if state is not None and state.versions != (before.versions if before else ()):
            assert action == "activate"
            assert shelf_state in {"validated", "approved"}
        assert decide(before, order, facts, number) == decision


def test_a_barred_version_serves_by_no_path_until_a_person_lifts_it() -> None:
    """Activating names who barred it and why; automation can't lift it; lifted, it may serve again."""
    barred = accepted(activated("1"), command("bar", "b", version="2", reason="wrong for freight"))
    refused = decide(barred, command(version="2"), VALIDATED, 7)
    automatic = decide(barred, replace(UNBAR, issued_by=automation("monitor")), VALIDATED, 8)
    lifted = accepted(barred, UNBAR)

    assert "was barred by ann (wrong for freight); `penstock models unbar` lifts it" in refused.reason
    assert (refused.outcome, refused.state) == ("refused", barred)
    assert automatic.reason == "penstock:monitor can't lift a bar: only a person may"
    assert lifted.withdrawn == ()
    assert decide(lifted, command(version="2", command_id="again"), VALIDATED, 9).outcome == "accepted"


def test_what_serves_can_not_be_withdrawn_and_nothing_goes_back_to_what_was() -> None:
    """The version to fall back to is forgotten with its withdrawal."""
    state = activated("2", activated("1"))
    serving = decide(state, command("bar", version="2", reason="bad"), VALIDATED, 6)
    without_previous = accepted(state, command("retire", "r", version="1", reason="old"))

    assert serving.reason == "version 2 of flights serves: activate another version first"
    assert without_previous.previous_version is None
    assert without_previous.withdrawal_of("1") is not None
    assert without_previous.versions == state.versions


def test_a_version_of_a_model_that_nothing_serves_can_be_barred() -> None:
    """The deployment that says so serves nobody, and keeps its word when another version is activated."""
    barred = accepted(None, command("bar", "b", version="1", reason="bad"))
    state = activated("2", barred)

    assert (barred.generation, barred.versions, barred.request_schema_id) == (1, (), 3)
    assert (state.generation, state.previous_version) == (2, None)
    assert state.withdrawal_of("1") == barred.withdrawn[0]


def test_retirement_is_for_good() -> None:
    """A retired version can't be barred, lifted or activated; a barred one can still be retired."""
    barred = accepted(activated("1"), command("bar", "b", version="2", reason="bad"))
    retired = accepted(barred, command("retire", "r", version="2", reason="old"))
    again = decide(retired, command("retire", "r2", version="2", reason="older"), VALIDATED, 6)

    assert [(each.version, each.state) for each in retired.withdrawn] == [("2", "retired")]
    assert (again.outcome, again.state, again.events) == ("accepted", retired, ())
    for action in ("bar", "unbar", "activate"):
        decision = decide(retired, command(action, "x", version="2", reason="why"), VALIDATED, 7)
        assert (decision.outcome, decision.state) == ("refused", retired)
        assert "was retired by ann (old), which is for good" in decision.reason


def test_withdrawals_of_nothing_are_refused_with_the_remedy() -> None:
    """Without a version, without a reason, of a version that is not there, or not barred."""
    unknown = VersionFacts(state=None)

    assert decide(None, command("bar", version="2"), VALIDATED, 5).reason.startswith("bar needs the arguments")
    assert "penstock models list" in decide(None, command("retire", version="9", reason="r"), unknown, 5).reason
    assert decide(None, UNBAR, VALIDATED, 5).reason == "version 2 of flights is not barred"


def test_every_change_of_a_version_is_an_event_with_who_and_why() -> None:
    """The one that took over and the one that was superseded; the barred and the lifted."""
    state = activated("1")
    happened: list[ModelEvent] = []
    for order in (command("activate", "a", version="2"), command("bar", "b", version="1", reason="bad"), UNBAR_1):
        decision = decide(state, order, VALIDATED, 7)
        assert decision.state is not None
        state = decision.state
        happened += decision.events

    assert [(event.kind, event.version, event.issued_by, event.occurred_at) for event in happened] == [
        ("Activated", "2", "ann", 7),
        ("Superseded", "1", "ann", 7),
        ("Barred", "1", "ann", 7),
        ("Unbarred", "1", "ann", 7),
    ]
    assert [event.reason for event in happened[1:]] == ["version 2 serves in its place", "bad", "mended"]
    assert len({event.event_id for event in happened}) == 4
