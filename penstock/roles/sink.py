"""The sink's process: everything that people query goes into the store."""

import threading
import time
from collections.abc import Callable

from consumers.loop import SinkLoop
from consumers.sinks.sqlite import SqliteSink
from penstock import wiring
from registry.shelf import Shelf
from runtime.kafka import ensure_topics
from runtime.metrics import Meters
from runtime.process import Body
from runtime.settings import Settings
from schemas.prediction_reader import PredictionReader

PERSONAL_KEPT_S = 1.0


def build_body(settings: Settings, slot: int, meters: Meters) -> Body:
    def run(stop: threading.Event, ready: Callable[[], None]) -> None:
        ensure_topics(settings.kafka, settings.topics)
        loop = SinkLoop(
            settings,
            SqliteSink(settings.store_path),
            codec=wiring.codec(settings),
            reader=PredictionReader(wiring.schema_registry(settings)),
            personal_features=PersonalFeatures(wiring.shelf(settings)),
            meters=meters,
            service=f"sink-{slot}",
        )
        loop.run(stop, ready)

    return run


class PersonalFeatures:
    """The features that any version of a model calls personal; asked for again every second.

    A version is registered well before it can serve, so its word is known before its first prediction.
    """

    def __init__(self, shelf: Shelf) -> None:
        self._shelf = shelf
        self._known: dict[str, tuple[float, frozenset[str]]] = {}

    def __call__(self, model: str) -> frozenset[str]:
        now = time.monotonic()
        asked_at, names = self._known.get(model, (-PERSONAL_KEPT_S, frozenset()))
        if now - asked_at >= PERSONAL_KEPT_S:
            names = frozenset(self._personal(model))
            self._known[model] = (now, names)
        return names

    def _personal(self, model: str) -> set[str]:
        return {
            feature.name
            for record in self._shelf.records(model)
            for feature in self._shelf.manifest(model, record.version).signature.features
            if feature.personal
        }
