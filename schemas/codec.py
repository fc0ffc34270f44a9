"""Events to framed Avro bytes and back.

Events are written with the schema of their name in `schemas/avro/`, registered as
`penstock.<name>` when the first one is written, and read by their writer's schema.
"""

import io
import json
from collections.abc import Callable
from dataclasses import dataclass, fields, is_dataclass
from functools import cache
from importlib.resources import files
from types import NoneType, UnionType
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

import fastavro

from schemas.body_check import BodyCheck
from schemas.errors import EventDecodeError, RequestBodyError, SchemaNotFoundError
from schemas.events import Event
from schemas.framing import prefix, unframe
from schemas.reasons import Reason
from schemas.registry_port import SchemaRegistry
from schemas.request_schema import without_logical_types
from schemas.writer_schema import spelled_out

E = TypeVar("E", bound=Event)
R = TypeVar("R")
_LEAVES = frozenset({NoneType, bool, int, float, str, bytes})
UNREADABLE = (EOFError, LookupError, OverflowError, TypeError, ValueError, fastavro.read.SchemaResolutionError)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Reading:
    """How values of one writer's schema become one event: `reader` None where both are the same."""

    check: BodyCheck
    writer: Any
    reader: Any
    build: Callable[[Any], Any]


def event_schema(event_type: type[E]) -> str:
    """The Avro schema of an event as JSON text."""
    return files("schemas").joinpath("avro", f"{event_type.avro_name}.avsc").read_text(encoding="utf-8")


def event_subject(event_type: type[Event]) -> str:
    """The subject under which an event's schema is registered."""
    return f"penstock.{event_type.avro_name}"


class EventCodec:
    """Encodes and decodes events; schemas are registered and fetched once and kept."""

    def __init__(self, registry: SchemaRegistry) -> None:
        self._registry = registry
        self._own: dict[type, tuple[bytes, Any]] = {}
        self._readings: dict[tuple[type, int], _Reading] = {}

    def encode(self, event: Event) -> bytes:
        """The framed bytes of an event.

        Raises `SchemaRegistryUnavailableError` while its schema can't be registered.
        """
        head, schema = self._own.get(type(event)) or self._register(type(event))
        buffer = io.BytesIO()
        buffer.write(head)
        fastavro.schemaless_writer(buffer, schema, _to_avro(event))
        return buffer.getvalue()

    def decode(self, event_type: type[E], value: bytes | None) -> E:
        """The event in framed bytes, read by its writer's schema.

        Raises `EventDecodeError` for bytes that are not this event, an unknown schema id
        included, and `SchemaRegistryUnavailableError` while the registry gives no answer.
        """
        if value is None:
            raise EventDecodeError(f"a tombstone is no {event_type.__name__}", reason=Reason.TOMBSTONE)
        schema_id, body = unframe(value)
        reading = self._readings.get((event_type, schema_id)) or self._reading(event_type, schema_id)
        try:
            reading.check.kept(body)
            record = fastavro.schemaless_reader(io.BytesIO(body), reading.writer, reading.reader)
        except RequestBodyError as error:
            detail = f"not a {event_type.__name__} of schema {schema_id}: {error}"
            raise EventDecodeError(detail, reason=error.reason) from error
        except fastavro.read.SchemaResolutionError as error:
            detail = f"schema {schema_id} can't be read as a {event_type.__name__}"
            raise EventDecodeError(detail, reason=Reason.INCOMPATIBLE_SCHEMA) from error
        except UNREADABLE as error:
            # The library's own words may hold memory addresses, and no two dead letters would be alike.
            raise EventDecodeError(
                f"not a {event_type.__name__} of schema {schema_id}: {type(error).__name__}"
            ) from error
        event = reading.build(record)
        assert isinstance(event, event_type), event_type
        return event

    def prefix_of(self, event_type: type[Event]) -> bytes:
        """What the framed bytes of every such event begin with that is written with our schema.

        Raises `SchemaRegistryUnavailableError` while its schema can't be registered.
        """
        return (self._own.get(event_type) or self._register(event_type))[0]

    def _register(self, event_type: type[Event]) -> tuple[bytes, Any]:
        schema = event_schema(event_type)
        schema_id = self._registry.register(event_subject(event_type), schema)
        self._own[event_type] = (prefix(schema_id), fastavro.parse_schema(json.loads(schema)))
        return self._own[event_type]

    def _reading(self, event_type: type[E], schema_id: int) -> _Reading:
        try:
            written = self._registry.schema(schema_id)
            spelled = spelled_out(written)
        except SchemaNotFoundError as error:
            detail = f"written with schema {schema_id}, which the registry does not have"
            raise EventDecodeError(detail, reason=Reason.UNKNOWN_SCHEMA_ID) from error
        except RequestBodyError as error:
            detail = f"written with schema {schema_id}: {error.detail}"
            raise EventDecodeError(detail, reason=error.reason) from error
        writer = fastavro.parse_schema(json.loads(without_logical_types(written)))
        reader = fastavro.parse_schema(json.loads(event_schema(event_type)))
        reading = _Reading(
            check=BodyCheck([(spelled, True)]),
            writer=writer,
            reader=None if writer == reader else reader,
            build=_builder(event_type) or _unchanged,
        )
        self._readings[event_type, schema_id] = reading
        return reading


