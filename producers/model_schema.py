"""How requests of a model are written: its newest request schema."""

from producers.errors import UnknownModelError
from schemas.errors import SchemaNotFoundError
from schemas.registry_port import SchemaRegistry
from schemas.topics import REQUESTS, Topics


def request_schema_of(registry: SchemaRegistry, topics: Topics, model: str) -> tuple[int, str]:
    """Id and text of the model's newest request schema. Raises `UnknownModelError`."""
    try:
        return registry.latest(request_subject(topics, model))
    except SchemaNotFoundError as error:
        raise UnknownModelError(model) from error


def request_subject(topics: Topics, model: str) -> str:
    """The subject of a model's request schema, as Confluent's clients name it by topic.

    >>> request_subject(Topics("prod."), "flights")
    'prod.flights.requests-value'
    """
    return f"{topics.of(REQUESTS, model)}-value"
