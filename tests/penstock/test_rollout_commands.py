"""Rollouts on a running stack, as a person at a terminal steers them, and decisions made again from the store."""

import sqlite3
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from runtime.settings import load_settings
from tests.penstock.command import Ended, run
from tests.penstock.conftest import Shop, parcels
from tests.runtime.lane_parts import eventually
from tests.stack import penstock as penstock_process

pytestmark = pytest.mark.wire

CRATES = "crates"
ENTITIES = 400
Command = Callable[..., Ended]


@pytest.fixture(scope="module")
def crates(shop: Shop) -> Shop:
    """A model of this module's own on the shared stack: versions 1 to 3, of which 1 serves."""
    for _ in range(3):
        add = ("models", "add", CRATES, str(shop.model), "--sample", str(shop.sample), "--target", "late")
        penstock_process(*add, data_dir=shop.data_dir)
    penstock_process("activate", CRATES, "1", data_dir=shop.data_dir)
    return shop


@pytest.fixture
def penstock(crates: Shop, capsys: pytest.CaptureFixture[str]) -> Iterator[Command]:
    """Runs a command on the shared stack; what a test has begun is ended after it, and version 1 serves again."""
    command: Command = lambda *arguments: run(capsys, [*arguments, "--data-dir", crates.data_dir])  # noqa: E731
    yield command
    command("rollout", "unfreeze", CRATES)
    command("rollout", "abort", CRATES)
    command("activate", CRATES, "1")


def status(penstock: Command) -> Any:
    return penstock("rollout", "status", CRATES, "--json").json


def phase(penstock: Command) -> str:
    return str(status(penstock)["rollout"]["phase"])


def begin(penstock: Command, *options: str) -> Ended:
    """A canary that nothing but a person moves on."""
    started = penstock("rollout", "start", CRATES, "2", "--duration", "12h", "--judged-by", "guardrails", *options)
    assert started.code == 0, started.err
    assert eventually(lambda: phase(penstock) == "Running")
    return started


def send(penstock: Command, folder: Path, prefix: str) -> None:
    frame = parcels(ENTITIES)
    frame["id"] = [f"{prefix}-{row}" for row in range(ENTITIES)]
    frame["customer"] = [f"customer-{row}" for row in range(ENTITIES)]
    path = folder / f"{prefix}.csv"
    frame.to_csv(path, index=False)
    sent = penstock("requests", "send", CRATES, path, "--entity", "customer", "--id", "id")
    assert sent.code == 0, sent.err


def arms(penstock: Command, prefix: str) -> dict[str, tuple[str, str]]:
    """Arm and version of each entity, once all are stored."""

    def rows() -> list[dict[str, Any]]:
        query = f"SELECT entity_id, arm, version FROM predictions WHERE request_id LIKE '{prefix}-%'"
        return list(penstock("query", query, "--json").json)

    assert eventually(lambda: len(rows()) == ENTITIES)
    return {row["entity_id"]: (row["arm"], row["version"]) for row in rows()}


def test_a_canary_from_start_to_promotion(penstock: Command, tmp_path: Path) -> None:
    """Entities stay where they are or move to the candidate, and pinned ones are there from the start."""
    begin(penstock, "--steps", "20%,60%", "--pin", "entity:customer-7", "--pin", "prefix:customer-39")
    send(penstock, tmp_path, "narrow")
    narrow = arms(penstock, "narrow")
    penstock("rollout", "step", CRATES)
    assert eventually(lambda: status(penstock)["versions"][1]["target"] == 0.6)
    time.sleep(1.0)
    send(penstock, tmp_path, "wide")
    wide = arms(penstock, "wide")
    promoted = penstock("rollout", "promote", CRATES, "--reason", "agreed")
    ended = status(penstock)

    pinned = {entity for entity, (arm, _version) in narrow.items() if arm == "pinned"}
    assert pinned == {"customer-7", "customer-39", *(f"customer-39{digit}" for digit in range(10))}
    candidates = {entity for entity, (arm, _version) in narrow.items() if arm == "candidate"}
    assert 0.1 < len(candidates) / ENTITIES < 0.3
    assert candidates <= {entity for entity, (arm, _version) in wide.items() if arm == "candidate"}
    assert {version for arm, version in wide.values() if arm in ("candidate", "pinned")} == {"2"}
    assert promoted.code == 0
    assert (ended["rollout"]["phase"], ended["rollout"]["reason"]) == (
        "Successful",
        f"version 2 promoted by {ended['rollout']['started_by']} (agreed)",
    )
    assert ended["previous_version"] == "1"


