"""Which stack runs on a directory, told by a lock and not by what a dead one left behind."""

import os
import signal
import time
from pathlib import Path

import pytest

from runtime.errors import StackAlreadyRunningError
from runtime.settings import Settings
from runtime.stack import Stack, announce, find_stack, only_stack
from tests.runtime.lane_parts import eventually
from tests.stack import PenstockProcess, command_line, descendants

MINE = Stack(
    pid=os.getpid(), broker="127.0.0.1:1", cluster_id="embedded-1", store="s", schema_registry="r", processes=()
)


def test_an_announcement_of_a_dead_stack_with_our_own_process_id_does_not_count(tmp_path: Path) -> None:
    """In a container the next stack has the id of the one that was killed."""
    settings = Settings(data_dir=tmp_path)
    announce(settings, MINE)

    assert find_stack(settings) is None
    with only_stack(settings):
        assert find_stack(settings) == MINE
    assert find_stack(settings) is None


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"pid": 1}', b'{"processes": 3}', b"\xff"])
def test_an_announcement_that_is_damaged_is_none(tmp_path: Path, content: bytes) -> None:
    """A command says that no stack runs, and no traceback."""
    settings = Settings(data_dir=tmp_path)
    with only_stack(settings):
        (settings.run_dir / "stack.json").write_bytes(content)

        assert find_stack(settings) is None


def test_two_stacks_that_start_at_once_are_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second is refused, also before the first has announced itself."""
    monkeypatch.setattr("runtime.sole_process.EARLIER_ENDS_S", 0.1)
    settings = Settings(data_dir=tmp_path)
    with only_stack(settings), pytest.raises(StackAlreadyRunningError, match="already runs"), only_stack(settings):
        pass


@pytest.mark.wire
def test_a_stack_that_is_stopped_while_its_broker_starts_leaves_nothing(tmp_path: Path) -> None:
    """SIGTERM before there is an address: exit code 0, no word of a missing file, no process."""
    stack = PenstockProcess(arguments=("up",), data_dir=tmp_path, name="stack")
    stack.start()
    assert eventually(lambda: bool(descendants(stack.pid)), timeout_s=60)
    children = descendants(stack.pid)
    os.kill(stack.pid, signal.SIGTERM)
    started = time.monotonic()
    returncode = stack.stop()

    assert returncode == 0, stack.said()
    assert time.monotonic() - started < 15.0
    assert "No such file" not in stack.said()
    assert not [pid for pid in children if "penstock" in command_line(pid)]
