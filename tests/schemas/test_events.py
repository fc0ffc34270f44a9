"""Events and their schemas are two views of one thing, and bytes bring back what was written."""

import json
from dataclasses import MISSING, fields, is_dataclass
from types import UnionType
from typing import Any, get_args, get_origin, get_type_hints

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.codec import EventCodec, event_schema, event_subject
from schemas.errors import EventDecodeError, SchemaRegistryUnavailableError
from schemas.events import EVENT_TYPES, Command, DeploymentState, Event, Label, LogEntry, Signal
from schemas.framing import frame, unframe
from tests.contracts.schemas_in_memory import SchemasInMemory
from tests.schemas.event_generation import of_type

NAMES = [each.avro_name for each in EVENT_TYPES]
LEAVES = {str: {"string"}, int: {"int", "long"}, float: {"double"}, bool: {"boolean"}, bytes: {"bytes"}}
INNER = ("type", "items", "values", "fields")
SIGNAL = Signal(signal_id="s", model="m", kind="k", message="what", evidence="{}", raised_at=1)


@pytest.mark.parametrize("event_type", EVENT_TYPES, ids=NAMES)
def test_schema_and_dataclass_agree(event_type: type[Event]) -> None:
    """Fields, their order, types, defaults and the record's sentence are the same on both sides."""
    schema = json.loads(event_schema(event_type))

    assert schema["namespace"] == "penstock"
    assert_same_record(event_type, without_names(schema, {}))


def without_names(written: Any, known: dict[str, Any]) -> Any:
    """A schema in which a record that is used a second time stands where its name stood."""
    if isinstance(written, list):
        return [without_names(each, known) for each in written]
    if isinstance(written, str):
        return known.get(written, written)
    spelled = {key: without_names(value, known) if key in INNER else value for key, value in written.items()}
    if written.get("type") == "record":
        known[written["name"]] = spelled
    return spelled


def assert_same_record(record_type: Any, schema: dict[str, Any]) -> None:
    """Compare a dataclass with the record that stands for it."""
    hints = get_type_hints(record_type)
    mine = fields(record_type)
    assert schema["name"] == record_type.__name__
    assert schema["doc"] == (record_type.__doc__ or "").split("\n")[0]
    assert [field["name"] for field in schema["fields"]] == [field.name for field in mine]
    for field, written in zip(mine, schema["fields"], strict=True):
        assert_same_type(hints[field.name], written["type"])
        default = field.default if field.default_factory is MISSING else field.default_factory()
        assert written.get("default", MISSING) == (list(default) if isinstance(default, tuple) else default)
        assert written["doc"].endswith(".")
        assert len(written["doc"]) > 10


def assert_same_type(hint: Any, written: Any) -> None:
    """Compare a type hint with the Avro type that stands for it."""
    if hint in LEAVES:
        assert written in LEAVES[hint]
    elif is_dataclass(hint):
        assert_same_record(hint, written)
    elif get_origin(hint) is tuple:
        assert written["type"] == "array"
        assert_same_type(get_args(hint)[0], written["items"])
    elif get_origin(hint) is dict:
        assert written["type"] == "map"
        assert_same_type(get_args(hint)[1], written["values"])
    else:
        assert get_origin(hint) is UnionType
        arms = [each for each in get_args(hint) if each is not type(None)]
        assert written[0] == "null"
        for arm, branch in zip(arms, written[1:], strict=True):
            assert_same_type(arm, branch)


@pytest.mark.parametrize("event_type", EVENT_TYPES, ids=NAMES)
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_bytes_bring_the_event_back(event_type: type[Event], data: st.DataObject) -> None:
    """Every event comes back equal, nested parts, missing values and defaults included."""
    event = data.draw(of_type(event_type))
    codec = EventCodec(SchemasInMemory())

    assert codec.decode(event_type, codec.encode(event)) == event


@pytest.mark.parametrize("label", ["late", 1.5, None, "", float("inf")])
def test_label_is_text_number_or_nothing(label: str | float | None) -> None:
    """A label keeps its type: a class, a value, or the word that takes an earlier one back."""
    codec = EventCodec(SchemasInMemory())
    event = Label(model="m", request_id="r", entity_id="e", label=label, event_time=1)

    assert codec.decode(Label, codec.encode(event)) == event


def test_schema_is_registered_once_under_its_own_subject() -> None:
    """Encoding twice registers once, under penstock and the event's name."""
    registry = SchemasInMemory()
    codec = EventCodec(registry)

    first, second = codec.encode(SIGNAL), codec.encode(SIGNAL)

    assert first == second
    assert event_subject(Signal) == "penstock.signal"
    assert unframe(first)[0] == registry.latest("penstock.signal")[0]
    assert registry.add("anything") == 2


