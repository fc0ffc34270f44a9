"""Approvals on a running stack: made with keys, decided by the controller, enforced by the scorer."""

import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from penstock import wiring
from penstock.person import person
from registry.statements import Statement, Verdict
from runtime.settings import load_settings
from tests.penstock.command import Ended, run
from tests.penstock.models import register
from tests.registry.people import People
from tests.runtime.lane_parts import eventually
from tests.stack import running_stack

pytestmark = pytest.mark.wire

MODEL = "orders"
Command = Callable[..., Ended]


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> People:
    return People.of(tmp_path_factory.mktemp("people"), person(), "bob", "mallory")


@pytest.fixture(scope="module")
def config(people: People, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One approval is required, by the registrant or by bob; mallory is nobody."""
    path = tmp_path_factory.mktemp("config") / "penstock.toml"
    keys = "".join(f'{name} = ["{people.keys[name].public_key}"]\n' for name in (person(), "bob"))
    path.write_text(f"[policy]\napprovals_required = 1\n[policy.approvers]\n{keys}")
    return path


@pytest.fixture(scope="module")
def data_dir(config: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A stack under that policy, with three versions that passed their validation."""
    folder = tmp_path_factory.mktemp("approvals")
    for _ in range(3):
        register(folder, MODEL, registered_by=person())
    with running_stack(folder, config=config):
        yield folder


@pytest.fixture
def penstock(data_dir: Path, config: Path, capsys: pytest.CaptureFixture[str]) -> Command:
    return lambda *arguments: run(capsys, [*arguments, "--data-dir", data_dir, "--config", config])


def say(penstock: Command, people: People, verdict: str, version: str, who: str) -> Ended:
    key = people.folder / f"{who}.key"
    return penstock("models", verdict, MODEL, version, "--key", key, "--reason", "read it", "--json")


def test_a_version_serves_once_somebody_else_approved_it(penstock: Command, people: People) -> None:
    """Not before, not by the registrant alone, not by a stranger; and each step is told with who and why."""
    early = penstock("activate", MODEL, "1")
    alone = say(penstock, people, "approve", "1", person())
    still = penstock("activate", MODEL, "1")
    stranger = say(penstock, people, "approve", "1", "mallory")
    approved = say(penstock, people, "approve", "1", "bob")
    activated = penstock("activate", MODEL, "1")
    listed = penstock("models", "list", MODEL, "--json").json

    assert (early.code, still.code, activated.code) == (1, 1, 0)
    assert "it has 0 of 1 approvals: `penstock models approve` adds one" in early.err
    assert alone.json["answer"] == f"{person()} approves version 1: 1 approval, 1 required: {person()}"
    assert f"{person()} registered it and can't approve it alone" in still.err
    assert (stranger.code, stranger.out) == (1, "")
    assert "this key is no approver's: policy.approvers has nobody with the public key" in stranger.err
    assert approved.json["person"] == "bob"
    assert [each["state"] for each in listed] == ["active", "validated", "validated"]
    assert listed[0]["approved_by"] == [person(), "bob"]
    assert listed[1]["why"] == "it has 0 of 1 approvals: `penstock models approve` adds one"


def test_the_scorer_serves_what_is_approved(penstock: Command, data_dir: Path) -> None:
    """The worker checked the signatures itself before it opened the version."""
    assert eventually(
        lambda: "version_loaded" in penstock("query", "SELECT kind FROM signals", "--json").out, timeout_s=60
    )
    assert (data_dir / "cache" / "approvals" / MODEL / "1").read_text().count('"verdict":"approve"') == 2


def test_history_tells_every_step_with_who_and_why(penstock: Command) -> None:
    """From registration to service; what the shelf did without the controller is told by it all the same."""
    told = [
        (each["what"], each["by"], each["why"]) for each in penstock("models", "history", MODEL, "1", "--json").json
    ]
    sql = f"SELECT kind FROM model_events WHERE model = '{MODEL}' AND kind = 'Registered'"

    assert told[:6] == [
        ("Registered", person(), "version 1 is on the shelf"),
        ("Validated", person(), "every check passed"),
        ("ApprovalGiven", person(), "read it"),
        ("ApprovalGiven", "bob", "read it"),
        ("Approved", "bob", f"2 approvals, 1 required: {person()}, bob"),
        ("Activated", person(), f"activate by {person()}"),
    ]
    assert eventually(lambda: len(penstock("query", sql, "--json").json) == 3, timeout_s=60)


def test_rows_in_the_catalogue_are_no_approvals(penstock: Command, people: People, data_dir: Path) -> None:
    """Whoever can write to the shelf can still not let a version serve."""
    record = wiring.catalogue(load_settings(data_dir=data_dir)).record(MODEL, "2")
    statement = Statement(
        model=MODEL,
        version="2",
        bundle=record.bundle,
        verdict=Verdict.APPROVE,
        person="bob",
        reason="let it in",
        decided_at=1,
    )
    forged = [
        statement.signed(people.keys["mallory"]),
        replace(statement, person="mallory").signed(people.keys["mallory"]),
    ]
    with sqlite3.connect(data_dir / "registry" / "catalogue.sqlite") as connection:
        connection.executemany(
            "insert into approvals (name, version, statement) values (?, '2', ?)",
            [(MODEL, each.as_text()) for each in forged],
        )
    connection.close()

    refused = penstock("activate", MODEL, "2")

    assert refused.code == 1
    assert "it has 0 of 1 approvals" in refused.err
    assert "(2 statement(s) do not count: mallory is no approver" in refused.err


def test_a_rejected_version_serves_when_its_critic_has_come_round(penstock: Command, people: People) -> None:
    """It can't be activated meanwhile; what serves can't be rejected."""
    serving = say(penstock, people, "reject", "1", "bob")
    rejected = say(penstock, people, "reject", "3", "bob")
    state = penstock("models", "list", MODEL, "--json").json[2]
    refused = penstock("activate", MODEL, "3")
    approved = say(penstock, people, "approve", "3", "bob")
    activated = penstock("activate", MODEL, "3")

    assert (serving.code, rejected.code, refused.code, approved.code, activated.code) == (1, 0, 1, 0, 0)
    assert "version 1 of orders serves" in serving.err
    assert (state["state"], state["why"]) == ("rejected", "by bob: read it")
    assert "was rejected by bob (read it); only bob can approve it after all" in refused.err


def test_a_key_is_made_and_never_printed(penstock: Command, tmp_path: Path) -> None:
    """The line for the settings is; a second key under the same name is refused."""
    made = penstock("models", "keygen", tmp_path / "ann.key", "--person", "ann")
    again = penstock("models", "keygen", tmp_path / "ann.key")
    secret = [line for line in (tmp_path / "ann.key").read_text().splitlines() if not line.startswith("-----")]

    assert made.code == 0
    assert made.out.startswith('[policy.approvers]\nann = ["')
    assert not any(line in made.out + made.err for line in secret)
    assert (again.code, "is there already" in again.err) == (1, True)
