"""What a producer may put into a request, and what it is told when it may not."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from schemas.columns import RequestColumns
from schemas.decoders import build_decoder
from schemas.errors import RequestValueError
from schemas.request_schema import request_schema
from schemas.request_writer import RequestWriter
from schemas.signature import Feature, FeatureKind
from tests.contracts.schemas_in_memory import SchemasInMemory

FEATURES = (
    Feature(name="delay", kind=FeatureKind.NUMBER, dtype="float64"),
    Feature(name="wind", kind=FeatureKind.NUMBER, dtype="float64", nullable=True),
    Feature(name="seats", kind=FeatureKind.INTEGER, dtype="int64", nullable=True),
    Feature(name="rain", kind=FeatureKind.BOOLEAN, dtype="bool", nullable=True),
    Feature(name="carrier", kind=FeatureKind.STRING, dtype="object", nullable=True),
)
SCHEMA = request_schema("m", FEATURES)
NONE: dict[str, object] = {"delay": 1.0, "wind": None, "seats": None, "rain": None, "carrier": None}


def written_and_read(features: dict[str, object]) -> dict[str, Any]:
    """Features after a journey through bytes."""
    columns = read(RequestWriter(1, SCHEMA).encode("r", "e", event_time=1, features=features))
    (row,) = columns.features.to_pylist()
    return dict(row)


def read(value: bytes) -> RequestColumns:
    """The columns of one good value."""
    registry = SchemasInMemory()
    schema_id = registry.add(SCHEMA)
    decoder = build_decoder("fastavro", registry=registry, request_schema_id=schema_id, value_bytes_max=1_000)
    columns, rejections = decoder.decode([value])
    assert rejections == []
    return columns


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"delay": 2}, {"delay": 2.0}),
        (
            {"delay": np.float32(0.5), "seats": np.int64(7), "rain": np.bool_(True)},
            {"delay": 0.5, "seats": 7, "rain": True},
        ),
        ({"delay": float("inf"), "carrier": "\u00e9"}, {"delay": float("inf"), "carrier": "\u00e9"}),
        ({"delay": 0, "wind": float("nan"), "seats": float("nan"), "carrier": pd.NA}, {"delay": 0.0}),
        ({"delay": 0, "wind": np.float64("nan"), "seats": pd.NaT}, {"delay": 0.0}),
        ({"delay": 0, "seats": 2**63 - 1}, {"delay": 0.0, "seats": 2**63 - 1}),
    ],
)
def test_values_arrive(given: dict[str, object], expected: dict[str, object]) -> None:
    """Python and numpy scalars arrive as their feature's kind; None, NaN and NA as missing."""
    assert written_and_read(given) == {**NONE, **expected}


def test_nan_is_a_value_where_nothing_may_be_missing() -> None:
    """NaN in a number that can't be null is sent as NaN, for the version to judge."""
    assert str(written_and_read({"delay": float("nan")})["delay"]) == "nan"


@pytest.mark.parametrize(
    ("given", "field", "said"),
    [
        ({}, "delay", "is absent, and the model was trained without missing values: fill it"),
        ({"delay": None}, "delay", "is None"),
        ({"delay": "12"}, "delay", "got str '12', but is a number: send a float or an int"),
        ({"delay": True}, "delay", "got bool True"),
        ({"delay": 10**400}, "delay", "beyond what a number holds"),
        ({"delay": 1, "seats": 1.5}, "seats", "got float 1.5, but is an integer: send an int"),
        ({"delay": 1, "seats": 2**63}, "seats", "does not fit 64 bits"),
        ({"delay": 1, "seats": False}, "seats", "got bool False"),
        ({"delay": 1, "rain": 1}, "rain", "got int 1, but is a boolean: send True or False"),
        ({"delay": 1, "carrier": 3}, "carrier", "got int 3, but is text: send a str"),
        ({"delay": 1, "carrier": "\ud800"}, "carrier", "lone surrogate"),
        ({"delay": 1, "dealy": 2}, "dealy", "is no feature of the model: leave it out, or use one of delay, wind"),
    ],
)
def test_values_that_do_not_fit_are_named(given: dict[str, object], field: str, said: str) -> None:
    """A missing, mistyped or unknown feature is named with the kind of value and the remedy."""
    with pytest.raises(RequestValueError) as caught:
        RequestWriter(1, SCHEMA).encode("r", "e", event_time=1, features=given)

    assert caught.value.field == field
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("identity", "field"),
    [
        ({"request_id": ""}, "request_id"),
        ({"entity_id": ""}, "entity_id"),
        ({"entity_id": 7}, "entity_id"),
        ({"event_time": 1.5}, "event_time"),
        ({"event_time": 10**15}, "event_time"),
    ],
)
def test_ids_and_time_are_held_to_the_same(identity: dict[str, Any], field: str) -> None:
    """Empty ids and times outside of the calendar would be dead letters, so they are refused at once."""
    whole: dict[str, Any] = {"request_id": "r", "entity_id": "e", "event_time": 1, **identity}

    with pytest.raises(RequestValueError) as caught:
        RequestWriter(1, SCHEMA).encode(
            whole["request_id"], whole["entity_id"], event_time=whole["event_time"], features={"delay": 1}
        )
    assert caught.value.field == field
