"""Who may approve, how many it takes, and that only signatures count."""

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from registry.approvals import Subject, approval_of
from registry.statements import SignedStatement, Verdict
from runtime.settings import PolicySettings
from tests.registry.people import People

BUNDLE = "b" * 64
SUBJECT = Subject(model="late", version="2", bundle=BUNDLE, registered_by="ann")


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> People:
    return People.of(tmp_path_factory.mktemp("people"), "ann", "bob", "carol", "mallory")


def yes(people: People, *names: str) -> list[SignedStatement]:
    return [people.sign(name, "2", BUNDLE) for name in names]


def test_nothing_is_lacking_where_nothing_is_required(people: People) -> None:
    """A validated version may serve; somebody's approval makes it approved all the same."""
    without = approval_of(SUBJECT, [], PolicySettings())
    approved = approval_of(SUBJECT, yes(people, "bob"), people.policy(0))

    assert (without.lacking, without.approved) == ("", False)
    assert (approved.lacking, approved.approved) == ("", True)


def test_as_many_as_the_policy_wants(people: People) -> None:
    """One of two is told with whose it is; twice by one person is one."""
    one = approval_of(SUBJECT, yes(people, "bob", "bob"), people.policy(2))
    two = approval_of(SUBJECT, yes(people, "bob", "carol"), people.policy(2))

    assert one.lacking == "it has 1 of 2 approvals, by bob: `penstock models approve` adds one"
    assert (one.approved, two.approved, two.lacking) == (False, True, "")
    assert two.words == "2 approvals, 2 required: bob, carol"


def test_who_registered_it_does_not_approve_alone(people: People) -> None:
    """With another one, or where the policy allows it, the registrant's approval counts."""
    alone = approval_of(SUBJECT, yes(people, "ann"), people.policy(1))
    together = approval_of(SUBJECT, yes(people, "ann", "bob"), people.policy(2))
    allowed = approval_of(SUBJECT, yes(people, "ann"), people.policy(1, registrant_may_approve_alone=True))
    unasked = approval_of(SUBJECT, yes(people, "ann"), people.policy(0))

    assert alone.lacking == "ann registered it and can't approve it alone: somebody else has to as well"
    assert (alone.approved, together.approved, allowed.approved) == (False, True, True)
    assert (unasked.approved, unasked.lacking) == (False, "")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"model": "other"}, "is about version 2 of other"),
        ({"version": "3"}, "is about version 3 of late"),
        ({"bundle": "c" * 64}, "is about another bundle, cccccccccccccccc..."),
        ({"reason": "changed"}, "the signature is not by a key that policy.approvers has for bob"),
        ({"decided_at": 5}, "the signature is not by a key"),
        ({"person": "carol"}, "the signature is not by a key that policy.approvers has for carol"),
        ({"person": "dave"}, "dave is no approver: policy.approvers names ann, bob, carol, mallory"),
        ({"verdict": Verdict.REJECT}, "the signature is not by a key"),
    ],
)
def test_a_statement_that_was_changed_does_not_count(people: People, change: dict[str, object], words: str) -> None:
    """Nothing in it can be changed; what is wrong is told beside what is lacking."""
    (signed,) = yes(people, "bob")
    forged = replace(signed, statement=replace(signed.statement, **change))  # type: ignore[arg-type]  # fields by name

    found = approval_of(SUBJECT, [forged], people.policy(1))

    assert (found.approved, found.approved_by) == (False, ())
    assert words in found.ignored[0]
    assert "1 statement(s) do not count" in found.lacking


def test_a_signature_by_somebody_else_does_not_count(people: People) -> None:
    """Mallory may sign what she likes in bob's name."""
    statement = replace(people.sign("mallory", "2", BUNDLE).statement, person="bob")
    forged = statement.signed(people.keys["mallory"])

    assert not approval_of(SUBJECT, [forged], people.policy(1, "bob", "carol")).approved


def test_a_rejection_is_no_approval(people: People) -> None:
    """Even signed and in the place of approvals."""
    signed = people.sign("bob", "2", BUNDLE, verdict=Verdict.REJECT)

    assert approval_of(SUBJECT, [signed], people.policy(1)).ignored == ("the statement of bob is no approval",)


def test_a_person_may_have_an_old_key_and_a_new_one(people: People) -> None:
    """What was signed with the old key goes on counting until it is taken out of the settings."""
    new, old = people.keys["carol"].public_key, people.keys["bob"].public_key
    rotating = PolicySettings(approvals_required=1, approvers={"bob": (new, old)})
    rotated = PolicySettings(approvals_required=1, approvers={"bob": (new,)})

    assert approval_of(SUBJECT, yes(people, "bob"), rotating).approved
    assert not approval_of(SUBJECT, yes(people, "bob"), rotated).approved


@settings(deadline=None)
@given(st.lists(st.sampled_from(["ann", "bob", "carol", "mallory"]), max_size=8), st.integers(0, 3))
def test_approved_means_enough_people_of_whom_one_did_not_register_it(
    people: People, signers: list[str], required: int
) -> None:
    """For any statements in any order, by approvers and by others."""
    found = approval_of(SUBJECT, yes(people, *signers), people.policy(required, "ann", "bob", "carol"))
    counting = set(signers) - {"mallory"}

    assert set(found.approved_by) == counting
    assert found.approved is (len(counting) >= max(required, 1) and counting != {"ann"})
    assert (found.lacking == "") is (required == 0 or found.approved)


def test_a_policy_that_can_not_be_met_is_refused(people: People) -> None:
    """More approvals than approvers, two people with one key, and what is no key."""
    key = people.keys["ann"].public_key

    with pytest.raises(ValidationError, match="approvals_required is 2 and approvers names 1: name as many"):
        PolicySettings(approvals_required=2, approvers={"ann": (key,)})
    with pytest.raises(ValidationError, match="is there twice: each person needs a key of their own"):
        PolicySettings(approvers={"ann": (key,), "bob": (key,)})
    for wrong in ("", "AAAA", key[:-1], f"{key}\n", key.replace("=", "")):
        with pytest.raises(ValidationError, match="an approver's key is the base64 of 32 bytes"):
            PolicySettings(approvers={"ann": (wrong,)})
    with pytest.raises(ValidationError, match="pattern"):
        PolicySettings(approvers={"penstock:trainer": (key,)})


def test_settings_of_a_deployment_hold_keys(tmp_path: Path, people: People) -> None:
    """As an operator writes them in TOML."""
    from runtime.settings import load_settings  # noqa: PLC0415  beside its use

    key = people.keys["ann"].public_key
    path = tmp_path / "penstock.toml"
    path.write_text(f'[policy]\napprovals_required = 1\n[policy.approvers]\nann = ["{key}"]\n')

    assert load_settings(path).policy.approvers == {"ann": (key,)}
