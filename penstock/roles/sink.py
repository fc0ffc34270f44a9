"""The sink's process: everything that people query goes into the store."""

import threading
from collections.abc import Callable

from consumers.loop import SinkLoop
from penstock import wiring
from runtime.kafka import ensure_topics
from runtime.metrics import Meters
from runtime.process import Body
from runtime.settings import Settings
from schemas.prediction_reader import PredictionReader


def build_body(settings: Settings, slot: int, meters: Meters) -> Body:
    def run(stop: threading.Event, ready: Callable[[], None]) -> None:
        ensure_topics(settings.kafka, settings.topics)
        loop = SinkLoop(
            settings,
            wiring.sink(settings),
            codec=wiring.codec(settings),
            reader=PredictionReader(wiring.schema_registry(settings)),
            outcome_reader=PredictionReader(wiring.schema_registry(settings), record="Outcome"),
            personal_features=wiring.model_features(settings).personal,
            meters=meters,
            service=f"sink-{slot}",
        )
        loop.run(stop, ready)

    return run
