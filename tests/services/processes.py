"""The process of a server: started so that it never outlives its tests, waited for, and ended."""

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.services.errors import ServerFailedError
from tests.services.ports import answers

STOP_TIMEOUT_S = 30.0
POLL_S = 0.1


@dataclass(slots=True, kw_only=True)
class ServerProcess:
    """One server at a time, with all that it starts, in a process group of its own; `name` begins a sentence."""

    name: str
    start_timeout_s: float
    _process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    @property
    def pid(self) -> int | None:
        """The server's process id while it runs."""
        return self._process.pid if self._process is not None and self.running else None

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def start(
        self, command: Sequence[str | Path], log: Path, *, port: int, serves: Callable[[], bool], **how: Any
    ) -> None:
        """Start and wait until it answers on that port and `serves`; `how` goes to `Popen`.

        Raises `ServerFailedError` when it ends or does not get ready in time.
        """
        assert not self.running, "a server is started once at a time"
        with log.open("ab") as out:
            self._process = subprocess.Popen(
                [*_dies_with_us(), *command],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                **how,
            )
        deadline = time.monotonic() + self.start_timeout_s
        while time.monotonic() < deadline:
            if not self.running:
                raise ServerFailedError(f"{self.name} ended while it started", log)
            if answers(port) and serves():
                return
            time.sleep(POLL_S)
        self.kill(port=port)
        raise ServerFailedError(f"{self.name} was not ready within {self.start_timeout_s:.0f} s", log)

    def stop(self, *, port: int) -> None:
        """Ask the server to end and wait; kill it when it does not."""
        if self._process is None:
            return
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self.kill(port=port)
        self._process = None

    def kill(self, *, port: int) -> None:
        """End the server and what it started without asking, and wait until it has let go of its port."""
        if self._process is None:
            return
        if self.running:
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait(STOP_TIMEOUT_S)
        self._process = None
        # Where a launcher was started, the server is its child, so only the port says that it is gone.
        deadline = time.monotonic() + STOP_TIMEOUT_S
        while answers(port):
            assert time.monotonic() < deadline, "a killed server lets go of its port"
            time.sleep(POLL_S)


def _dies_with_us() -> list[str]:
    """Where util-linux has it, a server gets SIGTERM when whoever started it is killed."""
    setpriv = shutil.which("setpriv")
    return [setpriv, "--pdeathsig=TERM"] if setpriv else []
