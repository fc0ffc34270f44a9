"""Retrains and restraints as a person at a terminal uses them, on a running stack."""

from collections.abc import Callable

import pytest

from tests.penstock.command import Ended, run
from tests.penstock.conftest import MODEL, Shop
from tests.runtime.lane_parts import eventually

pytestmark = pytest.mark.wire

Command = Callable[..., Ended]


@pytest.fixture
def penstock(shop: Shop, capsys: pytest.CaptureFixture[str]) -> Command:
    """Runs a command on the shared stack."""
    return lambda *arguments: run(capsys, [*arguments, "--data-dir", shop.data_dir])


def events(penstock: Command, kind: str) -> list[dict[str, object]]:
    sql = f"SELECT * FROM model_events WHERE model = '{MODEL}' AND kind = '{kind}' ORDER BY occurred_at"
    return [dict(row) for row in penstock("query", sql, "--json").json]


def test_a_retrain_that_is_vetoed(penstock: Command) -> None:
    """Asked for, it waits for outcomes; the veto takes it back, and whoever waits is told."""
    asked = penstock("retrain", MODEL, "--since", "2013-06-01", "--reason", "new depot", "--json")
    waiting = penstock("retrain", MODEL, "--wait", "--timeout", "1")
    vetoed = penstock("automation", "veto", MODEL, "retrain", "--for", "2h", "--reason", "no labels", "--json")
    shown = penstock("automation", "show", MODEL, "--json").json
    eventually(lambda: bool(events(penstock, "RetrainVetoed")))
    requested = events(penstock, "RetrainRequested")[0]

    assert asked.json["version"] == "1"
    assert requested["id"] == asked.json["request"]
    assert str(requested["reason"]).endswith("(new depot)")
    assert requested["details"] == '{"since":1370044800000}'
    assert waiting.code == 1
    assert "no answer to the retrain of parcels within 1 s" in waiting.err
    assert vetoed.json["answer"].endswith("for 2h")
    assert [act["act"] for act in shown["acts"]] == ["retrain", "rollback"]
    assert str(shown["acts"][0]["restraint"]).startswith("veto by ")
    assert shown["acts"][0]["today"] == 2


def test_a_restraint_is_lifted(penstock: Command) -> None:
    """Silenced, allowed again, and shown so in a table."""
    penstock("automation", "silence", MODEL, "rollback")
    silenced = penstock("automation", "show", MODEL)
    allowed = penstock("automation", "allow", MODEL, "rollback", "--json")
    after = penstock("automation", "show", MODEL, "--json").json["acts"][1]

    assert "silence by " in silenced.out
    assert allowed.json["answer"].startswith("rollback is allowed again by ")
    assert after["restraint"] == ""


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("retrain", "unknown"), 1, "no version of unknown serves that could be refitted"),
        (("retrain", MODEL, "--since", "May"), 2, "'May' is no time: write it like 2013-06-01"),
        (("automation", "veto", MODEL, "promotion"), 2, "'promotion' is not one of 'retrain', 'rollback'"),
        (("automation", "veto", MODEL, "retrain", "--for", "ever"), 1, "a duration reads like 30s, 10m, 2h or 1d"),
        (("automation", "show", "unknown"), 1, "no version of 'unknown' serves"),
    ],
    ids=["nothing serves", "no time", "no kind", "no duration", "not deployed"],
)
def test_what_can_not_be_done_is_said(penstock: Command, arguments: tuple[str, ...], code: int, words: str) -> None:
    """One sentence with the remedy, and the right exit code."""
    ended = penstock(*arguments)

    assert ended.code == code
    assert words in ended.err
