"""Which writers' schemas can be read, and the reason for each that can't."""

import json
import time
from typing import Any

import pytest

from schemas.errors import RequestBodyError
from schemas.reasons import Reason
from schemas.signature import Feature, FeatureKind
from schemas.writer_plan import plan_writer
from schemas.writer_schema import spelled_out

FEATURES = (
    Feature(name="delay", kind=FeatureKind.NUMBER, dtype="float64"),
    Feature(name="seats", kind=FeatureKind.INTEGER, dtype="int64", nullable=True),
    Feature(name="carrier", kind=FeatureKind.STRING, dtype="object"),
)
GOOD = {"delay": "double", "seats": ["null", "long"], "carrier": "string"}
TIME = {"type": "long", "logicalType": "timestamp-millis"}
ENVELOPE = {"request_id": "string", "entity_id": "string", "event_time": TIME}


def record(name: str, types: dict[str, Any]) -> dict[str, Any]:
    """A record of named types."""
    return {"type": "record", "name": name, "fields": [{"name": each, "type": kind} for each, kind in types.items()]}


def writer(named: dict[str, Any] = GOOD, **envelope: Any) -> str:
    """A writer's schema; a field of the envelope that is None is left out."""
    types = {**ENVELOPE, "features": record("F", named), **envelope}
    return json.dumps(record("R", {name: each for name, each in types.items() if each is not None}))


@pytest.mark.parametrize(
    ("schema", "plain"),
    [
        (writer(), True),
        (writer({"carrier": "string", "seats": "long", "delay": ["null", "double"]}), True),
        (writer({"delay": "long", "carrier": "string"}), True),
        (writer({**GOOD, "delay": "float"}), False),
        (writer({**GOOD, "delay": ["double", "null"]}), False),
        (writer({**GOOD, "carrier": {"type": "enum", "name": "C", "symbols": ["AA"]}}), False),
        (writer({**GOOD, "more": {"type": "array", "items": "string"}}), True),
        (writer(event_time="long", trace="bytes"), True),
    ],
)
def test_readable_writers_have_a_plan(schema: str, *, plain: bool) -> None:
    """Order, extra fields, nullability and Avro's widenings are read; exact types by the batch."""
    assert plan_writer(schema, FEATURES).plain == plain


@pytest.mark.parametrize(
    ("schema", "reason", "detail"),
    [
        ('"string"', Reason.INCOMPATIBLE_SCHEMA, "no record"),
        (writer(request_id=None), Reason.INCOMPATIBLE_SCHEMA, "'request_id'"),
        (writer(features=None), Reason.INCOMPATIBLE_SCHEMA, "'features'"),
        (writer(features="string"), Reason.INCOMPATIBLE_SCHEMA, "'features' is written as string"),
        (writer(entity_id="long"), Reason.WRONG_TYPE, "'entity_id' is written as long, not string"),
        (writer(request_id=["null", "string"]), Reason.WRONG_TYPE, "null or string, not string"),
        (writer(event_time="string"), Reason.WRONG_TYPE, "'event_time' is written as string"),
        (
            writer(event_time={"type": "long", "logicalType": "timestamp-micros"}),
            Reason.WRONG_TYPE,
            "timestamp-micros, not timestamp-millis",
        ),
        (writer({"delay": "double"}), Reason.MISSING_FEATURE, "'carrier'"),
        (writer({**GOOD, "delay": "string"}), Reason.WRONG_TYPE, "'delay' is written as string, not double"),
        (writer({**GOOD, "seats": "double"}), Reason.WRONG_TYPE, "'seats' is written as double, not long"),
        (writer({**GOOD, "carrier": ["string", "long"]}), Reason.WRONG_TYPE, "'carrier' is written as long"),
        (writer({**GOOD, "carrier": "bytes"}), Reason.WRONG_TYPE, "'carrier' is written as bytes"),
        (writer(more={"type": "array", "items": "null"}), Reason.INCOMPATIBLE_SCHEMA, "no bytes"),
        (writer(more={"type": "array", "items": record("E", {})}), Reason.INCOMPATIBLE_SCHEMA, "no bytes"),
        (writer(more=record("N", {"next": ["null", "N"]})), Reason.INCOMPATIBLE_SCHEMA, "contains itself"),
    ],
)
def test_unreadable_writers_have_a_reason(schema: str, reason: Reason, detail: str) -> None:
    """A writer whose bodies can't be requests of the model is refused as a whole, by field and cause."""
    with pytest.raises(RequestBodyError) as caught:
        plan_writer(schema, FEATURES)

    assert caught.value.reason is reason
    assert detail in caught.value.detail


def test_schema_bomb_is_refused_quickly() -> None:
    """Types that double with each name are refused before they are spelled out."""
    types: Any = record("N0", {"a": "long"})
    for depth in range(1, 40):
        types = record(f"N{depth}", {"a": types, "b": f"N{depth - 1}"})
    started = time.monotonic()

    with pytest.raises(RequestBodyError, match="over 10,000 types"):
        plan_writer(writer(more=types), FEATURES)
    assert time.monotonic() - started < 5


def test_deep_schema_is_refused() -> None:
    """Types that lie too deep in each other are refused, and exhaust no stack."""
    types: Any = "long"
    for _ in range(150):
        types = {"type": "array", "items": types}

    with pytest.raises(RequestBodyError) as caught:
        plan_writer(writer(more=types), FEATURES)
    assert caught.value.reason is Reason.INCOMPATIBLE_SCHEMA


def test_names_are_resolved_in_their_namespaces() -> None:
    """A short name means the type of the namespace that it stands in."""
    inner = {"type": "fixed", "name": "Id", "namespace": "a", "size": 2}
    other = {"type": "fixed", "name": "Id", "namespace": "b", "size": 3}
    schema = {**record("R", {"x": inner, "y": other, "z": "Id", "q": "a.Id"}), "namespace": "b"}

    sizes = [field["type"]["size"] for field in spelled_out(json.dumps(schema))["fields"]]

    assert sizes == [2, 3, 3, 2]
