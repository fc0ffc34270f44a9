"""Whatever people, automation and workers say in whatever order: only what is approved serves, and nothing barred."""

from dataclasses import dataclass, field, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from registry.approvals import Approval, Subject, approval_of, fault_of
from registry.lifecycle import TRANSITIONS, Standing, standing_of, were_active
from registry.statements import SignedStatement, Verdict, read_statement
from runtime.settings import PolicySettings
from schemas.events import Command, DeploymentState, ModelEvent, WithdrawnVersion
from schemas.issuers import automation
from streams.rollout.inputs import CommandInput, StatementFacts, VersionFacts
from streams.rollout.verdicts import Decision
from streams.rollout.versions import told
from tests.registry.people import People
from tests.streams.rollouts import DEFAULTS, MODEL, Model, command

VERSIONS = {"1": "validated", "2": "validated", "3": "validated", "4": "rejected", "5": "registered"}
REGISTRANT = "ann"
TRAINER = automation("trainer")


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> People:
    return People.of(tmp_path_factory.mktemp("people"), "ann", "bob", "carol", "mallory")


def bundle_of(version: str) -> str:
    return version * 64


@dataclass(slots=True)
class Governed:
    """One model with its shelf: facts come from signatures and a policy, as the controller's role has them."""

    people: People
    policy: PolicySettings
    model: Model = field(default_factory=Model)
    approvals: dict[str, list[SignedStatement]] = field(default_factory=dict)
    asked: int = 0

    def approval(self, version: str) -> Approval:
        return approval_of(self.subject(version), self.approvals.get(version, []), self.policy)

    def subject(self, version: str) -> Subject:
        return Subject(model=MODEL, version=version, bundle=bundle_of(version), registered_by=REGISTRANT)

    def facts(self, version: str) -> VersionFacts:
        shelf = VERSIONS.get(version)
        if shelf != "validated":
            return VersionFacts(state=shelf, failure="a check failed" if shelf == "rejected" else "")
        found = self.approval(version)
        return VersionFacts(
            state="approved" if found.approved else shelf,
            failure=found.lacking,
            bundle=bundle_of(version),
            unapproved="" if found.approved else "no person has approved it",
        )

    def statement_facts(self, order: Command) -> StatementFacts | None:
        if order.action not in {"approve", "reject"}:
            return None
        signed = read_statement({**order.arguments, "model": MODEL})
        version = signed.statement.version
        shelf = VERSIONS.get(version)
        fault = fault_of(self.subject(version), signed, self.policy)
        if fault or shelf != "validated":
            return StatementFacts(fault=fault or f"version {version} is {shelf}")
        others = [each for each in self.approvals.get(version, []) if each != signed]
        before = approval_of(self.subject(version), others, self.policy)
        after = before
        if signed.statement.verdict is Verdict.APPROVE:
            after = approval_of(self.subject(version), [*others, signed], self.policy)
        return StatementFacts(
            fault="",
            person=signed.statement.person,
            verdict=signed.statement.verdict.value,
            reason=signed.statement.reason,
            before="approved" if before.approved else "validated",
            after="approved" if after.approved else "validated",
            words=after.words,
        )

    def ask(self, action: str, by: str = "ann", **arguments: str) -> Decision:
        self.asked += 1
        order = replace(command(action, f"{action}-{self.asked}", **arguments), issued_by=by)
        event = CommandInput(
            command=order,
            facts={version: self.facts(version) for version in (*VERSIONS, "9")},
            defaults=DEFAULTS,
            statement=self.statement_facts(order),
        )
        decision = self.model.decide(event)
        if decision.approval is not None:
            signed = read_statement(decision.approval)
            self.approvals.setdefault(signed.statement.version, []).append(signed)
        return decision

    def say(self, verdict: Verdict, person: str, version: str) -> Decision:
        signed = self.people.sign(person, version, bundle_of(version), model=MODEL, verdict=verdict)
        return self.ask(verdict.value, person, **signed.as_texts())

    def standing(self, version: str) -> Standing:
        was_active = (MODEL, version) in were_active(self.model.events)
        state = VERSIONS[version]
        shelf = "approved" if state == "validated" and self.approval(version).approved else state
        return standing_of(shelf, self.model.state, version, was_active=was_active)


