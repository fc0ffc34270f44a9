"""The way of log lines to one destination: bounded, and never waited for by whoever logs.

Lines go into a queue, and a thread hands them on. Where the queue is full, because a broker is
away, a disk hangs or nobody reads a pipe, further lines are dropped and counted, and once lines
pass again one of them says how many were.
"""

import logging
import queue
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Protocol

import structlog

SAY_DROPS_EVERY_S = 10.0
LAST_WORDS_S = 1.0
_LOOK_EVERY_S = 0.5
_DRAIN_LOOK_S = 0.005
_log = structlog.get_logger("penstock.logs")


class Destination(Protocol):
    """Where lines end up; used on the outlet's thread only, but for `flush`."""

    @property
    def name(self) -> str: ...

    def deliver(self, record: logging.LogRecord) -> None:
        """Write one line; whatever this raises is a dropped line."""
        ...

    def flush(self, timeout_s: float) -> None:
        """Let go of what was delivered and is still held here."""
        ...

    def close(self) -> None:
        """Nothing is delivered after this."""
        ...


class Outlet(logging.Handler):
    """Hands lines to a destination on a thread of its own; `on_drop` is told of each line that was not."""

    def __init__(self, destination: Destination, *, lines_max: int, on_drop: Callable[[str], None]) -> None:
        super().__init__()
        self._destination = destination
        self._lines: queue.Queue[logging.LogRecord | None] = queue.Queue(maxsize=lines_max)
        self._on_drop = on_drop
        self._closed = threading.Event()
        self._drops_lock = threading.Lock()
        self._drops_unsaid = 0
        self._say_due = 0.0
        self._thread = threading.Thread(target=self._run, name=f"log-{destination.name}", daemon=True)
        self._thread.start()

    def emit(self, record: logging.LogRecord) -> None:
        try:
            self._lines.put_nowait(record)
        except queue.Full:
            self.drop()

    def drop(self) -> None:
        """Count a line that did not reach its destination."""
        with self._drops_lock:
            self._drops_unsaid += 1
        self._on_drop(self._destination.name)

    def drain(self, timeout_s: float) -> bool:
        """Wait until everything so far has been handed on; False when that took too long."""
        deadline = time.monotonic() + timeout_s
        while self._lines.unfinished_tasks and time.monotonic() < deadline:
            time.sleep(_DRAIN_LOOK_S)
        if self._lines.unfinished_tasks:
            return False
        self._destination.flush(max(deadline - time.monotonic(), 0.0))
        return True

    def stop(self, timeout_s: float) -> None:
        """Take no more lines, and hand on what is there, for so long at most."""
        logging.getLogger().removeHandler(self)
        drained = self.drain(timeout_s)
        self._closed.set()
        if drained:
            with suppress(queue.Full):
                self._lines.put_nowait(None)
            self._thread.join(timeout_s)

    def _run(self) -> None:
        while not self._closed.is_set():
            try:
                record = self._lines.get(timeout=_LOOK_EVERY_S)
            except queue.Empty:
                self._destination.flush(0.0)
                self._say_drops()
                continue
            try:
                if record is not None:
                    self._destination.deliver(record)
            except Exception:  # noqa: BLE001  a line that can't be written must never stop a process: it is counted
                self.drop()
            finally:
                self._lines.task_done()
            self._say_drops()
        self._destination.close()

    def _say_drops(self) -> None:
        """Say once in a while how many lines were dropped, as soon as there is room to say it."""
        now = time.monotonic()
        if not self._drops_unsaid or now < self._say_due or self._lines.full():
            return
        with self._drops_lock:
            lines, self._drops_unsaid = self._drops_unsaid, 0
        self._say_due = now + SAY_DROPS_EVERY_S
        _log.warning("log lines were dropped", destination=self._destination.name, lines=lines)


def open_outlets() -> list[Outlet]:
    """Those that lines of this process go through now."""
    return [handler for handler in logging.getLogger().handlers if isinstance(handler, Outlet)]


def drain_logs() -> None:
    """Let the last words out before a process ends itself, for a bounded time."""
    deadline = time.monotonic() + LAST_WORDS_S
    for outlet in open_outlets():
        outlet.drain(max(deadline - time.monotonic(), 0.05))