@pytest.mark.parametrize(
    "value",
    [None, b"", b"\x00\x00", b"\x01\x00\x00\x00\x01abc", frame(77, b"abc"), frame(1, b""), frame(1, b"\xff" * 40)],
    ids=["tombstone", "empty", "short", "no frame", "unknown schema", "nothing in it", "noise"],
)
def test_what_is_no_event_is_refused(value: bytes | None) -> None:
    """Bytes that are not the event raise one error, whatever is wrong with them."""
    codec = EventCodec(SchemasInMemory())
    codec.encode(SIGNAL)

    with pytest.raises(EventDecodeError):
        codec.decode(Signal, value)


def test_bytes_left_over_are_refused() -> None:
    """An event with anything behind it is none."""
    codec = EventCodec(SchemasInMemory())

    with pytest.raises(EventDecodeError, match="2 bytes are left after the record"):
        codec.decode(Signal, codec.encode(SIGNAL) + b"ab")


def test_another_event_is_refused() -> None:
    """A log line where a command is expected is no command."""
    codec = EventCodec(SchemasInMemory())
    value = codec.encode(LogEntry(service="s", level="info", event="e", logged_at=1))

    with pytest.raises(EventDecodeError):
        codec.decode(Command, value)


@pytest.mark.parametrize("event_type", EVENT_TYPES, ids=lambda event_type: event_type.__name__)
def test_defaults_are_taken_by_every_registry(event_type: type[Event]) -> None:
    """Apicurio 3.3 takes a text default of two braces for no schema at all."""
    assert '"{}"' not in event_schema(event_type)


def test_older_writers_are_read_with_defaults() -> None:
    """What a writer's schema does not have takes the dataclass's default."""
    registry = SchemasInMemory()
    codec = EventCodec(registry)
    event = Label(model="m", request_id="r", entity_id="e", label="late", event_time=1)
    older = json.loads(event_schema(Label))
    older["fields"] = [field for field in older["fields"] if field["name"] not in ("weight", "value")]
    body = unframe(codec.encode(event))[1]

    assert codec.decode(Label, frame(registry.add(json.dumps(older)), body[:-2])) == event


def test_newer_writers_are_read_without_what_is_new() -> None:
    """What only the writer's schema has is left out."""
    registry = SchemasInMemory()
    codec = EventCodec(registry)
    newer = json.loads(event_schema(Signal))
    newer["fields"].append({"name": "more", "type": "string", "default": ""})
    body = unframe(codec.encode(SIGNAL))[1]

    assert codec.decode(Signal, frame(registry.add(json.dumps(newer)), body + b"\x04hi")) == SIGNAL


def test_times_of_other_writers_stay_numbers() -> None:
    """A writer that marks its time as timestamp-millis is read in the same ms since the epoch."""
    registry = SchemasInMemory()
    codec = EventCodec(registry)
    event = Label(model="m", request_id="r", entity_id="e", label="late", event_time=1_364_817_600_123)
    marked = event_schema(Label).replace(
        '"type": "long"', '"type": {"type": "long", "logicalType": "timestamp-millis"}'
    )
    value = frame(registry.add(marked), unframe(codec.encode(event))[1])

    assert codec.decode(Label, value) == event


def test_arrays_of_nothing_are_refused() -> None:
    """A writer's schema in which a few bytes could claim billions of items is never read with."""
    registry = SchemasInMemory()
    bomb = json.loads(event_schema(Signal))
    bomb["fields"].append({"name": "more", "type": {"type": "array", "items": "null"}})
    value = frame(registry.add(json.dumps(bomb)), b"")

    with pytest.raises(EventDecodeError, match="take no bytes"):
        EventCodec(registry).decode(Signal, value)


def test_registry_that_is_away_is_no_verdict() -> None:
    """While the registry gives no answer, bytes are neither an event nor refused."""
    registry = SchemasInMemory()
    value = EventCodec(registry).encode(SIGNAL)
    registry.away = True

    with pytest.raises(SchemaRegistryUnavailableError):
        EventCodec(registry).decode(Signal, value)


def test_wide_numbers_fit() -> None:
    """A salt of 64 bits and an offset beyond 32 travel whole."""
    codec = EventCodec(SchemasInMemory())
    state = DeploymentState(
        model="m",
        generation=1,
        salt=2**63 - 1,
        versions=(),
        previous_version=None,
        request_schema_id=1,
        prediction_schema_id=2,
        accepted_losses=(),
        command_id="c",
        decided_at=253_402_300_799_999,
    )

    assert codec.decode(DeploymentState, codec.encode(state)) == state
