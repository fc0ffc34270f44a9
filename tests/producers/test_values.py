"""Values from files become what travels, or an error that names the column, the kind and the remedy."""

import math
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from producers.errors import RowError
from producers.values import event_time_ms, feature_value, identity
from schemas.signature import FeatureKind


@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [
        (FeatureKind.NUMBER, "3.5", 3.5),
        (FeatureKind.NUMBER, 3, 3.0),
        (FeatureKind.NUMBER, Decimal("0.1"), 0.1),
        (FeatureKind.INTEGER, "12", 12),
        (FeatureKind.INTEGER, "12.0", 12),
        (FeatureKind.INTEGER, 12.0, 12),
        (FeatureKind.INTEGER, str(2**53 + 1), 2**53 + 1),
        (FeatureKind.BOOLEAN, "TRUE", True),
        (FeatureKind.BOOLEAN, "0", False),
        (FeatureKind.STRING, "EWR", "EWR"),
    ],
)
def test_values_become_the_features_type(kind: FeatureKind, value: object, expected: object) -> None:
    """Text of csv and typed values of jsonl and parquet give the same."""
    read = feature_value("column", kind, value)

    assert (type(read), read) == (type(expected), expected)


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (FeatureKind.NUMBER, "abc"),
        (FeatureKind.NUMBER, "1_000"),
        (FeatureKind.NUMBER, True),
        (FeatureKind.NUMBER, 10**400),
        (FeatureKind.INTEGER, "1.5"),
        (FeatureKind.INTEGER, "nan"),
        (FeatureKind.INTEGER, 2**63),
        (FeatureKind.INTEGER, True),
        (FeatureKind.INTEGER, "9" * 5_000),
        (FeatureKind.BOOLEAN, "yes"),
        (FeatureKind.BOOLEAN, 1),
        (FeatureKind.STRING, 5),
        (FeatureKind.STRING, "\ud800"),
        (FeatureKind.STRING, ["a"]),
    ],
)
def test_a_value_of_another_kind_is_refused_by_name(kind: FeatureKind, value: object) -> None:
    """The error names the column and says what to write."""
    with pytest.raises(RowError) as caught:
        feature_value("seats", kind, value)

    assert caught.value.column == "seats"
    assert "write " in str(caught.value)
    assert "\n" not in str(caught.value)


def test_not_a_number_is_a_number_that_the_scorer_judges() -> None:
    """Whether NaN is allowed is the signature's business."""
    read = feature_value("column", FeatureKind.NUMBER, "nan")

    assert isinstance(read, float)
    assert math.isnan(read)


@given(st.integers(min_value=-(1 << 63), max_value=(1 << 63) - 1))
def test_every_long_survives_text(number: int) -> None:
    """Precision is not lost on the way through csv."""
    assert feature_value("column", FeatureKind.INTEGER, str(number)) == number


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("2013-04-01T09:00:00Z", 1_364_806_800_000),
        ("2013-04-01 09:00:00", 1_364_806_800_000),
        ("2013-04-01T05:00:00-04:00", 1_364_806_800_000),
        (datetime(2013, 4, 1, 5, tzinfo=timezone(timedelta(hours=-4))), 1_364_806_800_000),
        (datetime(2013, 4, 1, 9, tzinfo=UTC).replace(tzinfo=None), 1_364_806_800_000),
        (datetime(2013, 4, 1, tzinfo=UTC).date(), 1_364_774_400_000),
        (1_364_806_800_000, 1_364_806_800_000),
        ("1364806800000", 1_364_806_800_000),
        ("-5", -5),
    ],
)
def test_moments_in_all_their_forms(value: object, expected: int) -> None:
    """Text, timestamps, dates and milliseconds; without a zone it is UTC."""
    assert event_time_ms("time", value) == expected


@pytest.mark.parametrize("value", ["yesterday", "", None, 2.5, True, 10**18, "9" * 5_000])
def test_what_is_no_moment_is_refused(value: object) -> None:
    """The remedy shows a form that works."""
    with pytest.raises(RowError, match="2013-04-01T09:00:00Z"):
        event_time_ms("time", value)


@pytest.mark.parametrize(("value", "expected"), [("N14228", "N14228"), (17, "17")])
def test_ids_are_text(value: object, expected: str) -> None:
    """An integer id is taken as its digits."""
    assert identity("id", value) == expected


@pytest.mark.parametrize("value", ["", None, 1.5, True])
def test_an_id_cannot_be_missing(value: object) -> None:
    """Without an id there is nothing to follow."""
    with pytest.raises(RowError, match="column 'id'"):
        identity("id", value)
