"""A worker opens what enough people signed, and nothing else, whatever is written in the catalogue."""

import sqlite3
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from registry.catalogue import VersionRecord
from registry.errors import BundleRefusedError
from registry.shelf import Shelf
from registry.statements import SignedStatement
from registry.vouching import Voucher
from runtime.settings import PolicySettings
from schemas.directory_registry import DirectoryRegistry
from tests.registry.people import People
from tests.registry.samples import flights, late_model

Opening = Callable[[PolicySettings], Shelf]


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> People:
    return People.of(tmp_path_factory.mktemp("people"), "ann", "bob", "carol", "mallory")


@pytest.fixture
def worker(tmp_path: Path) -> Opening:
    """A shelf with a cache, as a worker under that policy has it."""

    def opened(policy: PolicySettings) -> Shelf:
        schemas = DirectoryRegistry(tmp_path / "schemas.sqlite")
        return Shelf(tmp_path / "registry", schemas=schemas, cache=tmp_path / "cache", policy=policy)

    return opened


@pytest.fixture
def record(worker: Opening) -> VersionRecord:
    return worker(PolicySettings()).add("late", late_model(), flights(), registered_by="ann")


def refusal(shelf: Shelf, record: VersionRecord) -> str:
    with pytest.raises(BundleRefusedError) as refused:
        shelf.open(record.name, record.version, bundle=record.bundle)
    assert refused.value.check == "approvals", refused.value
    return refused.value.detail


def approve(tmp_path: Path, *signed: SignedStatement) -> None:
    """Rows in the catalogue, as the controller or anyone who can write there would insert them."""
    with sqlite3.connect(tmp_path / "registry" / "catalogue.sqlite") as connection:
        for each in signed:
            statement = each.statement
            connection.execute(
                "insert into approvals (name, version, statement) values (?, ?, ?)",
                (statement.model, statement.version, each.as_text()),
            )
    connection.close()


def test_a_version_without_its_approvals_is_refused(
    worker: Opening, record: VersionRecord, people: People, tmp_path: Path
) -> None:
    """What is lacking is said; with the approvals it opens, and trying it out needs none."""
    shelf = worker(people.policy(2))
    before = refusal(shelf, record)
    approve(tmp_path, people.sign("bob", "1", record.bundle))
    between = refusal(shelf, record)
    approve(tmp_path, people.sign("carol", "1", record.bundle))

    assert before == "it has 0 of 2 approvals: `penstock models approve` adds one"
    assert between == "it has 1 of 2 approvals, by bob: `penstock models approve` adds one"
    assert shelf.open("late", "1", bundle=record.bundle).version == "1"
    assert worker(people.policy(3)).open_to_try("late", "1").version == "1"


def test_rows_that_nobody_signed_do_not_help(
    worker: Opening, record: VersionRecord, people: People, tmp_path: Path
) -> None:
    """Inserted, signed by a stranger, of another version, by the registrant alone, or no statement at all."""
    good = people.sign("bob", "1", record.bundle)
    in_bobs_name = replace(people.sign("mallory", "1", record.bundle).statement, person="bob")
    approve(
        tmp_path,
        replace(good, signature="A" * 86 + "=="),
        in_bobs_name.signed(people.keys["mallory"]),
        people.sign("mallory", "1", record.bundle),
        people.sign("bob", "1", "f" * 64),
        people.sign("ann", "1", record.bundle),
    )
    with sqlite3.connect(tmp_path / "registry" / "catalogue.sqlite") as connection:
        connection.execute("insert into approvals (name, version, statement) values ('late', '1', '{\"person\":')")
        connection.execute("update versions set registered_by = 'somebody else'")
    connection.close()

    detail = refusal(worker(people.policy(1, "ann", "bob", "carol")), record)

    assert detail.startswith("ann registered it and can't approve it alone: somebody else has to as well")
    assert "4 statement(s) do not count" in detail


def test_an_approval_of_what_was_registered_does_not_cover_what_was_changed(
    worker: Opening, record: VersionRecord, people: People, tmp_path: Path
) -> None:
    """Another bundle under the approved version's name has no approvals, though the catalogue names it."""
    shelf = worker(people.policy(1))
    approve(tmp_path, people.sign("bob", "1", record.bundle))
    assert shelf.open("late", "1", bundle=record.bundle).version == "1"
    other = shelf.add("late", late_model(flights(seed=8)), flights())
    with sqlite3.connect(tmp_path / "registry" / "catalogue.sqlite") as connection:
        connection.execute("update versions set bundle = ? where version = '1'", (other.bundle,))
    connection.close()

    with pytest.raises(BundleRefusedError, match="check 'manifest' failed: it is version 2 of late, not 1 of late"):
        shelf.open("late", "1", bundle=other.bundle)
    with pytest.raises(BundleRefusedError, match="check 'hash' failed"):
        shelf.open("late", "1", bundle=record.bundle)


