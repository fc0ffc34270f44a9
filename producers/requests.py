"""Requests into their topic: typed by the model's schema, with an id, never dropped silently."""

import random
from collections.abc import Mapping
from types import TracebackType
from typing import Self

from producers.errors import PersonalKeyError
from producers.holdback import Holdback
from producers.model_schema import request_schema_of
from producers.personal import with_tokens
from producers.publisher import Publisher
from producers.request_ids import RequestIds
from runtime.clock import Clock, SystemClock
from runtime.groups import scorer_group
from runtime.kafka import is_embedded
from runtime.schema_registry import build_schema_registry
from runtime.settings import Settings
from runtime.stack import attach
from schemas.registry_port import SchemaRegistry
from schemas.request_schema import features_of
from schemas.request_writer import RequestWriter
from schemas.signature import Feature
from schemas.topics import REQUESTS, Topics


class RequestProducer:
    """Publishes requests of one model.

    Raises `StackNotRunningError` when there is neither a running embedded stack nor a broker
    named in the settings, `UnknownModelError` for a model without a version, and
    `PersonalKeyError` when it has personal features and no key for them is set.
    """

    def __init__(
        self,
        settings: Settings,
        model: str,
        *,
        registry: SchemaRegistry | None = None,
        clock: Clock | None = None,
        chance: random.Random | None = None,
    ) -> None:
        attached = attach(settings)
        topics = Topics(settings.topics.prefix)
        schemas = registry or build_schema_registry(settings)
        schema_id, schema = request_schema_of(schemas, topics, model)
        self._features = features_of(schema)
        self._personal = tuple(feature.name for feature in self._features if feature.personal)
        self._key = personal_key(settings, model, self._personal)
        self._writer = RequestWriter(schema_id, schema)
        self._clock = clock or SystemClock()
        self._ids = RequestIds(self._clock, chance or random.SystemRandom())
        self._topic = topics.of(REQUESTS, model)
        self._publisher = Publisher(attached, _holdback(attached, self._topic))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._publisher.__exit__(kind, error, trace)

    @property
    def topic(self) -> str:
        return self._topic

    @property
    def features(self) -> tuple[Feature, ...]:
        """What a request of this model may carry."""
        return self._features

    @property
    def accepted(self) -> int:
        """Requests that the broker has accepted so far."""
        return self._publisher.accepted

    def send(
        self,
        entity_id: str,
        features: Mapping[str, object],
        *,
        event_time: int | None = None,
        request_id: str | None = None,
    ) -> str:
        """Publish one request and return its id, a new UUIDv7 unless one is given.

        `event_time`: ms since the epoch, now unless given. It is on its way when this returns;
        `flush` waits until the broker has it. Raises `RequestValueError` for a value that does
        not fit, `DeliveryFailedError` when an earlier request could not be delivered.
        """
        chosen = self._ids.new() if request_id is None else request_id
        value = self.encode(entity_id, features, event_time=event_time, request_id=chosen)
        self._publisher.publish(self._topic, value, key=entity_id.encode())
        return chosen

    def encode(
        self, entity_id: str, features: Mapping[str, object], *, event_time: int | None, request_id: str
    ) -> bytes:
        """The framed bytes of a request. Raises `RequestValueError`."""
        return self._writer.encode(
            request_id,
            entity_id,
            event_time=self._clock.now_ms() if event_time is None else event_time,
            features=features if self._key is None else with_tokens(features, self._personal, self._key),
        )

    def flush(self) -> int:
        """Wait until the broker has accepted every request; returns how many. Raises `DeliveryFailedError`."""
        return self._publisher.flush()


def personal_key(settings: Settings, model: str, personal: tuple[str, ...]) -> bytes | None:
    """The key that tokenizes personal features, or None without any. Raises `PersonalKeyError` when it is not set."""
    if not personal:
        return None
    key = settings.producers.personal_key
    if key is None or not key.get_secret_value():
        raise PersonalKeyError(model, personal)
    return key.get_secret_value().encode()


def _holdback(settings: Settings, topic: str) -> Holdback | None:
    """On the embedded broker: behind the scorer, which is itself held behind the sink."""
    if not is_embedded(settings.kafka):
        return None
    return Holdback(settings, groups=[scorer_group(settings.topics.prefix)], topic=topic)
