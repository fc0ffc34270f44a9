"""Waiting for what a test needs to happen next, each time with a bound and a word about what did not come."""

import time
from collections.abc import Callable, Sequence

from tests.services.deployment import Deployment
from tests.services.topic_records import OpenTransactions

BACK_S = 90.0
BUSY_S = 60.0


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


def wait_until_mid_transaction(watch: OpenTransactions) -> None:
    """Return in the moment in which some transaction is seen to be open."""
    wait_for(watch.any, "a transaction is open", every_s=0.0)
