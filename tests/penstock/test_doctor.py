"""The doctor names the broken hop, whichever it is."""

import os
import signal
import time
from pathlib import Path

import pytest

from penstock.doctor.hops import Hop, HopFailure, broken_hop, examine
from runtime.errors import BrokerUnreachableError
from tests.penstock.command import run
from tests.runtime.lane_parts import eventually
from tests.stack import PenstockProcess, command_line, descendants, running_stack

SILENT_S = 9.0


def failing(error: Exception) -> Hop:
    def look() -> str:
        raise error

    return Hop(name="broken", look=look, remedy="mend it")


@pytest.mark.parametrize(
    "error", [HopFailure("no answer"), BrokerUnreachableError("host:1", "refused"), OSError("disk\nfull")], ids=type
)
def test_a_hop_that_fails_is_found_with_its_remedy_and_what_needs_it_is_not_looked_at(error: Exception) -> None:
    """Findings, errors of the rooms and of the system alike; one line each."""
    after = Hop(name="after", look=lambda: "fine", remedy="", needs=("broken",))
    apart = Hop(name="apart", look=lambda: "fine", remedy="")
    findings = list(examine([failing(error), after, apart]))
    broken = broken_hop(findings)

    assert [finding.state for finding in findings] == ["failed", "skipped", "ok"]
    assert broken is not None
    assert (broken.hop, broken.remedy) == ("broken", "mend it")
    assert "\n" not in broken.detail


def test_without_a_stack_the_stack_is_the_broken_hop(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """The directory is there, nothing runs on it; what does not need it is looked at all the same."""
    ended = run(capsys, ["doctor", "--json", "--data-dir", tmp_path])
    states = {hop["hop"]: hop["state"] for hop in ended.json["hops"]}

    assert (ended.code, ended.json["broken"]) == (1, "stack")
    assert (states["schema registry"], states["shelf"], states["broker"]) == ("ok", "ok", "skipped")


def test_servers_that_do_not_answer_are_the_broken_hop(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """With the address that was tried."""
    config = tmp_path / "penstock.toml"
    config.write_text("[kafka]\nbootstrap_servers = '127.0.0.1:1'\nrequest_timeout_s = 1\n")
    ended = run(capsys, ["doctor", "--json", "--data-dir", tmp_path, "--config", config])

    assert (ended.code, ended.json["broken"]) == (1, "broker")
    assert "127.0.0.1:1" in ended.err


@pytest.mark.wire
@pytest.mark.parametrize("role", ["sink", "controller", "scorer"])
def test_a_process_that_stands_still_is_the_broken_hop(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, role: str
) -> None:
    """Its last word was that it serves, and yet it is silent, or the probe does not pass."""
    with running_stack(tmp_path) as stack:
        stopped = _child(stack, role)
        os.kill(stopped, signal.SIGSTOP)
        time.sleep(SILENT_S)
        ended = run(capsys, ["doctor", "--json", "--timeout", "2", "--data-dir", tmp_path])
        os.kill(stopped, signal.SIGCONT)

        assert (ended.code, ended.json["broken"]) == (1, role)
        assert f"broken hop is {role}" in ended.err
        assert eventually(lambda: run(capsys, ["doctor", "--data-dir", tmp_path]).code == 0, timeout_s=60)


def _child(stack: PenstockProcess, role: str) -> int:
    return next(pid for pid in descendants(stack.pid) if f"run {role} " in command_line(pid))