def test_a_rollback_goes_back_at_once_and_only_once(penstock: Command) -> None:
    """To the version that was replaced; there is none before it."""
    penstock("activate", CRATES, "2")
    back = penstock("rollback", CRATES, "--bar", "--reason", "orders fall", "--json")
    again = penstock("rollback", CRATES)
    barred = penstock("activate", CRATES, "2")
    lifted = penstock("models", "unbar", CRATES, "2", "--reason", "it was the shop")

    assert back.code == 0, back.err
    assert "version 1 serves again" in back.json["answer"]
    assert (again.code, "no version of crates to go back to" in again.err) == (1, True)
    assert barred.code == 1
    assert lifted.code == 0


def test_what_is_not_legal_is_refused_with_what_is(penstock: Command) -> None:
    """One sentence, exit code 1, and the remedy in it."""
    without = penstock("rollout", "pause", CRATES)
    begin(penstock)
    second = penstock("rollout", "start", CRATES, "3")
    activated = penstock("activate", CRATES, "3")
    wrong = penstock("rollout", "start", CRATES, "3", "--steps", "5")

    assert (without.code, "penstock rollout start crates VERSION" in without.err) == (1, True)
    assert (second.code, "one rollout of a model at a time; promote or abort it first" in second.err) == (1, True)
    assert (activated.code, "promote or abort it first" in activated.err) == (1, True)
    assert (wrong.code, "a share reads like 5%" in wrong.err) == (1, True)


def test_pause_freeze_and_what_the_status_says_of_them(penstock: Command) -> None:
    """Who and why can be seen by everybody who looks."""
    begin(penstock)
    penstock("rollout", "pause", CRATES, "--reason", "lunch")
    penstock("rollout", "freeze", CRATES)
    shown = penstock("rollout", "status", CRATES)
    resumed = penstock("rollout", "resume", CRATES)

    assert "Paused" in shown.out
    assert "(lunch)" in shown.out
    assert "automation only tells" in shown.out
    assert resumed.code == 0
    assert phase(penstock) == "Running"


def test_a_command_with_an_id_of_its_own_acts_once(penstock: Command) -> None:
    """A script that is run again gets the answer of the first time."""
    begin(penstock)
    first = penstock("rollout", "step", CRATES, "--command-id", "step-once", "--json").json
    again = penstock("rollout", "step", CRATES, "--command-id", "step-once", "--json").json

    assert first == again
    assert status(penstock)["rollout"]["step"]["number"] == 2


def test_watching_tells_each_change_and_ends_with_the_rollout(
    penstock: Command, crates: Shop, capsys: pytest.CaptureFixture[str]
) -> None:
    """Piped it is a line a change; it ends when the rollout has, with 0, or with 1 when that failed."""
    penstock("rollout", "start", CRATES, "2", "--judged-by", "guardrails", "--steps", "10%,50%", "--duration", "2s")
    watched = penstock("rollout", "watch", CRATES, "--timeout", "60")
    begun_again = penstock("rollout", "start", CRATES, "3", "--judged-by", "guardrails")
    penstock("rollout", "abort", CRATES)
    failed = penstock("rollout", "watch", CRATES, "--json", "--timeout", "60")

    assert watched.code == 0, watched.err
    assert "Successful" in watched.out.splitlines()[-1]
    assert begun_again.code == 0, begun_again.err
    assert (failed.code, "has failed" in failed.err) == (1, True)


