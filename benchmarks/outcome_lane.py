"""How many labels a second one outcome process joins on a real broker, with a million predictions pending.

    .venv/bin/python -m benchmarks.outcome_lane [--short]

Predictions are written first and taken by the lane until all of them are pending. Then it stops,
labels are written, and it starts again on its disk: the rate is that of committed labels from the
first commit to the last. The process's own time on the processors is told beside it, since a machine that
does other things as well makes the rate smaller. Every label must have become an outcome, or no
figure is printed. The whole run writes `benchmarks/results/outcomes.json` and its part of `docs/benchmarks.md`.
"""

import argparse
import os
import platform
import random
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path

import numpy as np
import orjson
import pyarrow as pa
from confluent_kafka import Consumer, Producer, TopicPartition

from benchmarks.contender import ROOT, cpu_s
from benchmarks.offsets import BenchmarkFailedError, Places
from benchmarks.page import OUTCOMES_HEADING, write_part
from benchmarks.penstock_side import PARTITIONS, ServedModel, serve_model, write_config
from benchmarks.workload import (
    EVENT_TIME_FIRST_MS,
    FEATURES,
    MODEL,
    ROWS,
    Workload,
    build_workload,
    entity_id,
    request_id,
)
from penstock import wiring
from runtime.groups import outcomes_group
from runtime.settings import Settings, load_settings
from schemas.columns import PredictionColumns, RequestColumns
from schemas.events import Label
from schemas.prediction_encoder import PredictionEncoder
from schemas.topics import LABELS, OUTCOMES
from tests.services.kafka_server import KafkaServer
from tests.services.topic_records import read_topic
from tests.stack import PenstockProcess

CHUNK = 10_000
EVENT_EVERY_MS = 200
DELAY_MS = 1_800_000
OUT_OF_ORDER = 5_000
WAIT_S = 600.0
TARGET_PER_S = 25_000
RESULTS = ROOT / "benchmarks" / "results" / "outcomes.json"
LIBRARIES = ("confluent-kafka", "pyruhvro", "rocksdict")
PART = """\
{heading}

One outcome process at its defaults, exactly once, and a real Kafka 4.1 broker on the same machine.
First {pending:,} predictions with 20 features are taken until all of them are pending.
Then the process starts again on its disk, and {labels:,} labels come, a little out of order.
A figure is only given after every label was found to have become one outcome.

Measured on {machine}; {load:.1f} processes ran or waited for a processor meanwhile.

| what | measured | wanted at least |
|---|---:|---:|
| labels joined a second, with {pending:,} predictions pending | {labels_per_s:,.0f} | {target:,} |
| the process's time on the processors, us a label | {cpu_us_a_label:.1f} | |
| predictions taken a second | {predictions_per_s:,.0f} | |
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """How many are pending, and how many are labeled."""

    pending: int
    labels: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What was measured; `load`: processes that ran or waited for a processor, in the last minute of it."""

    labels_per_s: float
    cpu_us_a_label: float
    predictions_per_s: float
    load: float


FULL = Sizes(pending=1_000_000, labels=500_000)
SHORT = Sizes(pending=100_000, labels=50_000)


