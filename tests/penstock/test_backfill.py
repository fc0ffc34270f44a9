"""Stored requests scored again: by the same version with the same answers, and on from where it stopped."""

from collections.abc import Callable
from pathlib import Path

import pytest

from runtime.process import wait_until
from tests.penstock.command import Ended, run
from tests.penstock.conftest import MODEL, Shop
from tests.penstock.test_commands import requests_file
from tests.runtime.lane_parts import eventually
from tests.stack import PenstockProcess

pytestmark = pytest.mark.wire

Command = Callable[..., Ended]
ROWS = 300
DEADLINE_S = 60.0


@pytest.fixture
def penstock(shop: Shop, capsys: pytest.CaptureFixture[str]) -> Command:
    """Runs a command on the shared stack."""
    return lambda *arguments: run(capsys, [*arguments, "--data-dir", shop.data_dir])


def count(penstock: Command, table: str, prefix: str) -> int:
    sql = f"SELECT count(*) AS n FROM {table} WHERE request_id LIKE '{prefix}-%'"
    return int(penstock("query", sql, "--json").json[0]["n"])


def send(penstock: Command, folder: Path, prefix: str) -> None:
    """Requests of one minute each from 2026-03-01T08:00 on, scored live and stored."""
    requests = requests_file(folder, "csv", prefix=prefix, rows=ROWS)
    ids = ("--entity", "customer", "--id", "id", "--time", "at")
    assert penstock("requests", "send", MODEL, str(requests), *ids).code == 0
    eventually(lambda: count(penstock, "predictions", prefix) == ROWS)


def test_the_live_version_over_its_own_period_agrees(penstock: Command, tmp_path: Path) -> None:
    """The same version gives the same scores, within 1e-9; done again it has nothing left and says the same."""
    send(penstock, tmp_path, "backfilled")
    span = ("--from", "2026-03-01T09:00", "--to", "2026-03-01T11:00")

    first = penstock("backfill", MODEL, "1", *span, "--rate", "100000", "--json")
    again = penstock("backfill", MODEL, "1", *span, "--json")
    (pairs,) = first.json["pairs"]
    sql = "SELECT min(event_time) AS a, max(event_time) AS b FROM shadows WHERE request_id LIKE 'backfilled-%'"
    (times,) = penstock("query", sql, "--json").json

    assert first.code == 0
    assert first.json["scored"] >= 120
    assert (pairs["live_version"], pairs["requests"], pairs["same_label"]) == ("1", first.json["scored"], 1.0)
    assert pairs["difference_abs_max"] <= 1e-9
    assert (times["a"], times["b"]) == ("2026-03-01T09:00:00.000Z", "2026-03-01T10:59:00.000Z")
    assert (again.json["scored"], again.json["pairs"]) == (0, first.json["pairs"])


def test_a_backfill_that_was_killed_goes_on(shop: Shop, penstock: Command, tmp_path: Path) -> None:
    """What was committed is not scored again, what was not is, and in the end every request has its pair."""
    send(penstock, tmp_path, "resumed")
    span = ("--from", "2026-03-01T12:00", "--to", "2026-03-01T12:59")
    slow = PenstockProcess(
        arguments=("backfill", MODEL, "1", *span, "--rate", "5"), data_dir=shop.data_dir, name="backfill"
    )
    slow.start()
    assert wait_until(lambda: count(penstock, "shadows", "resumed") > 0, timeout_s=DEADLINE_S)
    assert slow.running
    slow.kill()
    before = count(penstock, "shadows", "resumed")

    rest = penstock("backfill", MODEL, "1", *span, "--rate", "100000", "--json")

    assert 0 < before < 59
    assert 0 < rest.json["scored"] < 2 * 59
    assert count(penstock, "shadows", "resumed") == 59
    assert rest.json["pairs"][0]["difference_abs_max"] <= 1e-9


def test_what_does_not_exist_is_said(penstock: Command) -> None:
    """An unknown version is a failure, a time that is none bad usage."""
    unknown = penstock("backfill", MODEL, "99")
    no_time = penstock("backfill", MODEL, "1", "--from", "May")

    assert unknown.code == 1
    assert "no version '99'" in unknown.err
    assert no_time.code == 2
