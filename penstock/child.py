"""One supervised process: started, watched, started again with a backoff, stopped by a deadline."""

import os
import subprocess
import sys
import time
from dataclasses import dataclass

import structlog

from runtime.metrics import PROCESS_EXITS, PROCESS_RESTARTS, Meters
from runtime.process import EXIT_FENCED
from runtime.settings import Settings
from runtime.status import read_status, status_path
from runtime.watchdog import EXIT_HUNG, EXIT_MEMORY

HEALTHY_AFTER_S = 30.0
_STDERR_FD = 2
_CAUSES = {0: "stopped", EXIT_HUNG: "hung", EXIT_MEMORY: "memory", EXIT_FENCED: "fenced"}
CAUSES = (*_CAUSES.values(), "failed", "killed")
_log = structlog.get_logger("penstock.supervisor")


@dataclass(frozen=True, slots=True, kw_only=True)
class ChildSpec:
    """The role and slot that a process fills."""

    role: str
    slot: int


class Child:
    """A process in a slot; dying early makes the next start wait longer."""

    def __init__(self, spec: ChildSpec, settings: Settings, *, config: str | None, meters: Meters) -> None:
        self.role = spec.role
        self.name = f"{spec.role}-{spec.slot}"
        self._spec = spec
        self._settings = settings
        self._config = config
        self._meters = meters
        self._process: subprocess.Popen[bytes] | None = None
        self._metrics_port: int | None = None
        self._started_at = 0.0
        self._start_due: float | None = None
        self._deaths = 0
        # A series that begins at its first death would hide that one from Prometheus, which sees increases alone.
        for cause in CAUSES:
            meters.add(PROCESS_EXITS, 0, process=self.name, cause=cause)
        meters.add(PROCESS_RESTARTS, 0, process=self.name)

    @property
    def exit_code(self) -> int | None:
        return self._process.poll() if self._process is not None else None

    @property
    def dead(self) -> bool:
        return self.exit_code is not None

    @property
    def ready(self) -> bool:
        """Whether the process that runs now has said that it serves."""
        if self._process is None or self.dead:
            return False
        status = read_status(self._settings.run_dir, self._spec.role, self._spec.slot)
        return status is not None and status.pid == self._process.pid and status.state == "ready"

    @property
    def metrics_port(self) -> int | None:
        """Where the process serves /metrics, or where the one before it did; None before any has said so."""
        status = read_status(self._settings.run_dir, self._spec.role, self._spec.slot)
        if status is not None:
            self._metrics_port = status.metrics_port
        return self._metrics_port

    def start(self) -> None:
        self._process = subprocess.Popen(
            self._command(),
            env=self._environment(),
            stdin=subprocess.DEVNULL,
            # Standard output is for the line that says `ready`.
            stdout=_STDERR_FD,
            # Ctrl-C is for the supervisor, which stops its processes in order.
            start_new_session=True,
        )
        self._started_at = time.monotonic()
        self._start_due = None

    def restart_if_dead(self) -> None:
        """Start again what died, once its backoff is over."""
        code = self.exit_code
        if code is None:
            return
        now = time.monotonic()
        if self._start_due is None:
            self.count_death()
            self._deaths = 1 if now - self._started_at > HEALTHY_AFTER_S else self._deaths + 1
            limits = self._settings.supervisor
            wait_s = min(limits.restart_backoff_s * 2.0 ** min(self._deaths - 1, 20), limits.restart_backoff_max_s)
            if code == EXIT_FENCED:
                # Frozen for longer than its transaction may last, a process is fenced by the broker alone; so
                # the slot is tried again, slowly, in case that another stack really has it.
                wait_s = limits.restart_backoff_max_s
            self._start_due = now + wait_s
            _log.warning("process died", process=self.name, exit_code=code, cause=cause_of(code), restart_in_s=wait_s)
        elif now >= self._start_due:
            self.start()
            self._meters.add(PROCESS_RESTARTS, process=self.name)
            _log.info("process started again", process=self.name)

    def count_death(self) -> None:
        """Count how the process ended."""
        code = self.exit_code
        assert code is not None, "only what is dead has died"
        self._meters.add(PROCESS_EXITS, process=self.name, cause=cause_of(code))

    def ask_to_stop(self) -> None:
        if self._process is not None and not self.dead:
            self._process.terminate()

    def await_end(self, deadline: float) -> None:
        """Wait for the end until `deadline` (monotonic), then kill."""
        if self._process is None:
            return
        try:
            self._process.wait(max(deadline - time.monotonic(), 0.1))
        except subprocess.TimeoutExpired:
            _log.error("process did not stop in time and is killed", process=self.name)
            self._process.kill()
            self._process.wait(5.0)
        status_path(self._settings.run_dir, self._spec.role, self._spec.slot).unlink(missing_ok=True)

    def _command(self) -> list[str]:
        command = [sys.executable, "-m", "penstock", "run", self._spec.role, "--slot", str(self._spec.slot)]
        command += ["--supervised", "--data-dir", str(self._settings.data_dir)]
        return [*command, "--config", self._config] if self._config else command

    def _environment(self) -> dict[str, str]:
        kafka = self._settings.kafka
        return {
            # Scale-out is more processes: threads inside one that spin for the others' cores slow all of them.
            "OMP_NUM_THREADS": "1",
            **os.environ,
            "PENSTOCK_METRICS__PORT": "0",
            "PENSTOCK_KAFKA__BOOTSTRAP_SERVERS": kafka.bootstrap_servers,
            "PENSTOCK_KAFKA__CLUSTER_ID": kafka.cluster_id,
        }


def cause_of(exit_code: int) -> str:
    """Why a process ended, in a word.

    >>> [cause_of(code) for code in (70, 71, 72, 1, 0, -9)]
    ['hung', 'memory', 'fenced', 'failed', 'stopped', 'killed']
    """
    if exit_code < 0:
        return "killed"
    return _CAUSES.get(exit_code, "failed")
