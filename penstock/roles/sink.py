"""The sink's process: everything that people query goes into the store."""

import threading
from collections.abc import Callable, Iterator
from contextlib import suppress

from consumers.loop import SinkLoop
from consumers.performance_table import PerformanceTable
from penstock import wiring
from runtime.follower import Follower
from runtime.kafka import ensure_topics
from runtime.metrics import Meters
from runtime.process import Body
from runtime.settings import Settings
from schemas.errors import EventDecodeError
from schemas.events import Performance
from schemas.prediction_reader import PredictionReader
from schemas.topics import PERFORMANCE

CATCH_UP_S = 45.0


def build_body(settings: Settings, slot: int, meters: Meters) -> Body:
    def run(stop: threading.Event, ready: Callable[[], None]) -> None:
        ensure_topics(settings.kafka, settings.topics)
        loop = SinkLoop(
            settings,
            wiring.sink(settings),
            codec=wiring.codec(settings),
            reader=PredictionReader(wiring.schema_registry(settings)),
            outcome_reader=PredictionReader(wiring.schema_registry(settings), record="Outcome"),
            performance=PerformanceTable(_parts(settings)),
            personal_features=wiring.model_features(settings).personal,
            meters=meters,
            service=f"sink-{slot}",
        )
        loop.run(stop, ready)

    return run


def _parts(settings: Settings) -> Callable[[int], Iterator[Performance]]:
    """The topic of performance, read whole and outside any group, so that a sink that takes over knows all parts."""
    topic, codec = wiring.topics(settings).of(PERFORMANCE), wiring.codec(settings)
    followers: list[Follower] = []

    def read(offset: int) -> Iterator[Performance]:
        if not followers:
            followers.append(Follower(settings.kafka, topic))
        for message in followers[0].to(offset, CATCH_UP_S):
            with suppress(EventDecodeError):
                yield codec.decode(Performance, message.value())

    return read
