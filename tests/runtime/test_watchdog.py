"""The watchdog ends what hangs, after saying why."""

import threading
import time

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
