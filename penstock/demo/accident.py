"""An accident on purpose: one scorer is killed without being asked, in the midst of its work, and comes back."""

import os
import signal
import time

from penstock.errors import DemoFailedError
from runtime.settings import Settings
from runtime.status import read_status

ROLE = "scorer"


class Accident:
    """Kills the scorer of one slot, once, and notices when another process serves in that slot."""

    def __init__(self, settings: Settings, *, slot: int = 0) -> None:
        self.name = f"{ROLE}-{slot}"
        self._run_dir = settings.run_dir
        self._slot = slot
        self._pid: int | None = None
        self._happened_at = 0.0
        self.healed_s: float | None = None

    @property
    def happened(self) -> bool:
        return self._pid is not None

    def happen(self) -> int:
        """SIGKILL; returns the process that is no more. Raises `DemoFailedError` when none served in that slot."""
        pid = self._serving()
        if pid is None:
            raise DemoFailedError(f"{self.name} did not serve when it was to be killed")
        os.kill(pid, signal.SIGKILL)
        self._pid, self._happened_at = pid, time.monotonic()
        return pid

    def heal(self) -> bool:
        """True the first time that another process is seen to serve in the slot."""
        if self._pid is None or self.healed_s is not None:
            return False
        if self._serving() in (None, self._pid):
            return False
        self.healed_s = time.monotonic() - self._happened_at
        return True

    def _serving(self) -> int | None:
        status = read_status(self._run_dir, ROLE, self._slot)
        return status.pid if status is not None and status.state == "ready" else None
