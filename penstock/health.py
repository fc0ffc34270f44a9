"""Whether one process serves, told by what it last wrote of itself, or by its metrics.

Asked every few seconds by whatever runs the containers, so it looks and does nothing else: no
broker is asked, no library of Kafka or of models is imported.
"""

import time
import urllib.request

from runtime.settings import Settings
from runtime.status import Status, read_status

SILENT_MS = 8_000


def fault_of(settings: Settings, role: str, slot: int, *, timeout_s: float) -> str | None:
    """What is wrong with a process; None when it said lately that it serves.

    A process that could not write its file, on a full disk, is asked by its metrics.
    """
    name = f"{role}-{slot}"
    status = read_status(settings.run_dir, role, slot)
    if status is None:
        return f"{name} has not started"
    silent_ms = int(time.time() * 1_000) - status.beat_at
    if silent_ms > SILENT_MS:
        if _serves(settings, status, timeout_s=timeout_s):
            return None
        return f"{name} has been silent for {silent_ms // 1000} s"
    if status.state != "ready":
        return f"{name} is {status.state}{': ' if status.detail else ''}{status.detail}"
    return None


def _serves(settings: Settings, status: Status, *, timeout_s: float) -> bool:
    """Whether the process answers where it served its metrics, and says there that it serves."""
    host = "127.0.0.1" if settings.metrics.host in ("", "0.0.0.0", "::") else settings.metrics.host  # noqa: S104
    try:
        with urllib.request.urlopen(f"http://{host}:{status.metrics_port}/metrics", timeout=timeout_s) as answer:
            page = str(answer.read().decode())
    except (OSError, ValueError):
        return False
    return f'penstock_ready{{role="{status.role}",slot="{status.slot}"}} 1.0' in page
