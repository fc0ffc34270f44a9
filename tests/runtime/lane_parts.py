"""A lane over a step that copies records, for tests on any broker."""

import threading
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from confluent_kafka import Producer, TopicPartition

from penstock.roles.lanes import LanePlan, build_lane
from runtime.batch import Batch, LaneOutput, OutgoingRecords, RetryLaterError, Tally, TopicPartitionKey
from runtime.clock import SystemClock
from runtime.commit import BatchAbortedError, Commit
from runtime.kafka import build_producer, build_reader
from runtime.metrics import Meters
from runtime.offsets import StartOffset
from runtime.settings import Guarantee, KafkaSettings, Settings
from runtime.stopwatch import Stopwatch
from runtime.watchdog import Watchdog
from schemas.codec import EventCodec
from schemas.directory_registry import DirectoryRegistry
from schemas.topics import Topics

SOURCE = "m.requests"
TARGET = "m.predictions"


@dataclass(slots=True)
class CopyStep:
    """Copies SOURCE to TARGET; faults are data: `failures` batches are refused, `is_ready` holds all.

    `announcements` are given out once.
    """

    failures: int = 0
    is_ready: bool = True
    loss_accepted_to: int | None = None
    announcements: list[OutgoingRecords] = field(default_factory=list)
    batches: list[int] = field(default_factory=list)

    def refresh(self) -> None:
        """Nothing changes by itself."""

    def topics(self) -> Collection[str]:
        return (SOURCE,)

    def ready(self, topic: str) -> bool:
        return self.is_ready

    def accepted_loss(self, topic: str, partition: int) -> int | None:
        return self.loss_accepted_to

    def take_announcements(self) -> Sequence[OutgoingRecords]:
        announcements, self.announcements = self.announcements, []
        return announcements

    def process(self, batch: Batch) -> LaneOutput:
        self.batches.append(batch.records)
        if self.failures:
            self.failures -= 1
            raise RetryLaterError("asked to fail")
        if not batch.records:
            return LaneOutput(outgoing=[], tallies={})
        columns = batch.columns[SOURCE]
        tallies: dict[TopicPartitionKey, Tally] = {}
        for partition in columns.partitions:
            tally = tallies.setdefault((SOURCE, partition), Tally())
            tally.records += 1
            tally.scored += 1
        values = [value or b"" for value in columns.values]
        return LaneOutput(outgoing=[OutgoingRecords(topic=TARGET, keys=columns.keys, values=values)], tallies=tallies)

    def committed(self) -> None:
        """Nothing is kept."""


@dataclass(slots=True)
class CountingKeeper:
    """Keeps, beside each offset, how many lives read the partition; holds all while `is_ready` is false."""

    is_ready: bool = True
    is_due: bool = False
    has_last_words: bool = False
    lives: dict[TopicPartitionKey, int] = field(default_factory=dict)
    ended: list[TopicPartitionKey] = field(default_factory=list)

    def assigned(self, starts: Sequence[StartOffset]) -> None:
        self.lives |= {(start.topic, start.partition): int(start.note or 0) + 1 for start in starts}

    def revoked(self, places: Sequence[TopicPartitionKey]) -> None:
        self.lives = {place: lives for place, lives in self.lives.items() if place not in places}

    def ready(self, topic: str, partition: int) -> bool:
        return self.is_ready

    def at_end(self, topic: str, partition: int) -> None:
        self.ended.append((topic, partition))

    def due(self) -> bool:
        is_due, self.is_due = self.is_due, False
        return is_due

    def hurry(self) -> bool:
        return self.has_last_words

    def notes(self) -> dict[TopicPartitionKey, str]:
        return {place: str(lives) for place, lives in self.lives.items()}


@dataclass(slots=True)
class AbortingCommit:
    """Aborts the first `aborts` commits before anything was sent, then does what the other one does."""

    inner: Commit
    aborts: int
    guarantee: Guarantee = "at_least_once"
    stages: Stopwatch = field(default_factory=Stopwatch)

    def prepare(self) -> None:
        self.inner.prepare()

    def polled(self) -> None:
        self.inner.polled()

    def commit(self, outgoing: Sequence[OutgoingRecords], offsets: Sequence[TopicPartition]) -> None:
        if self.aborts:
            self.aborts -= 1
            raise BatchAbortedError("asked to abort")
        self.inner.commit(outgoing, offsets)


@contextmanager
def embedded_kafka() -> Iterator[KafkaSettings]:
    """Librdkafka's mock cluster in this process."""
    mock = Producer({"test.mock.num.brokers": 1, "log_level": 0})
    broker = next(iter(mock.list_topics(timeout=10).brokers.values()))
    yield KafkaSettings(bootstrap_servers=f"{broker.host}:{broker.port}", cluster_id="embedded-test")
    mock.flush(1)


@contextmanager
def running_lane(
    kafka: KafkaSettings, step: CopyStep, folder: Path, *, aborts: int = 0, keeper: CountingKeeper | None = None
) -> Iterator[None]:
    """A lane on a thread of its own, whose first commits are aborted; what it raises is raised here at the end."""
    settings = Settings(data_dir=folder, kafka=kafka)
    plan = LanePlan(
        name="copy",
        group="copiers",
        slot=0,
        meters=Meters(),
        step=step,
        cluster_id=kafka.cluster_id,
        model_of=lambda _topic: "m",
        loss_signal=lambda loss: OutgoingRecords(
            topic="signals", keys=[b"m"], values=[str(loss.lost).encode()], partition=0
        ),
        keeper=keeper,
    )
    codec = EventCodec(DirectoryRegistry(folder / "schemas.sqlite"))
    watchdog = Watchdog(memory_bytes_max=1 << 40)
    lane = build_lane(settings, plan, topics=Topics(), codec=codec, clock=SystemClock(), watchdog=watchdog)
    lane._commit = AbortingCommit(lane._commit, aborts)
    stop, raised = threading.Event(), list[BaseException]()

    def run() -> None:
        try:
            lane.run(stop, ready=lambda: None)
        except BaseException as error:  # noqa: BLE001  handed to the test's thread
            raised.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(30)
    if raised:
        raise raised[0]


def send(kafka: KafkaSettings, values: Sequence[str]) -> None:
    producer = build_producer(kafka)
    for value in values:
        producer.produce(SOURCE, key=value.encode(), value=value.encode())
    assert producer.flush(20) == 0


def values_in(kafka: KafkaSettings, topic: str, *, partitions: int = 4) -> list[bytes]:
    """Every committed value of a topic, partition by partition."""
    reader = build_reader(kafka)
    reader.assign([TopicPartition(topic, partition, 0) for partition in range(partitions)])
    found: list[bytes] = []
    ended: set[int] = set()
    while len(ended) < partitions:
        for message in reader.consume(1_000, 0.2):
            if message.error() is None:
                found.append(message.value() or b"")
            else:
                ended.add(message.partition() or 0)
    reader.close()
    return found


def eventually(condition: Callable[[], bool], *, timeout_s: float = 30.0) -> bool:
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.05)
    return False
