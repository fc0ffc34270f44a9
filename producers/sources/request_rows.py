"""Rows of files as features of requests: columns by name, text read as the type that the schema states."""

from collections.abc import Mapping, Sequence

from producers.errors import RowError
from producers.values import feature_value, is_missing
from schemas.signature import Feature

Value = float | int | bool | str | None


def row_features(features: Sequence[Feature], cells: Mapping[str, object]) -> dict[str, Value]:
    """The features that a row has cells for; None where one is missing and may be.

    Raises `RowError` naming the first column that is missing or of another kind.
    """
    return {feature.name: _value(feature, cells.get(feature.name)) for feature in features}


def _value(feature: Feature, cell: object) -> Value:
    if not is_missing(cell):
        return feature_value(feature.name, feature.kind, cell)
    if feature.nullable:
        return None
    raise RowError(feature.name, "nothing", "fill it: this feature can't be missing")
