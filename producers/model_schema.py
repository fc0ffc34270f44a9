"""How requests of a model are written: its newest request schema, and values typed by it."""

from collections.abc import Mapping, Sequence

from producers.errors import RowError, UnknownModelError
from producers.personal import tokenise
from producers.values import feature_value, is_missing
from schemas.errors import SchemaNotFoundError
from schemas.registry_port import SchemaRegistry
from schemas.signature import Feature
from schemas.topics import REQUESTS, Topics

Value = float | int | bool | str | None


def request_subject(topics: Topics, model: str) -> str:
    """The subject of a model's request schema, as Confluent's clients name it by topic.

    >>> request_subject(Topics("prod."), "flights")
    'prod.flights.requests-value'
    """
    return f"{topics.of(REQUESTS, model)}-value"


def request_schema_of(registry: SchemaRegistry, topics: Topics, model: str) -> tuple[int, str]:
    """Id and text of the model's newest request schema. Raises `UnknownModelError`."""
    try:
        return registry.latest(request_subject(topics, model))
    except SchemaNotFoundError as error:
        raise UnknownModelError(model) from error


def typed_features(features: Sequence[Feature], given: Mapping[str, object]) -> dict[str, Value]:
    """The features with the types that travel; None where one is missing and may be.

    Raises `RowError` naming the first feature that is missing, of another kind, or unknown.
    """
    typed = {feature.name: _typed(feature, given.get(feature.name)) for feature in features}
    if len(given) > len(typed) or not given.keys() <= typed.keys():
        unknown = min(given.keys() - typed.keys())
        raise RowError(unknown, "no place in the request schema", f"leave it out; features are {', '.join(typed)}")
    return typed


def with_tokens(features: Sequence[Feature], values: dict[str, Value], key: bytes) -> dict[str, Value]:
    """The values with those of personal features turned into tokens."""
    personal = {feature.name for feature in features if feature.personal}
    return {
        name: tokenise(str(value), key) if name in personal and value is not None else value
        for name, value in values.items()
    }


def _typed(feature: Feature, value: object) -> Value:
    if not is_missing(value):
        return feature_value(feature.name, feature.kind, value)
    if feature.nullable:
        return None
    raise RowError(feature.name, "nothing", "fill it: this feature can't be missing")
