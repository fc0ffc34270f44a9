"""An open-loop producer as a process of its own: it sends on schedule, however slow the answers are.

In: a spec file with rate, numbers and topic. Out: when it begins, one line with the wall time
(ns) at which request 0 is due; request i is due i / rate later, and latencies count from then,
so that a stall of the system, or of this generator, is never left out.
"""

import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import orjson
from confluent_kafka import Producer

from benchmarks.workload import build_workload, encode_requests, load_schema

TICK_S = 0.002


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadSpec:
    """What to send where, how fast."""

    bootstrap_servers: str
    topic: str
    schema: str
    schema_id: int
    first_number: int
    count: int
    per_s: float

    def write(self, path: Path) -> None:
        path.write_bytes(orjson.dumps(asdict(self)))

    @classmethod
    def read(cls, path: Path) -> "LoadSpec":
        return cls(**orjson.loads(path.read_bytes()))


def build_load_producer(bootstrap_servers: str) -> Producer:
    """A producer that loses nothing and waits little."""
    return Producer(
        {
            "bootstrap.servers": bootstrap_servers,
            "partitioner": "murmur2_random",
            "enable.idempotence": True,
            "linger.ms": 2,
            "batch.size": 262_144,
            "queue.buffering.max.messages": 2_000_000,
            "queue.buffering.max.kbytes": 1_048_576,
        }
    )


def send_on_schedule(producer: Producer, spec: LoadSpec, requests: list[tuple[bytes, bytes]]) -> None:
    """Say when request 0 is due (wall time in ns), then send request i when it is due."""
    print(time.time_ns(), flush=True)
    started = time.monotonic()
    sent = 0
    while sent < len(requests):
        due = min(int((time.monotonic() - started) * spec.per_s) + 1, len(requests))
        for key, value in requests[sent:due]:
            producer.produce(spec.topic, value, key)
        sent = due
        producer.poll(0)
        time.sleep(TICK_S)
    if producer.flush(60):
        raise SystemExit("the broker did not take all requests")


def main() -> None:
    """Encode everything first, then send; the spec file is the one argument."""
    spec = LoadSpec.read(Path(sys.argv[1]))
    numbers = range(spec.first_number, spec.first_number + spec.count)
    requests = list(
        encode_requests(build_workload(), numbers, schema=load_schema(spec.schema), schema_id=spec.schema_id)
    )
    producer = build_load_producer(spec.bootstrap_servers)
    producer.list_topics(spec.topic, timeout=10)
    send_on_schedule(producer, spec, requests)


if __name__ == "__main__":
    main()
