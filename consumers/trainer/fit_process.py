"""Runs a refit in a process of its own, within limits of time and memory, and says how it ended.

A job and rows go in through a folder; a prepared version comes out, or a `FitFailedError` with
the fault by name. Whoever waits can be told to stop, and then nothing has happened.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from consumers.errors import FitFailedError
from registry.labeled_rows import LabeledRows, write_rows
from registry.refit_process import EXIT_REFUSED, EXIT_VERSION_REFUSED, REFUSAL, ROWS, RefitJob
from runtime.watchdog import EXIT_MEMORY
from schemas.reasons import TrainingFault

_LOOK_S = 0.1
_WORDS_MAX = 500
_STDERR = "stderr.txt"


class FitProcess:
    """`python -m registry.refit_process` on a folder, one at a time. `timeout_s`: it is killed then."""

    def __init__(self, *, timeout_s: float) -> None:
        self._timeout_s = timeout_s

    def run(self, folder: Path, job: RefitJob, rows: LabeledRows, *, wanted: Callable[[], bool]) -> bool:
        """Do the job; what it made is in the folder. False when it was not `wanted` any more before its end.

        Raises `FitFailedError`.
        """
        job.write(folder)
        write_rows(folder / ROWS, rows)
        with (folder / _STDERR).open("wb") as errors:
            process = subprocess.Popen(
                [sys.executable, "-m", "registry.refit_process", str(folder), str(os.getpid())],
                stdin=subprocess.DEVNULL,
                stdout=errors,
                stderr=errors,
            )
        try:
            return self._watched(process, folder, job, wanted=wanted)
        finally:
            process.kill()
            process.wait()

    def _watched(
        self, process: "subprocess.Popen[bytes]", folder: Path, job: RefitJob, *, wanted: Callable[[], bool]
    ) -> bool:
        deadline = time.monotonic() + self._timeout_s
        while True:
            try:
                code = process.wait(_LOOK_S)
            except subprocess.TimeoutExpired:
                if not wanted():
                    return False
                if time.monotonic() > deadline:
                    detail = f"the fit took longer than {self._timeout_s:g} s"
                    raise FitFailedError(TrainingFault.TIMED_OUT, detail) from None
            else:
                if code:
                    raise FitFailedError(*_fault(code, folder, job))
                return True


def _fault(code: int, folder: Path, job: RefitJob) -> tuple[TrainingFault, str]:
    """What an exit code other than 0 means."""
    if code in _REFUSALS:
        return _REFUSALS[code], (folder / REFUSAL).read_text(encoding="utf-8")
    if code == EXIT_MEMORY:
        return TrainingFault.OUT_OF_MEMORY, f"the fit needed more than {job.memory_bytes_max:,} bytes"
    if code == -signal.SIGKILL:
        return TrainingFault.OUT_OF_MEMORY, "the system killed the fit, as it does when memory runs out"
    if code < 0:
        return TrainingFault.CRASHED, f"the fit was ended by {signal.Signals(-code).name}"
    lines = (folder / _STDERR).read_text(encoding="utf-8", errors="replace").split("\n")
    last = next((line.strip() for line in reversed(lines) if line.strip()), "it said nothing")
    return TrainingFault.CRASHED, f"the fit ended with exit code {code}: {last[:_WORDS_MAX]}"


_REFUSALS = {EXIT_REFUSED: TrainingFault.FIT_REFUSED, EXIT_VERSION_REFUSED: TrainingFault.VERSION_UNUSABLE}