def test_a_version_is_approved_then_active(people: People) -> None:
    """Two signatures of which one is not the registrant's; before that it is refused, and told what is lacking."""
    governed = Governed(people, people.policy(2, "ann", "bob", "carol"))
    early = governed.ask("activate", version="1")
    first = governed.say(Verdict.APPROVE, "ann", "1")
    second = governed.say(Verdict.APPROVE, "bob", "1")
    activated = governed.ask("activate", version="1")

    assert early.reason == (
        "version 1 of flights can't serve: it has 0 of 2 approvals: `penstock models approve` adds one"
    )
    assert (first.reason, second.reason) == (
        "ann approves version 1: 1 approval, 2 required: ann",
        "bob approves version 1: 2 approvals, 2 required: ann, bob",
    )
    assert (early.outcome, first.outcome, second.outcome, activated.outcome) == (
        "refused",
        "accepted",
        "accepted",
        "accepted",
    )
    assert [(each.kind, each.issued_by) for each in governed.model.events] == [
        ("ApprovalGiven", "ann"),
        ("ApprovalGiven", "bob"),
        ("Approved", "bob"),
        ("Activated", "ann"),
    ]
    assert governed.standing("1") is Standing.ACTIVE


def test_the_same_statement_again_is_judged_as_the_first_time(people: People) -> None:
    """A controller that died after it wrote to the shelf decides the same, byte for byte."""
    governed = Governed(people, people.policy(1))
    before = governed.model.state
    decision = governed.say(Verdict.APPROVE, "bob", "1")
    again = Governed(people, people.policy(1), approvals=governed.approvals).say(Verdict.APPROVE, "bob", "1")

    assert again == decision
    assert [each.kind for each in decision.events] == ["ApprovalGiven", "Approved"]
    assert before == decision.state


def test_a_rejection_stands_until_its_author_approves(people: People) -> None:
    """Nobody else lifts it, not even by lifting a bar; what serves can't be rejected."""
    governed = Governed(people, people.policy(1))
    governed.say(Verdict.APPROVE, "bob", "1")
    governed.say(Verdict.APPROVE, "bob", "2")
    governed.ask("activate", version="1")
    serving = governed.say(Verdict.REJECT, "carol", "1")
    rejected = governed.say(Verdict.REJECT, "carol", "2")
    refusals = [
        governed.ask("activate", version="2"),
        governed.ask("unbar", version="2", reason="r"),
        governed.ask("bar", version="2", reason="r"),
        governed.say(Verdict.APPROVE, "bob", "2"),
        governed.say(Verdict.REJECT, "bob", "2"),
    ]
    standing = governed.standing("2")
    lifted = governed.say(Verdict.APPROVE, "carol", "2")

    assert "version 1 of flights serves" in serving.reason
    assert (rejected.outcome, standing) == ("accepted", Standing.REJECTED)
    assert {each.outcome for each in refusals} == {"refused"}
    assert all("rejected by carol (looks sound); only carol can approve it" in each.reason for each in refusals)
    assert [each.kind for each in lifted.events] == ["ApprovalGiven", "Approved"]
    assert governed.ask("activate", version="2").outcome == "accepted"


def test_a_statement_that_is_worth_nothing_changes_nothing(people: People) -> None:
    """By a stranger, of a version that was rejected, or without one."""
    governed = Governed(people, people.policy(1, "bob", "carol"))
    stranger = governed.say(Verdict.APPROVE, "mallory", "1")
    rejected = governed.say(Verdict.APPROVE, "bob", "4")
    swapped = governed.ask(
        "reject", "bob", **people.sign("bob", "1", bundle_of("1"), model=MODEL, verdict=Verdict.APPROVE).as_texts()
    )
    bare = governed.model.decide(CommandInput(command=command("approve", version="1"), facts={}, defaults=DEFAULTS))

    assert "mallory is no approver" in stranger.reason
    assert rejected.reason == "version 4 is rejected"
    assert swapped.reason == "the statement is to approve, and the command to reject"
    assert bare.reason == "approve needs a signed statement: `penstock models approve` makes one"
    assert (governed.approvals, governed.model.events, governed.model.state) == ({}, [], None)


def test_automation_lets_serve_only_what_a_person_approved(people: People) -> None:
    """Though the policy requires no approval of what people activate."""
    governed = Governed(people, people.policy(0))
    governed.ask("activate", version="1")
    governed.model.signal("version_loaded")
    refusals = [governed.ask(action, TRAINER, version="2") for action in ("activate", "start")]
    governed.say(Verdict.APPROVE, "bob", "2")

    assert {each.reason for each in refusals} == {
        "version 2 of flights is not for penstock:trainer to let serve: no person has approved it"
    }
    assert governed.ask("start", TRAINER, version="2").outcome == "accepted"


