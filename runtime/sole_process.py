"""One process of a role on the embedded broker, where no group shares the partitions out.

A path comes in; the lock on it is held until the process ends, however it ends.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from runtime.errors import RoleTakenError
from runtime.process import wait_until

# A process whose supervisor was killed notices within a second or two, and ends its batch first.
EARLIER_ENDS_S = 10.0


@contextmanager
def sole_process(run_dir: Path, role: str) -> Iterator[None]:
    """Hold the role. Raises `RoleTakenError` when another process keeps it."""
    run_dir.mkdir(parents=True, exist_ok=True)
    lock = os.open(run_dir / f"{role}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC)
    try:
        if not wait_until(lambda: _locked(lock), timeout_s=EARLIER_ENDS_S):
            raise RoleTakenError(role, run_dir.parent)
        yield
    finally:
        os.close(lock)


def _locked(lock: int) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
