"""Which schema can follow which: the resolution rules of Avro, one by one."""

import json
from typing import Any

import pytest
from hypothesis import given, settings

from schemas.compatibility import check_backward
from schemas.errors import SchemaIncompatibleError
from tests.contracts.request_generation import Case, cases

COLORS = {"type": "enum", "name": "Color", "symbols": ["red", "green"]}
MORE_COLORS = {**COLORS, "symbols": ["red", "green", "blue"]}
INNER = {"type": "record", "name": "Inner", "fields": [{"name": "x", "type": "int"}]}


def of(avro_type: Any, **more: Any) -> str:
    """A record with one field `a` of that type."""
    return json.dumps({"type": "record", "name": "R", "fields": [{"name": "a", "type": avro_type, **more}]})


LINKED = {
    "type": "record",
    "name": "Node",
    "fields": [{"name": "value", "type": "long"}, {"name": "next", "type": ["null", "Node"]}],
}

COMPATIBLE = [
    ("long", "int"),
    ("double", "int"),
    ("double", "long"),
    ("double", "float"),
    ("string", "bytes"),
    (["null", "long"], "long"),
    (["null", "long"], ["null", "int"]),
    (["null", "double"], "null"),
    ({"type": "long", "logicalType": "timestamp-millis"}, "long"),
    (MORE_COLORS, COLORS),
    ({**COLORS, "default": "red"}, MORE_COLORS),
    ({"type": "array", "items": "long"}, {"type": "array", "items": "int"}),
    ({"type": "map", "values": "double"}, {"type": "map", "values": "long"}),
    ({**INNER, "fields": []}, INNER),
    (LINKED, LINKED),
]
INCOMPATIBLE = [
    ("int", "long", "a", "changes from long to int"),
    ("long", "double", "a", "changes from double to long"),
    ("string", "long", "a", "changes from long to string"),
    ("long", ["null", "long"], "a", "was nullable and is not any more"),
    (["null", "string"], "long", "a", "was long, which is none of: null, string"),
    (COLORS, MORE_COLORS, "a", "loses the symbols blue"),
    ({**COLORS, "name": "Hue"}, COLORS, "a", "is now enum Hue, was Color"),
    ({"type": "array", "items": "int"}, {"type": "array", "items": "long"}, "a", "changes from long to int"),
    ({"type": "array", "items": "int"}, {"type": "map", "values": "int"}, "a", "changes from map to array"),
    ({"type": "fixed", "name": "F", "size": 4}, {"type": "fixed", "name": "F", "size": 3}, "a", "is now fixed F(4)"),
    ({**INNER, "name": "Outer"}, INNER, "a", "is now record Outer, was Inner"),
    ({**INNER, "fields": [*INNER["fields"], {"name": "y", "type": "int"}]}, INNER, "a.y", "is new and has no default"),
]


@pytest.mark.parametrize(("reader", "writer"), COMPATIBLE)
def test_what_avro_resolves_is_accepted(reader: Any, writer: Any) -> None:
    """A type that Avro's rules resolve is no obstacle."""
    check_backward(of(reader), of(writer))


@pytest.mark.parametrize(("reader", "writer", "field", "reason"), INCOMPATIBLE)
def test_what_avro_does_not_resolve_is_refused(reader: Any, writer: Any, field: str, reason: str) -> None:
    """A type that can't be resolved is refused with the field's path and the reason."""
    with pytest.raises(SchemaIncompatibleError) as caught:
        check_backward(of(reader), of(writer), subject="s")

    assert caught.value.field == field
    assert reason in caught.value.reason


def test_new_field_needs_a_default() -> None:
    """A field that the old schema lacks is accepted with a default or an alias, and refused without."""
    old = json.dumps({"type": "record", "name": "R", "fields": [{"name": "b", "type": "long"}]})

    check_backward(of("long", default=0), old)
    check_backward(of("long", aliases=["b"]), old)
    with pytest.raises(SchemaIncompatibleError, match="field 'a' is new and has no default"):
        check_backward(of("long"), old)


def test_failure_inside_a_union_is_not_forgotten() -> None:
    """A pair of records that failed as one branch of a union fails again where it stands alone."""
    writer = {"type": "record", "name": "In", "fields": [{"name": "x", "type": "string"}]}
    reader = {"type": "record", "name": "In", "fields": [{"name": "x", "type": "long"}]}
    old = {"type": "record", "name": "R", "fields": [{"name": "a", "type": writer}, {"name": "b", "type": "In"}]}
    new = {
        "type": "record",
        "name": "R",
        "fields": [{"name": "a", "type": [reader, "null"]}, {"name": "b", "type": "In"}],
    }

    with pytest.raises(SchemaIncompatibleError):
        check_backward(json.dumps(new), json.dumps(old))


@settings(max_examples=60, deadline=None)
@given(cases(records_max=0))
def test_every_schema_follows_itself(case: Case) -> None:
    """Any schema reads what it wrote."""
    check_backward(case.reader, case.reader)
    check_backward(case.writer, case.writer)
