"""A stack in a process of its own, `penstock up`, that always ends with whoever started it."""

import json
import select
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from penstock.errors import DemoFailedError

_READY_S = 90.0
_STOP_S = 20.0
_LOOK_S = 0.2


class StackProcess:
    """`penstock up` on a data directory; entering starts it, `await_ready` waits, leaving stops it."""

    def __init__(self, data_dir: Path, arguments: Sequence[str] = ()) -> None:
        self._data_dir = data_dir
        self._arguments = arguments
        self._log = data_dir / "up.log"
        self._process: subprocess.Popen[bytes] | None = None
        self._ready: dict[str, object] = {}

    def __enter__(self) -> Self:
        self._data_dir.mkdir(parents=True, exist_ok=True)
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "penstock", "up", "--data-dir", str(self._data_dir), *self._arguments],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                # Ctrl-C comes to us; the stack is stopped by us, in order.
                start_new_session=True,
            )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def await_ready(self) -> None:
        """Wait until everything serves. Raises `DemoFailedError`."""
        assert self._process is not None, "a stack is entered before it is waited for"
        assert self._process.stdout is not None, "stdout is a pipe"
        deadline = time.monotonic() + _READY_S
        while time.monotonic() < deadline:
            self.check()
            readable, _, _ = select.select([self._process.stdout], [], [], _LOOK_S)
            line = self._process.stdout.readline() if readable else b""
            if line.startswith(b"ready "):
                self._ready = json.loads(line[len(b"ready ") :])
                return
        raise DemoFailedError(f"the stack was not ready within {_READY_S:.0f} s: see {self._log}")

    @property
    def processes(self) -> tuple[str, ...]:
        """What the stack consists of, as its `ready` line says."""
        named = self._ready.get("processes")
        return tuple(map(str, named)) if isinstance(named, list) else ()

    def check(self) -> None:
        """Raise `DemoFailedError` when the stack has ended by itself."""
        if self._process is not None and self._process.poll() is not None:
            raise DemoFailedError(f"the stack ended by itself (exit code {self._process.returncode}): see {self._log}")

    def stop(self) -> None:
        """Stop the stack and wait for its end; kill it when it takes too long."""
        if self._process is None:
            return
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(_STOP_S)
        if self._process.stdout is not None:
            self._process.stdout.close()
        self._process = None
