"""A sink loop under test: run on a thread, fed by a plain producer, stopped at the end."""

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

import orjson
from confluent_kafka import Producer

from consumers.errors import StoreUnavailableError
from consumers.loop import SinkLoop
from consumers.performance_table import PerformanceTable
from consumers.sinks.base import Document, FieldValue, RejectedDocument, Sink
from runtime.clock import FixedClock
from runtime.kafka import build_producer
from runtime.settings import Settings
from schemas.codec import EventCodec
from schemas.directory_registry import DirectoryRegistry
from schemas.errors import EventDecodeError
from schemas.topics import TopicKind, Topics

T = TypeVar("T")

DEADLINE_S = 20.0


class JsonPredictions:
    """Predictions as JSON: the loop does not care how they are encoded."""

    def read_all(self, values: Sequence[bytes]) -> list[Mapping[str, FieldValue] | EventDecodeError]:
        return [_from_json(value) for value in values]


def _from_json(value: bytes) -> Mapping[str, FieldValue] | EventDecodeError:
    try:
        prediction: Mapping[str, FieldValue] = orjson.loads(value)
    except orjson.JSONDecodeError as error:
        return EventDecodeError(str(error))
    return prediction


@dataclass(slots=True)
class Feed:
    """Produces what the sink reads."""

    settings: Settings
    codec: EventCodec = field(init=False)
    topics: Topics = field(init=False)
    _producer: Producer = field(init=False)

    def __post_init__(self) -> None:
        self.codec = EventCodec(DirectoryRegistry(self.settings.registry_dir / "schemas.sqlite"))
        self.topics = Topics(self.settings.topics.prefix)
        self._producer = build_producer(self.settings.kafka)

    def predictions(self, predictions: list[dict[str, FieldValue]], kind: TopicKind, *, partition: int = 0) -> None:
        for each in predictions:
            self.raw(self.topics.of(kind, str(each["model"])), orjson.dumps(each), partition=partition)

    def events(self, kind: TopicKind, events: list[Any], *, model: str | None = None) -> None:
        for event in events:
            self.raw(self.topics.of(kind, model), self.codec.encode(event))

    def raw(self, topic: str, value: bytes | None, *, partition: int = 0) -> None:
        self._producer.produce(topic, value=value, key=b"key", partition=partition)
        assert self._producer.flush(DEADLINE_S) == 0


@dataclass(slots=True)
class ObservedSink:
    """A sink that counts the documents it was given and the calls that found it down."""

    sink: Sink
    documents: int = 0
    calls_failed: int = 0

    def setup(self) -> None:
        self._observed(self.sink.setup)

    def write(self, documents: Sequence[Document]) -> list[RejectedDocument]:
        rejected = self._observed(lambda: self.sink.write(documents))
        self.documents += len(documents)
        return rejected

    def close(self) -> None:
        self.sink.close()

    def _observed(self, call: Callable[[], T]) -> T:
        try:
            return call()
        except StoreUnavailableError:
            self.calls_failed += 1
            raise


@dataclass(slots=True)
class RunningSink:
    """A loop on a thread with its store, and how it ended."""

    loop: SinkLoop
    store: ObservedSink
    failures: list[BaseException] = field(default_factory=list)


@contextmanager
def running_sink(
    settings: Settings,
    sink: Sink,
    *,
    personal: Callable[[str], frozenset[str]] = lambda _: frozenset(),
    wait_ready: bool = True,
) -> Iterator[RunningSink]:
    """Run the loop until the block is left; what it raised is raised."""
    store = ObservedSink(sink)
    loop = SinkLoop(
        settings,
        store,
        codec=EventCodec(DirectoryRegistry(settings.registry_dir / "schemas.sqlite")),
        reader=JsonPredictions(),
        outcome_reader=JsonPredictions(),
        performance=PerformanceTable(lambda _: ()),
        personal_features=personal,
        clock=FixedClock(1_364_817_600_000),
    )
    running = RunningSink(loop, store)
    stop, ready = threading.Event(), threading.Event()

    def body() -> None:
        try:
            loop.run(stop, ready.set)
        except BaseException as error:  # noqa: BLE001  # handed to the test
            running.failures.append(error)

    thread = threading.Thread(target=body)
    thread.start()
    try:
        if wait_ready:
            eventually(lambda: ready.is_set() or bool(running.failures))
        yield running
    finally:
        stop.set()
        thread.join(DEADLINE_S)
    assert not thread.is_alive(), "the loop stops when it is told to"
    assert running.failures == []


def eventually(condition: Callable[[], bool], timeout_s: float = DEADLINE_S) -> None:
    """Wait until the condition holds."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "the condition did not come to hold in time"
        time.sleep(0.02)