def built(record_type: type[R], record: dict[str, Any]) -> R:
    """A value of dataclasses from nested dicts and lists, as JSON or Avro give them.

    Raises `TypeError` for fields that are missing or too many; types of leaves are not checked.
    """
    build = _builder(record_type)
    assert build is not None, f"{record_type} is no dataclass"
    value = build(record)
    assert isinstance(value, record_type), record_type
    return value


def _to_avro(value: Any) -> Any:
    kind: object = type(value)
    if kind in _LEAVES:
        return value
    if kind is tuple:
        # Mostly long rows of numbers, which need no looking into.
        return list(value) if _LEAVES.issuperset(map(type, value)) else [_to_avro(item) for item in value]
    names = _field_names(kind)
    return value if names is None else {name: _to_avro(getattr(value, name)) for name in names}


@cache
def _field_names(kind: object) -> tuple[str, ...] | None:
    """The fields of a dataclass; None for what is none."""
    return tuple(field.name for field in fields(kind)) if isinstance(kind, type) and is_dataclass(kind) else None


def _builder(hint: Any) -> Callable[[Any], Any] | None:
    """What makes a value of that type from what Avro gives; None where nothing is to be done."""
    if isinstance(hint, type) and is_dataclass(hint):
        return _record_builder(hint)
    if get_origin(hint) is tuple:
        item = _builder(get_args(hint)[0]) or _unchanged
        return lambda items: tuple(item(each) for each in items)
    if get_origin(hint) is dict and (value := _builder(get_args(hint)[1])) is not None:
        return lambda items: {name: value(each) for name, each in items.items()}
    if get_origin(hint) is UnionType:
        return _union_builder(hint)
    return None


def _union_builder(hint: Any) -> Callable[[Any], Any] | None:
    """A nested record may be missing; more than one kind of it could not be told apart."""
    arms = [arm for arm in get_args(hint) if arm is not NoneType]
    building = [build for arm in arms if (build := _builder(arm)) is not None]
    if not building:
        return None
    assert len(arms) == 1, f"{hint}: of records and other things in one union none can be told from the other"
    (build,) = building
    return lambda value: None if value is None else build(value)


def _record_builder(record_type: type) -> Callable[[Any], Any]:
    hints = get_type_hints(record_type)
    builders = {field.name: _builder(hints[field.name]) for field in fields(record_type)}
    changed = {name: build for name, build in builders.items() if build is not None}

    def build(record: dict[str, Any]) -> Any:
        for name, build_field in changed.items():
            if name in record:
                record[name] = build_field(record[name])
        return record_type(**record)

    return build


def _unchanged(value: Any) -> Any:
    return value
