"""The watchdog ends what hangs, after saying why."""

import subprocess
import sys
import threading
import time
from pathlib import Path

from runtime.watchdog import EXIT_HUNG, EXIT_MEMORY, Watchdog
from tests.runtime.lane_parts import eventually


def test_a_call_beyond_its_limit_ends_the_process_after_the_reason_was_noted() -> None:
    """The strike is written first, then the process ends with the code for a hung call."""
    events: list[object] = []
    watchdog = Watchdog(memory_bytes_max=1 << 40, exit_process=events.append)
    watchdog.start()

    with watchdog.limit("predict", 0.1, on_expiry=events.append):
        assert eventually(lambda: len(events) == 2, timeout_s=5)

    assert "predict" in str(events[0])
    assert events[1] == EXIT_HUNG


def test_a_call_within_its_limit_ends_nothing() -> None:
    """Leaving the block takes the limit away."""
    codes: list[int] = []
    watchdog = Watchdog(memory_bytes_max=1 << 40, exit_process=codes.append)
    watchdog.start()

    with watchdog.limit("predict", 0.2):
        pass
    time.sleep(0.8)
    watchdog.stop()

    assert codes == []


def test_memory_beyond_the_bound_ends_the_process() -> None:
    """Resident memory is looked at all the time."""
    ended = threading.Event()
    codes: list[int] = []

    def end(code: int) -> None:
        codes.append(code)
        ended.set()

    Watchdog(memory_bytes_max=1, exit_process=end).start()

    assert ended.wait(5)
    assert codes[0] == EXIT_MEMORY


HOLDS_THE_INTERPRETER = """
import re, sys
from runtime.watchdog import Watchdog

watchdog = Watchdog(memory_bytes_max=1 << 40)
watchdog.start()
with open(sys.argv[1], "a") as held, watchdog.limit("predict", 0.1, held=held):
    re.match("(a+)+$", "a" * 64 + "b")
"""


def test_a_call_that_holds_the_interpreter_is_ended_too(tmp_path: Path) -> None:
    """The watchdog's own thread can't run then; where the call was is in the file."""
    held = tmp_path / "held"
    ended = subprocess.run([sys.executable, "-c", HOLDS_THE_INTERPRETER, held], timeout=60, check=False)

    assert ended.returncode == 1
    assert held.read_text().startswith("Timeout (")
    assert "in match" in held.read_text()


def test_a_call_that_comes_back_leaves_nothing(tmp_path: Path) -> None:
    """The file for a call that holds the interpreter stays empty."""
    watchdog = Watchdog(memory_bytes_max=1 << 40, exit_process=lambda _code: None)
    with (tmp_path / "held").open("a") as held, watchdog.limit("predict", 60.0, held=held):
        pass

    assert (tmp_path / "held").read_text() == ""
