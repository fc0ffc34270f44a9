"""What features each model has, and which are personal, as its prediction schema says.

The schemas are asked, not the bundles, so that no damaged bundle can stop who needs to know. A
version's schemas are registered before it can serve, so its word is known before its first prediction.
"""

import time

from schemas.errors import SchemaNotFoundError
from schemas.registry_port import SchemaRegistry
from schemas.request_schema import features_of
from schemas.signature import Feature
from schemas.topics import PREDICTIONS, Topics

KEPT_S = 1.0


class ModelFeatures:
    """Asks the schema registry, which may raise `SchemaRegistryUnavailableError`: that passes."""

    def __init__(self, schemas: SchemaRegistry, topics: Topics) -> None:
        self._schemas = schemas
        self._topics = topics
        self._personal: dict[str, tuple[float, frozenset[str]]] = {}

    def of(self, model: str) -> tuple[Feature, ...]:
        """All features of a model by now; none of one that nobody has registered."""
        try:
            _id, schema = self._schemas.latest(f"{self._topics.of(PREDICTIONS, model)}-value")
        except SchemaNotFoundError:
            return ()
        return features_of(schema)

    def personal(self, model: str) -> frozenset[str]:
        """The features that any version of a model calls personal, asked for again every second."""
        now = time.monotonic()
        asked_at, names = self._personal.get(model, (-KEPT_S, frozenset()))
        if now - asked_at >= KEPT_S:
            names = frozenset(feature.name for feature in self.of(model) if feature.personal)
            self._personal[model] = (now, names)
        return names
