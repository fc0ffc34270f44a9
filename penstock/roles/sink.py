"""The sink's process: everything that people query goes into the store."""

import threading
import time
from collections.abc import Callable

from consumers.loop import SinkLoop
from consumers.sinks.sqlite import SqliteSink
from penstock import wiring
from runtime.kafka import ensure_topics
from runtime.metrics import Meters
from runtime.process import Body
from runtime.settings import Settings
from schemas.errors import SchemaNotFoundError
from schemas.prediction_reader import PredictionReader
from schemas.registry_port import SchemaRegistry
from schemas.request_schema import features_of
from schemas.topics import PREDICTIONS, Topics

PERSONAL_KEPT_S = 1.0


def build_body(settings: Settings, slot: int, meters: Meters) -> Body:
    def run(stop: threading.Event, ready: Callable[[], None]) -> None:
        ensure_topics(settings.kafka, settings.topics)
        loop = SinkLoop(
            settings,
            SqliteSink(settings.store_path),
            codec=wiring.codec(settings),
            reader=PredictionReader(wiring.schema_registry(settings)),
            outcome_reader=PredictionReader(wiring.schema_registry(settings), record="Outcome"),
            personal_features=PersonalFeatures(wiring.schema_registry(settings), wiring.topics(settings)),
            meters=meters,
            service=f"sink-{slot}",
        )
        loop.run(stop, ready)

    return run


class PersonalFeatures:
    """The features that any version of a model calls personal, which its schemas keep as they grow.

    Asked for again every second: a version's schemas are registered before it can serve, so its word is
    known before its first prediction. `SchemaRegistryUnavailableError` passes.
    """

    def __init__(self, schemas: SchemaRegistry, topics: Topics) -> None:
        self._schemas = schemas
        self._topics = topics
        self._known: dict[str, tuple[float, frozenset[str]]] = {}

    def __call__(self, model: str) -> frozenset[str]:
        now = time.monotonic()
        asked_at, names = self._known.get(model, (-PERSONAL_KEPT_S, frozenset()))
        if now - asked_at >= PERSONAL_KEPT_S:
            names = self._personal(model)
            self._known[model] = (now, names)
        return names

    def _personal(self, model: str) -> frozenset[str]:
        try:
            _id, schema = self._schemas.latest(f"{self._topics.of(PREDICTIONS, model)}-value")
        except SchemaNotFoundError:
            return frozenset()
        return frozenset(feature.name for feature in features_of(schema) if feature.personal)