def test_decisions_are_explained_and_an_altered_input_is_found(penstock: Command, crates: Shop) -> None:
    """Made again from the store: the same byte for byte, until one letter of one stored input is changed."""
    started = begin(penstock, "--steps", "5%,50%", "--reason", "trial")
    listed = f"{CRATES}:"
    decision = next(line.split()[-1] for line in started.out.splitlines() if line.startswith("decision"))
    assert eventually(lambda: penstock("decisions", "show", decision, "--json").code == 0)
    explained = penstock("decisions", "explain", decision)
    whole = penstock("decisions", "verify", CRATES, "--json")
    newest = penstock("decisions", "list", CRATES, "--limit", "500", "--json").json
    store = sqlite3.connect(load_settings(data_dir=crates.data_dir).store_path, timeout=30)
    (written,) = store.execute("SELECT input FROM journal WHERE id = ?", (decision,)).fetchone()
    with store:
        store.execute("UPDATE journal SET input = ? WHERE id = ?", (written.replace("trial", "trjal"), decision))
    altered, broken = penstock("decisions", "explain", decision), penstock("decisions", "verify", CRATES)
    with store:
        store.execute("UPDATE journal SET input = ? WHERE id = ?", (written, decision))
    store.close()

    assert (explained.code, "the same byte for byte" in explained.err) == (0, True), explained.err
    assert "asked to start" in explained.out
    assert whole.json["holds"] is True
    assert whole.json["decisions"] == len(newest)
    assert all(row["id"].startswith(listed) for row in newest)
    assert (altered.code, broken.code) == (1, 1)
    assert "is not what" in altered.err


def test_a_decision_that_is_not_there_is_said_so(penstock: Command) -> None:
    """With where ids are found."""
    ended = penstock("decisions", "show", "crates:99999")

    assert (ended.code, "penstock decisions list NAME" in ended.err) == (1, True)


def test_a_shadow_scores_beside_what_serves_from_its_start_on(penstock: Command, tmp_path: Path) -> None:
    """Requests from before it are not scored; the report compares the others; stopped, it scores no more."""
    send(penstock, tmp_path, "before")
    arms(penstock, "before")
    started = penstock("shadow", "start", CRATES, "3")
    send(penstock, tmp_path, "during")
    live = arms(penstock, "during")
    assert eventually(lambda: shadowed(penstock, "during") == ENTITIES)
    report = penstock("shadow", "report", CRATES, "--json").json
    words = penstock("shadow", "report", CRATES, "3")
    shown = status(penstock)["shadows"]
    stopped = penstock("shadow", "stop", CRATES)
    again = penstock("shadow", "stop", CRATES)

    assert started.code == 0, started.err
    assert set(live.values()) == {("live", "1")}
    assert shadowed(penstock, "before") == 0
    assert (report["version"], report["live_versions"], report["compared"]) == ("3", ["1"], ENTITIES)
    assert (report["agreement"], report["entities_flipped"]) == (1.0, 0)
    assert "50% quantile" in words.out
    assert shown == [{"version": "3", "share": 1.0}]
    assert stopped.code == 0, stopped.err
    assert (again.code, "shadows are: none" in again.err) == (1, True)


def shadowed(penstock: Command, prefix: str) -> int:
    query = f"SELECT count(*) AS n FROM shadows WHERE request_id LIKE '{prefix}-%'"
    return int(penstock("query", query, "--json").json[0]["n"])


def test_a_rollback_needs_no_registry(penstock: Command, crates: Shop) -> None:
    """Shelf and schema ids are away: what serves goes on, and goes back to the version before."""
    penstock("activate", CRATES, "2")
    assert eventually(lambda: phase(penstock) == "Successful")
    registry, away = crates.data_dir / "registry", crates.data_dir / "registry-away"
    registry.rename(away)
    try:
        back = penstock("rollback", CRATES, "--json")
        made_anew = registry.exists()
    finally:
        away.rename(registry)

    assert back.code == 0, back.err
    assert "version 1 serves again" in back.json["answer"]
    assert not made_anew
