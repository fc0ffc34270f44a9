"""What supervises a process hears at once whether it serves."""

import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from runtime.metrics import READY, Meters
from runtime.status import Status, read_status, write_status
from tests.penstock.command import run
from tests.penstock.conftest import Shop

LOADED = """
import sys
from penstock.cli.boundary import run_command
code = run_command(["health", "scorer", "--data-dir", sys.argv[1]])
print(code, *sorted({"confluent_kafka", "structlog", "sklearn", "numpy", "rich"} & set(sys.modules)))
"""


@pytest.fixture
def serving(tmp_path: Path) -> tuple[Path, Status]:
    """A data directory with the last word of a process that has been silent since, but whose metrics answer."""
    meters = Meters("scorer")
    meters.set(READY, 1, role="scorer", slot="0")
    port = meters.serve(host="127.0.0.1", port=0)
    return tmp_path, Status(role="scorer", slot=0, pid=1, state="ready", beat_at=0, metrics_port=port)


@pytest.mark.parametrize("role", ["broker", "controller", "scorer", "sink"])
def test_a_process_that_serves_is_healthy(capsys: pytest.CaptureFixture[str], shop: Shop, role: str) -> None:
    """Every role of a running stack."""
    ended = run(capsys, ["health", role, "--data-dir", shop.data_dir])

    assert (ended.code, ended.out) == (0, f"{role}-0 serves\n")


def test_a_slot_that_nobody_has_is_not(capsys: pytest.CaptureFixture[str], shop: Shop) -> None:
    """With the reason on standard error."""
    ended = run(capsys, ["health", "scorer", "--slot", "7", "--data-dir", shop.data_dir])

    assert (ended.code, ended.err) == (1, "penstock: scorer-7 has not started\n")


def test_a_process_that_starts_is_not_healthy_yet(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """Nor is one that failed, which says why."""
    status = Status(
        role="sink", slot=0, pid=1, state="failed", beat_at=int(time.time() * 1_000), metrics_port=1, detail="no broker"
    )
    write_status(tmp_path / "run", status)
    ended = run(capsys, ["health", "sink", "--data-dir", tmp_path])

    assert (ended.code, ended.err) == (1, "penstock: sink-0 is failed: no broker\n")


def test_a_full_disk_does_not_make_a_process_unhealthy(
    capsys: pytest.CaptureFixture[str], serving: tuple[Path, Status]
) -> None:
    """Its file is old, since it could not be written, but it answers."""
    data_dir, status = serving
    write_status(data_dir / "run", status)
    ended = run(capsys, ["health", "scorer", "--data-dir", data_dir])

    assert (ended.code, ended.out) == (0, "scorer-0 serves\n")


def test_a_silent_process_whose_port_another_has_is_not_healthy(
    capsys: pytest.CaptureFixture[str], serving: tuple[Path, Status]
) -> None:
    """What answers must say that it is this role and slot."""
    data_dir, status = serving
    write_status(data_dir / "run", replace(status, slot=3))
    ended = run(capsys, ["health", "scorer", "--slot", "3", "--data-dir", data_dir])

    assert ended.code == 1
    assert "scorer-3 has been silent for" in ended.err


def test_it_takes_in_next_to_nothing(tmp_path: Path) -> None:
    """It is asked every few seconds beside a process that needs the processor."""
    ended = subprocess.run(
        [sys.executable, "-c", LOADED, str(tmp_path)], capture_output=True, text=True, timeout=60, check=True
    )

    assert ended.stdout == "1\n"


def test_a_status_that_is_no_status_is_none(tmp_path: Path) -> None:
    """A file that was cut off is as good as none."""
    (tmp_path / "scorer-0.json").write_text('{"role": "scor')

    assert read_status(tmp_path, "scorer", 0) is None
