"""What a process last said of itself, in a file that others can read.

`run/<role>-<slot>.json` of the data directory, rewritten in one step every second, so that a
silent process can be told from a quiet one.
"""

import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import orjson

State = Literal["starting", "ready", "stopping", "stopped", "failed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """What a process last said of itself; `beat_at` is in ms since the epoch, `metrics_port` serves /metrics."""

    role: str
    slot: int
    pid: int
    state: State
    beat_at: int
    metrics_port: int
    detail: str = ""


def status_path(run_dir: Path, role: str, slot: int) -> Path:
    return run_dir / f"{role}-{slot}.json"


def read_status(run_dir: Path, role: str, slot: int) -> Status | None:
    """The last status of a slot, or None when it never ran or left no readable one."""
    try:
        return Status(**orjson.loads(status_path(run_dir, role, slot).read_bytes()))
    except (FileNotFoundError, ValueError, TypeError):
        return None


def write_status(run_dir: Path, status: Status) -> None:
    """Put it in the place of the last one, in one step. Raises `OSError`."""
    path = status_path(run_dir, status.role, status.slot)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(f".{os.getpid()}")
    temporary.write_bytes(orjson.dumps(asdict(status)))
    temporary.replace(path)
