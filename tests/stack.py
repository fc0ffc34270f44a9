"""`penstock` as a process of its own, for tests that judge it from outside.

In: the arguments a person would type. Out: its `ready` line, its exit code, its output in a
file. Ends only what it started.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

ROOT = Path(__file__).resolve().parents[1]
READY_TIMEOUT_S = 90.0
STOP_TIMEOUT_S = 20.0
POLL_S = 0.05
_LAST_LINES, _LINE_MAX = 12, 400


class StackFailedError(Exception):
    """The process ended or was not ready in time; the message ends with its output."""


@dataclass(slots=True, kw_only=True)
class PenstockProcess:
    """One `penstock ...` in the foreground of its own session: a stack (`up`) or a role (`run scorer`)."""

    arguments: tuple[str, ...]
    data_dir: Path
    config: Path | None = None
    name: str = "penstock"
    environment: Mapping[str, str] = field(default_factory=dict)
    _process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    def start(self) -> None:
        """Start, without waiting; what it says goes to files beside the data directory's logs."""
        assert not self.running, "a process is started once at a time"
        self.data_dir.mkdir(parents=True, exist_ok=True)
        self.out.unlink(missing_ok=True)
        with self.out.open("wb") as out, self.err.open("ab") as err:
            self._process = subprocess.Popen(
                command(*self.arguments, data_dir=self.data_dir, config=self.config),
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                env={**os.environ, **self.environment},
                start_new_session=True,
            )

    def wait_ready(self, timeout_s: float = READY_TIMEOUT_S) -> dict[str, Any]:
        """The content of the `ready {json}` line. Raises `StackFailedError`."""
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            for line in self.out.read_text(errors="replace").splitlines():
                if line.startswith("ready {"):
                    return dict(orjson.loads(line.removeprefix("ready ")))
            if not self.running:
                break
            time.sleep(POLL_S)
        raise StackFailedError(f"{self.name} was not ready within {timeout_s:.0f} s; {self.said()}")

    def stop(self, timeout_s: float = STOP_TIMEOUT_S) -> int:
        """SIGTERM, wait, and return the exit code. Raises `StackFailedError` when it does not end."""
        assert self._process is not None, "only what was started is stopped"
        if self.running:
            self._process.send_signal(signal.SIGTERM)
        try:
            return self._process.wait(timeout_s)
        except subprocess.TimeoutExpired as error:
            self.kill_with_children()
            raise StackFailedError(f"{self.name} did not stop within {timeout_s:.0f} s; {self.said()}") from error

    def kill(self) -> None:
        """End this one process without asking."""
        assert self._process is not None, "only what was started is killed"
        self._process.kill()
        self._process.wait()

    def kill_with_children(self) -> None:
        """End the process and all that it started."""
        assert self._process is not None, "only what was started is killed"
        for pid in (*descendants(self._process.pid), self._process.pid):
            kill_quietly(pid)
        self._process.wait()

    def said(self) -> str:
        """The end of its output, for messages."""
        lines = [*_tail(self.out), *_tail(self.err)]
        return "\n".join(["it said:", *lines])

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int:
        assert self._process is not None, "only what was started has a pid"
        return self._process.pid

    @property
    def returncode(self) -> int | None:
        return None if self._process is None else self._process.poll()

    @property
    def out(self) -> Path:
        return self.data_dir / f"{self.name}.out"

    @property
    def err(self) -> Path:
        return self.data_dir / f"{self.name}.err"


@contextmanager
def running_stack(
    data_dir: Path, *, config: Path | None = None, workers: int = 1, arguments: tuple[str, ...] = ()
) -> Iterator[PenstockProcess]:
    """`penstock up`, ready; stopped at the end, and its exit code checked."""
    stack = PenstockProcess(
        arguments=("up", "--workers", str(workers), *arguments), data_dir=data_dir, config=config, name="stack"
    )
    stack.start()
    try:
        stack.wait_ready()
        yield stack
    except BaseException as error:
        error.add_note(last_words(data_dir / "logs"))
        if stack.running:
            stack.kill_with_children()
        raise
    returncode = stack.stop()
    assert returncode == 0, f"the stack ended with {returncode}; {stack.said()}"


def penstock(
    *arguments: str,
    data_dir: Path,
    config: Path | None = None,
    environment: Mapping[str, str] | None = None,
    timeout_s: float = 120.0,
) -> str:
    """Run one command to its end and return what it printed. Raises `StackFailedError` unless it exits 0."""
    ended = subprocess.run(
        command(*arguments, data_dir=data_dir, config=config),
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
        env={**os.environ, **(environment or {})},
    )
    if ended.returncode != 0:
        raise StackFailedError(f"penstock {' '.join(arguments)} ended with {ended.returncode}: {ended.stderr}")
    return ended.stdout


def penstock_json(*arguments: str, data_dir: Path, config: Path | None = None) -> Any:
    """Run one command with `--json` and return what it printed, parsed."""
    return orjson.loads(penstock(*arguments, "--json", data_dir=data_dir, config=config))


def command(*arguments: str, data_dir: Path, config: Path | None) -> list[str]:
    """The argument list of one `penstock` call in this Python."""
    where = ["--data-dir", str(data_dir), *(["--config", str(config)] if config else [])]
    return [sys.executable, "-m", "penstock", *arguments, *where]


def descendants(pid: int) -> list[int]:
    """Processes that `pid` started, and theirs, as Linux lists them."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = entry.read_text().rsplit(")", 1)[1].split()
        except (OSError, IndexError):
            continue
        children.setdefault(int(fields[1]), []).append(int(entry.parent.name))
    found: list[int] = []
    waiting = [pid]
    while waiting:
        waiting += children.get(waiting.pop(), [])
        found += [child for child in waiting if child not in found]
    return found


def last_words(log_dir: Path) -> str:
    """What every process of a stack said last, for messages."""
    logs = sorted(log_dir.glob("*.log"))
    return "\n".join(
        line
        for log in logs
        for line in (f"{log.stem} said last:", *(text[:_LINE_MAX] for text in _tail(log, _LAST_LINES)))
    )


def command_line(pid: int) -> str:
    """How a process was started; empty when it is gone."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
    except OSError:
        return ""


def resident_bytes_max(pid: int) -> int:
    """The most memory that a process ever had resident, as Linux keeps it."""
    for line in Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1_024
    raise StackFailedError(f"the system does not tell the memory of process {pid}")


def kill_quietly(pid: int) -> None:
    """SIGKILL, whether or not the process is still there."""
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return


def _tail(path: Path, lines_max: int = 30) -> list[str]:
    return path.read_text(errors="replace").splitlines()[-lines_max:] if path.exists() else []
