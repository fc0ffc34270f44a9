"""One contender over one stretch of the requests topic: started, timed by the broker, judged."""

import os
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.contender_spec import Contender
from benchmarks.offsets import BenchmarkFailedError, Places
from benchmarks.outputs import check_outputs, read_outputs
from benchmarks.request_log import RequestLog
from benchmarks.workload import Truth
from tests.stack import resident_bytes_max

ROOT = Path(__file__).resolve().parents[1]
RUN_TIMEOUT_S = 300.0
STOP_TIMEOUT_S = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """What one turn of a contender came to; memory is the most that was ever resident.

    CPU time is that of all threads of the process, its start left out.
    """

    events_per_s: float
    events: int
    cpu_us_per_event: float
    resident_bytes_max: int


def take_turn(contender: Contender, places: Places, log: RequestLog, truth: Truth, *, said: Path) -> Turn:
    """Run it over its share of the log; the figure is given out only after its outputs were found right.

    Raises `BenchmarkFailedError` when they are not, or when it does not get to the end.
    """
    ends = places.ends(log.topic)
    starts = places.rewind(contender.group, log.topic, contender.records)
    output_starts = places.ends(contender.output_topic)
    with running(contender.command, said=said) as process:

        def alive() -> bool:
            return process.poll() is None

        begun = places.wait_begun(contender.group, log.topic, starts, alive=alive, timeout_s=RUN_TIMEOUT_S)
        cpu_before = cpu_s(process.pid)
        places.wait_committed(contender.group, log.topic, ends, alive=alive, timeout_s=RUN_TIMEOUT_S)
        cpu = cpu_s(process.pid) - cpu_before
        resident = resident_bytes_max(process.pid)
    outputs = read_outputs(
        places.bootstrap_servers, contender.output_topic, starts=output_starts, schema=contender.output_schema
    )
    check_outputs(outputs, truth, log.numbers_from(starts))
    events = len(outputs.numbers)
    return Turn(
        events_per_s=outputs.events_per_s(),
        events=events,
        cpu_us_per_event=cpu / max(events - begun, 1) * 1e6,
        resident_bytes_max=resident,
    )


@contextmanager
def running(command: Sequence[str], *, said: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A process that is asked to stop at the end. Raises `BenchmarkFailedError` when it ended before."""
    with said.open("ab") as out:
        process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=out, stderr=out)
    try:
        yield process
        if process.poll() is not None:
            raise BenchmarkFailedError(f"{' '.join(command)} ended with {process.returncode}; see {said}")
    finally:
        process.terminate()
        try:
            process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def cpu_s(pid: int) -> float:
    """Processor time that a process has used, in user and system mode."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