def test_the_cache_has_the_approvals(worker: Opening, record: VersionRecord, people: People, tmp_path: Path) -> None:
    """A worker starts while the shelf is away, and holds the copies to the same signatures."""
    policy = people.policy(1)
    approve(tmp_path, people.sign("bob", "1", record.bundle))
    worker(policy).open("late", "1", bundle=record.bundle)
    (tmp_path / "registry").rename(tmp_path / "gone")

    assert worker(policy).open("late", "1", bundle=record.bundle).version == "1"
    assert "0 of 1 approvals" in refusal(worker(people.policy(1, "ann", "carol")), record)
    kept = tmp_path / "cache" / "approvals" / "late" / "1"
    kept.write_text(replace(people.sign("bob", "1", record.bundle), signature="A" * 86 + "==").as_text())
    assert "the signature is not by a key" in refusal(worker(policy), record)
    kept.unlink()
    assert "0 of 1 approvals" in refusal(worker(policy), record)


def test_a_version_that_was_never_opened_with_its_approvals_is_not_in_the_cache_with_them(
    worker: Opening, record: VersionRecord, people: People, tmp_path: Path
) -> None:
    """An approval that came after the last look counts once the shelf is back."""
    worker(PolicySettings()).open("late", "1", bundle=record.bundle)
    approve(tmp_path, people.sign("bob", "1", record.bundle))
    (tmp_path / "registry").rename(tmp_path / "gone")
    away = refusal(worker(people.policy(1)), record)
    (tmp_path / "gone").rename(tmp_path / "registry")

    assert "0 of 1 approvals" in away
    assert worker(people.policy(1)).open("late", "1", bundle=record.bundle).version == "1"


def test_the_shelf_tells_what_is_lacking_before_a_decision(
    worker: Opening, record: VersionRecord, people: People, tmp_path: Path
) -> None:
    """The controller hears the same as the worker finds, without loading anything."""
    policy = people.policy(1)
    shelf = worker(policy)
    voucher = Voucher(shelf._catalogue, tmp_path / "registry" / "bundles", policy=policy, bytes_max=1 << 30)
    before = voucher.word("late", "1")
    signed = people.sign("bob", "1", record.bundle)
    worth = voucher.statement_word(signed.as_texts())
    shelf._catalogue.record_approval(signed)
    shelf._catalogue.record_approval(signed)
    after = voucher.word("late", "1")

    assert (before.state, before.failure) == (
        "validated",
        "it has 0 of 1 approvals: `penstock models approve` adds one",
    )
    assert (worth.fault, worth.before, worth.after) == ("", "validated", "approved")
    assert (worth.person, worth.reason, worth.words) == ("bob", "looks sound", "1 approval, 1 required: bob")
    assert voucher.statement_word(signed.as_texts()) == worth
    assert (after.state, after.failure) == ("approved", "")
    assert shelf._catalogue.approvals("late", "1") == [signed]


def test_statements_that_are_worth_nothing_say_why(
    worker: Opening, record: VersionRecord, people: People, tmp_path: Path
) -> None:
    """Before anything is recorded: by a stranger, of another bundle, of a version that was rejected."""
    policy = people.policy(1, "bob", "carol")
    shelf = worker(policy)
    voucher = Voucher(shelf._catalogue, tmp_path / "registry" / "bundles", policy=policy, bytes_max=1 << 30)
    stranger = voucher.statement_word(people.sign("mallory", "1", record.bundle).as_texts())
    stale = voucher.statement_word(people.sign("bob", "1", "f" * 64).as_texts())
    (tmp_path / "registry" / "bundles" / record.bundle / "golden.arrow").write_bytes(b"x")
    damaged = voucher.statement_word(people.sign("bob", "1", record.bundle).as_texts())
    with sqlite3.connect(tmp_path / "registry" / "catalogue.sqlite") as connection:
        connection.execute("update versions set state = 'rejected', failure = 'too slow'")
    connection.close()
    rejected = voucher.statement_word(people.sign("bob", "1", record.bundle).as_texts())

    assert voucher.statement_word({}).fault == "a signed statement needs 'model'"
    assert "check 'hash' failed: golden.arrow is not what was registered" in damaged.fault
    assert rejected.fault == "check 'state' failed: version 1 of late is rejected, not validated: too slow"
    assert stranger.fault == "mallory is no approver: policy.approvers names bob, carol"
    assert stale.fault == "the statement of bob is about another bundle, ffffffffffffffff..."