def main() -> int:
    """Measure and print; exit code 1 below the target or when something is missing."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--short", action="store_true", help="a tenth of it, to see that it works; nothing is written")
    sizes = SHORT if parser.parse_args().short else FULL
    with tempfile.TemporaryDirectory(prefix="penstock-bench-") as folder:
        server = KafkaServer(data_dir=Path(folder) / "kafka")
        server.start()
        try:
            figures = measure(server.bootstrap_servers, Path(folder), sizes)
        except BenchmarkFailedError as error:
            print(f"no figure: {error}", file=sys.stderr)
            return 1
        finally:
            server.stop()
    print(f"{figures.labels_per_s:,.0f} labels a second joined by one process, {sizes.pending:,} predictions pending")
    print(f"{figures.cpu_us_a_label:.1f} us of the processors a label; {figures.load:.1f} processes waited for them")
    if sizes is SHORT:
        return 0
    RESULTS.write_bytes(
        orjson.dumps(
            {"machine": machine(), "sizes": asdict(sizes), **asdict(figures), "at_least": TARGET_PER_S},
            option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE,
        )
    )
    write_part(OUTCOMES_HEADING, as_markdown(figures, sizes))
    return 0 if figures.labels_per_s >= TARGET_PER_S else 1


def machine() -> str:
    """What it was measured on."""
    libraries = ", ".join(f"{library} {version(library)}" for library in LIBRARIES)
    system = f"{platform.system()} {platform.machine()}, Python {platform.python_version()}"
    return f"{os.cpu_count()} cores, {system}, {libraries}"


def as_markdown(figures: Figures, sizes: Sizes) -> str:
    """The part of `docs/benchmarks.md`."""
    return PART.format(
        heading=OUTCOMES_HEADING,
        machine=machine(),
        pending=sizes.pending,
        labels=sizes.labels,
        target=TARGET_PER_S,
        **asdict(figures),
    )


def measure(bootstrap_servers: str, folder: Path, sizes: Sizes) -> Figures:
    """Labels committed a second, and what that took."""
    workload = build_workload()
    served = serve_model(workload, bootstrap_servers=bootstrap_servers, folder=folder)
    config = write_config(folder, bootstrap_servers=bootstrap_servers, decoder="arrow")
    settings = load_settings(config, data_dir=folder / "data")
    labels_topic = wiring.topics(settings).of(LABELS, MODEL)
    places = Places(bootstrap_servers=bootstrap_servers)
    lane = PenstockProcess(
        arguments=("run", "outcomes", "--slot", "0"), data_dir=folder / "data", config=config, name="outcomes-0"
    )
    write_predictions(bootstrap_servers, served, workload, sizes.pending)
    lane.start()
    predictions = _follow(settings, served.predictions_topic, places.ends(served.predictions_topic), lane.pid)
    lane.stop(30.0)
    write_labels(settings, labels_topic, sizes)
    lane.start()
    labels = _follow(settings, labels_topic, places.ends(labels_topic), lane.pid)
    lane.stop(30.0)
    outcomes = len(read_topic(bootstrap_servers, wiring.topics(settings).of(OUTCOMES, MODEL)))
    if outcomes != sizes.labels:
        raise BenchmarkFailedError(f"{outcomes} outcomes of {sizes.labels} labels")
    return Figures(
        labels_per_s=labels.records_per_s,
        cpu_us_a_label=labels.cpu_us_a_record,
        predictions_per_s=predictions.records_per_s,
        load=os.getloadavg()[0],
    )


def write_predictions(bootstrap_servers: str, served: ServedModel, workload: Workload, count: int) -> None:
    """Predictions as the scorer writes them, one every 200 ms of event time."""
    encoder = PredictionEncoder("arrow", schema_id=served.prediction_schema_id, schema=served.prediction_schema)
    producer = _producer(bootstrap_servers)
    for start in range(0, count, CHUNK):
        numbers = np.arange(start, min(start + CHUNK, count), dtype=np.int64)
        for number, value in zip(numbers.tolist(), encoder.encode(_columns(workload, numbers)), strict=True):
            producer.produce(served.predictions_topic, value=value, key=entity_id(number).encode())
        producer.flush(60)


def write_labels(settings: Settings, topic: str, sizes: Sizes) -> None:
    """A label for the newest predictions, half an hour after each, a little out of order."""
    chooser = random.Random(5)
    numbers = list(range(sizes.pending - sizes.labels, sizes.pending))
    numbers.sort(key=lambda number: number + chooser.randrange(OUT_OF_ORDER))
    codec, producer = wiring.codec(settings), _producer(settings.kafka.bootstrap_servers)
    for place, number in enumerate(numbers):
        label = Label(
            model=MODEL,
            request_id=request_id(number),
            entity_id=entity_id(number),
            label=chooser.choice(("0", "1")),
            event_time=EVENT_TIME_FIRST_MS + number * EVENT_EVERY_MS + DELAY_MS,
        )
        producer.produce(topic, value=codec.encode(label), key=label.entity_id.encode())
        if place % CHUNK == 0:
            producer.flush(60)
    producer.flush(60)


def _columns(workload: Workload, numbers: "np.typing.NDArray[np.int64]") -> PredictionColumns:
    rows = len(numbers)
    features = [pa.array(column) for column in workload.features[numbers % ROWS].T]
    times = EVENT_TIME_FIRST_MS + numbers * EVENT_EVERY_MS
    scores = workload.expected_scores(numbers)
    return PredictionColumns(
        model=MODEL,
        role="live",
        generation=1,
        scored_at=EVENT_TIME_FIRST_MS,
        requests=RequestColumns(
            rows=np.arange(rows),
            request_ids=pa.array([request_id(number) for number in numbers.tolist()]),
            entity_ids=pa.array([entity_id(number) for number in numbers.tolist()]),
            event_times=times,
            features=pa.RecordBatch.from_arrays(features, names=list(FEATURES)),
        ),
        versions=["1"] * rows,
        arms=["primary"] * rows,
        buckets=np.full(rows, -1),
        scores=scores,
        labels=["1" if score > 0.5 else "0" for score in scores.tolist()],
        probabilities=[None] * rows,
        requested_at=times,
        partitions=np.zeros(rows, dtype=np.int64),
        offsets=numbers,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Pace:
    """How fast records were committed, and what of the processors each took."""

    records_per_s: float
    cpu_us_a_record: float


def _follow(settings: Settings, topic: str, ends: dict[int, int], pid: int) -> _Pace:
    """Wait until all is committed; the pace between the first commit that was seen and the last."""
    group = outcomes_group(settings.topics.prefix)
    consumer = Consumer({"bootstrap.servers": settings.kafka.bootstrap_servers, "group.id": group})
    first: tuple[float, int, float] | None = None
    try:
        for at, done in _committed(consumer, topic):
            if done and first is None:
                first = (at, done, cpu_s(pid))
            if done >= sum(ends.values()) and first is not None:
                records = max(done - first[1], 1)
                return _Pace(
                    records_per_s=records / max(at - first[0], 1e-9),
                    cpu_us_a_record=(cpu_s(pid) - first[2]) / records * 1e6,
                )
    finally:
        consumer.close()
    raise BenchmarkFailedError(f"{topic} was not read to its end within {WAIT_S:.0f} s")


def _committed(consumer: Consumer, topic: str) -> Iterator[tuple[float, int]]:
    places = [TopicPartition(topic, partition) for partition in range(PARTITIONS)]
    deadline = time.monotonic() + WAIT_S
    while time.monotonic() < deadline:
        found = consumer.committed(places, timeout=30)
        yield time.monotonic(), sum(max(place.offset, 0) for place in found)
        time.sleep(0.2)


def _producer(bootstrap_servers: str) -> Producer:
    return Producer(
        {
            "bootstrap.servers": bootstrap_servers,
            "partitioner": "murmur2_random",
            "enable.idempotence": True,
            "linger.ms": 20,
            "queue.buffering.max.messages": 500_000,
        }
    )


if __name__ == "__main__":
    sys.exit(main())
