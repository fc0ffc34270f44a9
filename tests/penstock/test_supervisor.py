"""`penstock up` on the embedded broker: serves, survives the death of its parts, stops cleanly."""

import os
import signal
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import orjson
import pytest

from tests.penstock.models import register, register_reader_of_notes, write_long_notes, write_requests
from tests.runtime.lane_parts import eventually
from tests.stack import (
    PenstockProcess,
    StackFailedError,
    command_line,
    descendants,
    penstock,
    penstock_json,
    running_stack,
)

pytestmark = pytest.mark.wire

STOP_S = 15.0


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[PenstockProcess]:
    with running_stack(tmp_path / "data") as running:
        yield running


def child_of(stack: PenstockProcess, role: str) -> int | None:
    return next((pid for pid in descendants(stack.pid) if f"run {role} " in command_line(pid)), None)


def send(stack: PenstockProcess, model: str, requests: Path) -> None:
    penstock("requests", "send", model, str(requests), "--entity", "customer", "--id", "id", data_dir=stack.data_dir)


def stored(stack: PenstockProcess, table: str, model: str) -> int:
    sql = f"SELECT count(*) AS n FROM {table} WHERE model = '{model}'"
    return int(penstock_json("query", sql, data_dir=stack.data_dir)[0]["n"])


def page_of(stack: PenstockProcess, process: str) -> str:
    """The metrics that Prometheus would find by the list of targets, or nothing while nothing answers there."""
    listed = orjson.loads((stack.data_dir / "run" / "metrics-targets.json").read_bytes())
    address = next(entry["targets"][0] for entry in listed if entry["labels"]["process"] == process)
    try:
        with urllib.request.urlopen(f"http://{address}/metrics", timeout=5) as answer:
            return str(answer.read().decode())
    except OSError:
        return ""


def ledger_of(stack: PenstockProcess, model: str) -> dict[str, object]:
    models = penstock_json("ledger", data_dir=stack.data_dir)["models"]
    return next(dict(entry) for entry in models if entry["name"] == model)


def test_ready_names_where_everything_is_and_sigterm_leaves_nothing_running(tmp_path: Path) -> None:
    """What scripts rely on, and an end within the promised time."""
    stack = PenstockProcess(arguments=("up",), data_dir=tmp_path, name="stack")
    stack.start()
    ready = stack.wait_ready()
    children = descendants(stack.pid)

    started = time.monotonic()
    returncode = stack.stop()

    assert {"broker", "store", "schema_registry", "processes"} <= ready.keys()
    assert returncode == 0
    assert time.monotonic() - started < STOP_S
    assert not [pid for pid in children if "penstock" in command_line(pid)]


def test_a_second_stack_on_the_same_data_is_refused(stack: PenstockProcess) -> None:
    """Two stacks would write over each other."""
    with pytest.raises(StackFailedError, match="already runs"):
        penstock("up", data_dir=stack.data_dir)


def test_a_killed_scorer_is_started_again_and_nothing_is_missing(stack: PenstockProcess, tmp_path: Path) -> None:
    """Kill -9 between two files of requests: all of both are stored once."""
    register(stack.data_dir, "toy")
    penstock("activate", "toy", "1", data_dir=stack.data_dir)
    send(stack, "toy", write_requests(tmp_path / "first.csv", 300, prefix="a"))
    before = child_of(stack, "scorer")
    assert before is not None

    os.kill(before, signal.SIGKILL)
    send(stack, "toy", write_requests(tmp_path / "second.csv", 300, prefix="b"))

    assert eventually(lambda: stored(stack, "predictions", "toy") == 600, timeout_s=120)
    assert child_of(stack, "scorer") not in (None, before)
    assert eventually(lambda: 'penstock_ready{role="scorer",slot="0"} 1.0' in page_of(stack, "scorer-0"), timeout_s=30)
    assert 'penstock_process_exits_total{cause="killed",process="scorer-0"} 1.0' in page_of(stack, "supervisor-0")
    assert 'penstock_process_restarts_total{process="scorer-0"} 1.0' in page_of(stack, "supervisor-0")
    ledger = ledger_of(stack, "toy")
    assert (ledger["accepted"], ledger["lost"], ledger["balanced"]) == (600, 0, True)


def test_a_killed_embedded_broker_brings_a_new_one_on_which_active_models_serve(
    stack: PenstockProcess, tmp_path: Path
) -> None:
    """Its records are gone, and said to be; the deployments are not."""
    register(stack.data_dir, "toy")
    penstock("activate", "toy", "1", data_dir=stack.data_dir)
    broker = child_of(stack, "broker")
    assert broker is not None
    old = (stack.data_dir / "run" / "stack.json").read_bytes()

    os.kill(broker, signal.SIGKILL)

    address = stack.data_dir / "run" / "stack.json"
    assert eventually(lambda: address.exists() and address.read_bytes() != old, timeout_s=120)
    send(stack, "toy", write_requests(tmp_path / "requests.csv", 100))
    assert eventually(lambda: stored(stack, "predictions", "toy") == 100, timeout_s=120)


def test_a_version_that_hangs_is_quarantined_after_two_strikes_and_others_go_on(tmp_path: Path) -> None:
    """The process is ended twice, then the version's requests are dead-lettered with that reason.

    The requests are there before the version is, so that no batch holds too few of them to be slow.
    """
    config = tmp_path / "penstock.toml"
    config.write_text("[scoring]\npredict_timeout_s = 1.0\n")
    data_dir = tmp_path / "data"
    register_reader_of_notes(data_dir, "slow")
    register(data_dir, "quick")
    with running_stack(data_dir, config=config) as stack:
        send(stack, "slow", write_long_notes(tmp_path / "slow.csv", 200))
        for name in ("slow", "quick"):
            penstock("activate", name, "1", data_dir=data_dir)
        send(stack, "quick", write_requests(tmp_path / "quick.csv", 200))

        assert eventually(lambda: stored(stack, "dead_letters", "slow") == 200, timeout_s=120)
        assert eventually(lambda: stored(stack, "predictions", "quick") == 200, timeout_s=120)
        reasons = penstock_json("query", "SELECT DISTINCT reason FROM dead_letters", data_dir=data_dir)
        signals = penstock_json("query", "SELECT kind FROM signals", data_dir=data_dir)
        last_words = penstock_json("query", "SELECT service FROM logs WHERE level = 'critical'", data_dir=data_dir)
        ledger = ledger_of(stack, "slow")

    assert reasons == [{"reason": "version_quarantined"}]
    assert {"kind": "version_quarantined"} in signals
    assert {"service": "scorer-0"} in last_words, "what the watchdog says reaches the store before it ends the process"
    assert ledger["lost"] == 0
    assert orjson.dumps(ledger)
