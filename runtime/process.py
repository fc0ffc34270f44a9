"""The life of one process: starting, ready, stopping, with a status file that others can read.

SIGTERM and SIGINT ask it to stop; so does the loss of its supervisor. What it reports is in
`run/<role>-<slot>.json`, rewritten every second, so that a silent process can be told from a
quiet one.
"""

import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path

import structlog

from runtime.clock import Clock
from runtime.errors import FencedError
from runtime.metrics import READY, Meters
from runtime.status import State, Status, status_path, write_status

EXIT_FAILED = 1
EXIT_FENCED = 72
BEAT_EVERY_S = 1.0

Body = Callable[[threading.Event, Callable[[], None]], None]
_log = structlog.get_logger("penstock.process")


class Process:
    """Runs a body until it is told to stop; the body calls `ready` when it serves."""

    def __init__(self, *, role: str, slot: int, run_dir: Path, clock: Clock, meters: Meters, metrics_port: int) -> None:
        self.role = role
        self.slot = slot
        self.stop = threading.Event()
        self._run_dir = run_dir
        self._clock = clock
        self._meters = meters
        self._metrics_port = metrics_port
        self._state: State = "starting"
        self._detail = ""
        self._asked_by = ""
        self._supervisor = os.getppid()
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._writes_fail = False

    def run(self, body: Body, *, supervised: bool) -> int:
        """Run `body(stop, ready)` to its end and return the process's exit code."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._asked_to_stop)
        beats = threading.Thread(target=self._beat, args=(supervised,), name="beat", daemon=True)
        self._enter("starting")
        beats.start()
        try:
            return self._run(body)
        finally:
            self._ended.set()

    def _run(self, body: Body) -> int:
        try:
            body(self.stop, lambda: self._enter("ready"))
        except FencedError as error:
            _log.error("fenced", detail=str(error))
            self._enter("failed", str(error))
            return EXIT_FENCED
        except Exception as error:  # noqa: BLE001  the verdict of last resort: say it, exit, be started again
            _log.exception("process failed", detail=str(error))
            self._enter("failed", f"{type(error).__name__}: {error}")
            return EXIT_FAILED
        self._enter("stopped")
        return 0

    def _asked_to_stop(self, number: int, _frame: object) -> None:
        """Only remember it: whatever takes a lock here could wait for the very thread that it interrupted."""
        self._state = "stopping"
        self._asked_by = signal.Signals(number).name
        self.stop.set()

    def _enter(self, state: State, detail: str = "") -> None:
        self._state = state
        self._detail = detail
        self._write()
        _log.info("state", state=state, detail=detail)

    def _beat(self, supervised: bool) -> None:  # noqa: FBT001  passed on by Thread as a positional argument
        while not self.stop.wait(BEAT_EVERY_S):
            self._write()
            if supervised and os.getppid() != self._supervisor:
                _log.warning("supervisor is gone")
                self.stop.set()
        if self._asked_by:
            _log.info("asked to stop", signal=self._asked_by)
        while not self._ended.wait(BEAT_EVERY_S):
            self._write()

    def _write(self) -> None:
        self._meters.set(READY, self._state == "ready", role=self.role, slot=str(self.slot))
        status = Status(
            role=self.role,
            slot=self.slot,
            pid=os.getpid(),
            state=self._state,
            beat_at=self._clock.now_ms(),
            metrics_port=self._metrics_port,
            detail=self._detail,
        )
        with self._lock:
            try:
                write_status(self._run_dir, status)
            except OSError as error:
                # A full disk silences the file, not the process: it goes on, and says so once.
                if not self._writes_fail:
                    _log.error(
                        "status can't be written",
                        path=str(status_path(self._run_dir, self.role, self.slot)),
                        detail=str(error),
                    )
                self._writes_fail = True
            else:
                self._writes_fail = False


def wait_until(condition: Callable[[], bool], *, timeout_s: float, every_s: float = 0.05) -> bool:
    """Look until the condition holds; False when it did not in time."""
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(every_s)
    return condition()
