"""Latency under an even load: from the moment a request was due to a read_committed consumer's hands."""

import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from confluent_kafka import Consumer, TopicPartition

from benchmarks.contender import ROOT
from benchmarks.load_generator import LoadSpec
from benchmarks.offsets import BenchmarkFailedError, Places
from benchmarks.outputs import decode_outputs

WARM_UP_S = 3.0
QUIET_S = 20.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Latency:
    """Milliseconds from due to readable, at one rate."""

    per_s: float
    events: int
    ms_p50: float
    ms_p99: float
    ms_max: float


def measure_latency(spec: LoadSpec, places: Places, *, output_topic: str, output_schema: str, folder: Path) -> Latency:
    """Send on schedule, read along, and check that every request was answered exactly once."""
    path = folder / f"load-{spec.first_number}.json"
    spec.write(path)
    starts = places.ends(output_topic)
    generator = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.load_generator", str(path)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    try:
        assert generator.stdout is not None, "its output is a pipe"
        started_ns = int(generator.stdout.readline() or -1)
        values, received_ns = _read_along(places.bootstrap_servers, output_topic, starts, count=spec.count)
        if generator.wait(60) != 0:
            raise BenchmarkFailedError("the load generator failed")
    finally:
        generator.kill()
    numbers, _scores = decode_outputs(values, output_schema)
    positions = numbers - spec.first_number
    if not np.array_equal(np.sort(positions), np.arange(spec.count)):
        raise BenchmarkFailedError(f"{spec.count} requests sent, {len(np.unique(positions))} of them answered")
    return _summarize(spec, positions, received_ns, started_ns=started_ns)


def _summarize(
    spec: LoadSpec, positions: npt.NDArray[np.int64], received_ns: npt.NDArray[np.int64], *, started_ns: int
) -> Latency:
    due_s = positions / spec.per_s
    latency_ms = ((received_ns - started_ns) / 1e9 - due_s) * 1_000
    counted = latency_ms[due_s >= WARM_UP_S]
    p50, p99 = np.percentile(counted, [50, 99])
    return Latency(
        per_s=spec.per_s, events=len(counted), ms_p50=float(p50), ms_p99=float(p99), ms_max=float(counted.max())
    )


def _read_along(
    bootstrap_servers: str, topic: str, starts: dict[int, int], *, count: int
) -> tuple[list[bytes], npt.NDArray[np.int64]]:
    """The first `count` records and when each was in hand; decoding waits until after the measurement."""
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap_servers,
            "group.id": "bench.latency",
            "isolation.level": "read_committed",
            "enable.auto.commit": False,
            "auto.offset.reset": "error",
            "fetch.wait.max.ms": 100,
        }
    )
    consumer.assign([TopicPartition(topic, partition, offset) for partition, offset in starts.items()])
    values: list[bytes] = []
    times: list[npt.NDArray[np.int64]] = []
    quiet_since = time.monotonic()
    while len(values) < count:
        # One record is waited for and the rest taken as it is: a poll for many would wait for them.
        messages = [*consumer.consume(1, 0.5), *consumer.consume(10_000, 0.0)]
        if messages:
            quiet_since = time.monotonic()
            times.append(np.full(len(messages), time.time_ns(), dtype=np.int64))
            values += [message.value() or b"" for message in messages]
        elif time.monotonic() - quiet_since > QUIET_S:
            raise BenchmarkFailedError(f"{len(values)} of {count} predictions came, and no more for {QUIET_S:.0f} s")
    consumer.close()
    return values, np.concatenate(times)
