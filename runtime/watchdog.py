"""A thread that ends the process when a call does not come back or memory runs away.

Some library calls can block for ever (a transactional call after a broker restart), and an
estimator can loop; only something outside the lane's thread can act then, and the only safe
act is to end the process: the supervisor starts it again in the same slot.

A call in C that never lets go of the interpreter, such as a regular expression that backtracks
for ever, stops this thread too. Behind it stands a thread of `faulthandler`, which needs no
interpreter and can do two things: write where the call was to an open file, and end the process.
"""

import faulthandler
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import structlog

from runtime.log_outlet import drain_logs

EXIT_HUNG = 70
EXIT_MEMORY = 71
HELD_AFTER_S = 3.0
"""How long beyond its limit a call may go on before it is taken to hold the interpreter: more than last words take."""
_CHECK_EVERY_S = 0.25

_log = structlog.get_logger("penstock.watchdog")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Watch:
    call: str
    started: float
    deadline: float
    on_expiry: Callable[[str], None] | None


class Watchdog:
    """Limits on calls and on memory; `exit_process` is `os._exit` but for tests."""

    def __init__(self, *, memory_bytes_max: int, exit_process: Callable[[int], None] = os._exit) -> None:
        self._memory_bytes_max = memory_bytes_max
        self._exit = exit_process
        self._watch: _Watch | None = None
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watchdog", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopped.set()

    @contextmanager
    def limit(
        self,
        call: str,
        limit_s: float,
        on_expiry: Callable[[str], None] | None = None,
        *,
        held: IO[str] | None = None,
    ) -> Iterator[None]:
        """End the process unless the block is left within `limit_s`; `on_expiry` is told why first.

        `held`: where `faulthandler` writes, with exit code 1, when the block also keeps this thread from
        running; about 0.1 ms a call. One such block at a time.
        """
        now = time.monotonic()
        self._watch = _Watch(call=call, started=now, deadline=now + limit_s, on_expiry=on_expiry)
        if held is not None:
            faulthandler.dump_traceback_later(limit_s + HELD_AFTER_S, exit=True, file=held)
        try:
            yield
        finally:
            if held is not None:
                faulthandler.cancel_dump_traceback_later()
            self._watch = None

    @property
    def call_s(self) -> float:
        """How long the call that is limited now has been running; 0 when there is none."""
        watch = self._watch
        return 0.0 if watch is None else time.monotonic() - watch.started

    def _run(self) -> None:
        while not self._stopped.wait(_CHECK_EVERY_S):
            watch = self._watch
            if watch is not None and time.monotonic() > watch.deadline:
                self._end(EXIT_HUNG, watch, f"{watch.call} did not come back in time")
            resident = resident_bytes()
            if resident > self._memory_bytes_max:
                self._end(EXIT_MEMORY, watch, f"{resident} bytes resident, {self._memory_bytes_max} allowed")

    def _end(self, code: int, watch: _Watch | None, why: str) -> None:
        _log.critical("process ended by its watchdog", why=why, exit_code=code)
        if watch is not None and watch.on_expiry is not None:
            watch.on_expiry(why)
        self._stopped.set()
        drain_logs()
        self._exit(code)


def resident_bytes() -> int:
    """Resident memory of this process in bytes; 0 where the system does not tell."""
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    except (FileNotFoundError, IndexError, ValueError):
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")