def test_a_failed_activation_does_not_go_back_to_what_was_barred_meanwhile(people: People) -> None:
    """The version that served before was barred while the new one was being loaded, and that one is refused."""
    governed = Governed(people, PolicySettings())
    governed.ask("activate", version="1")
    governed.model.signal("version_loaded")
    governed.ask("activate", version="2")
    barred = governed.ask("bar", version="1", reason="r")
    governed.model.signal("version_refused", version="2")
    state = governed.model.deployment

    assert barred.outcome == "accepted"
    assert not state.serves("1")
    assert state.rollout is not None
    assert state.rollout.phase == "Failed"


ACTIONS = ("activate", "start", "promote", "abort", "rollback", "bar", "unbar", "retire", "approve", "reject")
SIGNALS = ("version_loaded", "version_refused", "version_quarantined")
STEPS = st.one_of(
    st.tuples(st.sampled_from(ACTIONS), st.sampled_from([*VERSIONS, "9"]), st.sampled_from(["ann", "bob", TRAINER])),
    st.tuples(st.sampled_from(SIGNALS), st.sampled_from(["1", "2", "3"]), st.just("")),
    st.tuples(st.just("tick"), st.just("1"), st.just("")),
)


@settings(max_examples=200, deadline=None)
@given(steps=st.lists(STEPS, max_size=40), required=st.integers(0, 2))
def test_only_what_is_approved_serves_and_nothing_that_is_withdrawn(
    people: People, steps: list[tuple[str, str, str]], required: int
) -> None:
    """For any sequence: one active version at most, always one that may serve; every change is legal and told."""
    governed = Governed(people, people.policy(required, "ann", "bob", "carol"))
    model = governed.model
    for action, version, who in steps:
        before = {each: governed.standing(each) for each in VERSIONS}
        told = len(model.events)
        _take(governed, action, version, who)
        events = model.events[told:]
        after = {each: governed.standing(each) for each in VERSIONS}

        if model.state is not None:
            _assert_sound(governed, model.state)
        assert len([each for each in after.values() if each is Standing.ACTIVE]) <= 1
        for each in VERSIONS:
            if before[each] is not after[each]:
                _assert_legal(before[each], after[each], [event for event in events if _names(event, each)])
        assert all(event.issued_by and event.reason and event.occurred_at for event in events)


def _take(governed: Governed, action: str, version: str, who: str) -> None:
    if action in {"approve", "reject"}:
        governed.say(Verdict(action), "bob" if who == TRAINER else who, version)
    elif action in SIGNALS:
        if governed.model.state is not None:
            governed.model.signal(action, version=version)
    elif action == "tick":
        if governed.model.state is not None:
            governed.model.tick(61 * 60_000)
    elif action in {"abort", "rollback"}:
        governed.ask(action, who)
    else:
        governed.ask(action, who, version=version, reason="why")


def _assert_sound(governed: Governed, state: DeploymentState) -> None:
    withdrawn = {each.version for each in state.withdrawn}
    assert not withdrawn & {each.version for each in state.versions}
    assert not withdrawn & {each.version for each in state.standby}
    assert state.previous_version not in withdrawn
    assert len(withdrawn) == len(state.withdrawn)
    for served in state.versions:
        assert VERSIONS[served.version] == "validated"
        assert governed.approval(served.version).lacking == ""


def _assert_legal(before: Standing, after: Standing, events: list[ModelEvent]) -> None:
    legal = {each.event for each in TRANSITIONS if each.after is after and before in each.before}
    assert legal & {event.kind for event in events}, (before, after, events)


def _names(event: ModelEvent, version: str) -> bool:
    return version in {name for names in (event.version, event.previous_version) if names for name in names.split(",")}


def test_what_is_withdrawn_is_told_with_its_remedy() -> None:
    """Each kind has another way back, or none."""
    words = [
        told(WithdrawnVersion(version="1", state=state, reason="r", issued_by="carol", decided_at=1))
        for state in ("barred", "rejected", "retired")
    ]

    assert words == [
        "was barred by carol (r); `penstock models unbar` lifts it",
        "was rejected by carol (r); only carol can approve it after all",
        "was retired by carol (r), which is for good",
    ]
