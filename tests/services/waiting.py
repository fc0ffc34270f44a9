"""Waiting for what a test needs to happen next, each time with a bound and a word about what did not come."""

import os
import signal
import time
from collections.abc import Callable, Sequence

from tests.services.deployment import Deployment
from tests.services.topic_records import OpenTransactions

BACK_S = 90.0
# A member that is slow to answer holds up its group for a minute (max.poll.interval.ms), and what was lost with a
# disk is read again after that.
WORKS_AGAIN_S = 180.0
BUSY_S = 60.0
FREEZES_MAX = 200
# Longer than a transaction of a process that is not frozen takes, also on a busy machine.
STANDS_OPEN_S = 0.5


def wait_for(condition: Callable[[], bool], what: str, *, timeout_s: float = BUSY_S, every_s: float = 0.05) -> None:
    """Look until the condition holds."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, f"waited {timeout_s:.0f} s for this: {what}"
        time.sleep(every_s)


def wait_ready(deployment: Deployment, slots: Sequence[int]) -> dict[int, int]:
    """The processes of these slots, once all of them say that they serve."""
    return wait_replaced(deployment, slots, {})


def wait_replaced(deployment: Deployment, slots: Sequence[int], before: dict[int, int]) -> dict[int, int]:
    """The processes of these slots, once they are others than before and say that they serve."""
    pids: dict[int, int] = {}

    def all_back() -> bool:
        found = {slot: deployment.scorer_pid(slot) for slot in slots}
        pids.update({slot: pid for slot, pid in found.items() if pid is not None and pid != before.get(slot)})
        return len(pids) == len(slots)

    wait_for(all_back, f"scorers {slots} are back", timeout_s=BACK_S)
    return pids


def wait_until_mid_transaction(watch: OpenTransactions, *, timeout_s: float = BUSY_S) -> None:
    """Return in the moment in which some transaction is seen to be open."""
    wait_for(watch.any, "a transaction is open", timeout_s=timeout_s, every_s=0.0)


def freeze_mid_transaction(watch: OpenTransactions, pids: Sequence[int]) -> None:
    """Stop these processes (SIGSTOP) with a transaction of theirs open, which takes a few tries.

    Those that are just coming back get the time for it.
    """
    for _ in range(FREEZES_MAX):
        wait_until_mid_transaction(watch, timeout_s=WORKS_AGAIN_S)
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        if watch.stands_open(STANDS_OPEN_S):
            return
        for pid in pids:
            os.kill(pid, signal.SIGCONT)
    raise AssertionError(f"in {FREEZES_MAX} tries no process was frozen in the middle of a transaction")
