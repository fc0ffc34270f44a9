"""What a version costs on this machine: time for one row and for a thousand, and memory at its peak.

A loaded version and its golden rows come in, milliseconds and bytes go out. Timed on one thread,
as workers score, by the median of a few calls after a first one that is not counted.
"""

import resource
import statistics
import time
from contextlib import suppress
from pathlib import Path

import numpy as np
import pyarrow as pa
from threadpoolctl import threadpool_limits

from registry.loaded import LoadedVersion

CALLS_MAX = 21
SPENT_S_MAX = 2.0
_CLEAR_REFS, _STATUS = Path("/proc/self/clear_refs"), Path("/proc/self/status")
_RESET_PEAK = "5"


def latency_ms(version: LoadedVersion, rows: pa.RecordBatch, *, batch_rows: int) -> float:
    """The median time to fit and score a batch of that many rows, which repeat those given."""
    batch = rows.take(pa.array(np.arange(batch_rows) % rows.num_rows))
    taken: list[float] = []
    with threadpool_limits(1):
        started = time.perf_counter()
        while len(taken) < 2 or (len(taken) < CALLS_MAX and time.perf_counter() - started < SPENT_S_MAX):
            before = time.perf_counter()
            frame, _ = version.fit(batch)
            version.score(frame)
            taken.append((time.perf_counter() - before) * 1_000)
    return statistics.median(taken[1:])


class PeakMemory:
    """How much this process grew at most since it was made.

    Understated by what the process had allocated and left free before; where the system does not
    let the peak be reset, growth below an earlier peak is not seen.
    """

    def __init__(self) -> None:
        with suppress(OSError):
            _CLEAR_REFS.write_text(_RESET_PEAK, encoding="ascii")
        self._before = _peak_bytes()

    def growth_bytes(self) -> int:
        return max(_peak_bytes() - self._before, 0)


def _peak_bytes() -> int:
    """The most memory that was resident since the last reset, or since the process began."""
    with suppress(OSError, ValueError):
        for line in _STATUS.read_text(encoding="ascii").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1_024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1_024
