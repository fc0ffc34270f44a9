"""One process of a role on a data directory: one `up`, and on the embedded broker one scorer and one sink.

A directory comes in; the lock in it is held until the process ends, however it ends. Process ids
would not do: they are given again, in containers to the very same program.
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
    lock = os.open(_path(run_dir, role), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC)
    try:
        if not wait_until(lambda: _locked(lock, fcntl.LOCK_EX), timeout_s=EARLIER_ENDS_S):
            raise RoleTakenError(role, run_dir.parent)
        yield
    finally:
        os.close(lock)


def is_held(run_dir: Path, role: str) -> bool:
    """Whether a process that lives holds the role; looking needs no right to write."""
    try:
        lock = os.open(_path(run_dir, role), os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        return not _locked(lock, fcntl.LOCK_SH)
    finally:
        os.close(lock)


def _path(run_dir: Path, role: str) -> Path:
    return run_dir / f"{role}.lock"


def _locked(lock: int, kind: int) -> bool:
    try:
        fcntl.flock(lock, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
