"""Predictions read many at once are the ones read one by one, for good bytes and for broken ones."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.columns import PredictionColumns
from schemas.errors import EventDecodeError, SchemaRegistryUnavailableError
from schemas.prediction_encoder import PredictionEncoder
from schemas.prediction_reader import ROWS_MIN, PredictionReader
from schemas.prediction_rows import plan_rows
from schemas.request_schema import prediction_schema, without_logical_types
from tests.contracts.schemas_in_memory import SchemasInMemory
from tests.schemas.test_predictions import FEATURES, one_column, predictions

SCHEMA = prediction_schema("m", FEATURES)


@settings(max_examples=80, deadline=None)
@given(predictions())
def test_a_batch_reads_as_its_rows(columns: PredictionColumns) -> None:
    """Gaps, NaN, unicode, large numbers and arrays included."""
    reader, values = _encoded(columns)

    assert repr(reader.read_all(values)) == repr([reader.read(value) for value in values])


@settings(max_examples=60, deadline=None)
@given(predictions(), st.data())
def test_a_broken_neighbor_changes_nothing(columns: PredictionColumns, data: st.DataObject) -> None:
    """Bytes changed, cut or added anywhere: each value is what it is by itself."""
    reader, values = _encoded(columns)
    for _ in range(data.draw(st.integers(1, 3)) if values else 0):
        row = data.draw(st.integers(0, len(values) - 1))
        values[row] = _broken(values[row], data)

    assert _told(reader.read_all(values)) == _told([_by_itself(reader, value) for value in values])


def test_values_of_several_schemas_and_of_none_keep_their_places() -> None:
    """A batch may hold predictions of two schemas, and what no schema wrote."""
    registry = SchemasInMemory()
    old, new = prediction_schema("m", FEATURES[:1]), prediction_schema("m", FEATURES[:2])
    values = []
    for schema in (old, new):
        encoder = PredictionEncoder("arrow", schema_id=registry.add(schema), schema=schema)
        values.append(encoder.encode(one_column(ROWS_MIN + 1)))
    mixed = [value for pair in zip(*values, strict=True) for value in pair] + [
        b"",
        b"\x00\x00",
        b"\x00\x00\x00\x00\x63x",
    ]
    reader = PredictionReader(registry)

    assert _told(reader.read_all(mixed)) == _told([_by_itself(reader, value) for value in mixed])
    assert reader.read_all([]) == []


def test_a_prediction_schema_is_read_at_once() -> None:
    """The fast way is the one that is taken for every schema that is generated."""
    assert plan_rows(json.loads(without_logical_types(SCHEMA))) is not None


@pytest.mark.parametrize("change", [{"type": "bytes"}, {"type": "int"}, {"type": ["string", "null"]}])
def test_a_kind_that_can_not_be_vouched_for_is_read_one_by_one(change: dict[str, Any]) -> None:
    """Another writer's schema may have anything in it."""
    schema = json.loads(without_logical_types(SCHEMA))
    schema["fields"].append({"name": "extra", **change})

    assert plan_rows(schema) is None


def test_a_registry_that_gives_no_answer_is_told() -> None:
    """Nothing is judged that can't be judged now."""
    registry = SchemasInMemory()
    encoder = PredictionEncoder("arrow", schema_id=registry.add(SCHEMA), schema=SCHEMA)
    values = encoder.encode(one_column(ROWS_MIN))
    registry.away = True
    with pytest.raises(SchemaRegistryUnavailableError):
        PredictionReader(registry).read_all(values)


def _encoded(columns: PredictionColumns) -> tuple[PredictionReader, list[bytes]]:
    registry = SchemasInMemory()
    encoder = PredictionEncoder("arrow", schema_id=registry.add(SCHEMA), schema=SCHEMA)
    return PredictionReader(registry), encoder.encode(columns)


def _broken(value: bytes, data: st.DataObject) -> bytes:
    at = data.draw(st.integers(5, len(value)))
    kind = data.draw(st.sampled_from(["cut", "add", "change", "insert"]))
    if kind == "cut":
        return value[:at]
    if kind == "add":
        return value + data.draw(st.binary(min_size=1, max_size=9))
    piece = data.draw(st.binary(min_size=1, max_size=3))
    return value[:at] + piece + value[at + (len(piece) if kind == "change" else 0) :]


def _by_itself(reader: PredictionReader, value: bytes) -> dict[str, Any] | EventDecodeError:
    try:
        return reader.read(value)
    except EventDecodeError as error:
        return error


def _told(found: list[dict[str, Any] | EventDecodeError]) -> list[str]:
    """Predictions as text, since NaN equals nothing; refusals as their kind, since their words hold addresses."""
    return [type(each).__name__ if isinstance(each, EventDecodeError) else repr(each) for each in found]
