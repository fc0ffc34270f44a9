"""Whether two decoders say the same of a batch: rows, values to the last bit, reasons and details."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from schemas.columns import Rejection, RequestColumns, RequestDecoder


class DivergenceError(AssertionError):
    """Two decoders of the same bytes do not agree."""


def agreed(
    one: RequestDecoder, other: RequestDecoder, values: Sequence[bytes | None]
) -> tuple[RequestColumns, list[Rejection]]:
    """What both decoders say of the batch. Raises `DivergenceError` naming what differs."""
    columns, rejections = one.decode(values)
    other_columns, other_rejections = other.decode(values)
    named = sorted([*columns.rows.tolist(), *(rejection.row for rejection in rejections)])
    _same("rows that are accounted for", named, list(range(len(values))))
    _same("rejections", rejections, other_rejections)
    _same("features' schema", columns.features.schema, other_columns.features.schema)
    mine, theirs = plain(columns), plain(other_columns)
    for name, column in mine.items():
        _same(name, column, theirs[name])
    return columns, rejections


def plain(columns: RequestColumns) -> dict[str, list[Any]]:
    """Columns as lists in which equal means equal bits; checked for what columns promise."""
    columns.features.validate(full=True)
    lists = {
        "rows": columns.rows.tolist(),
        "request_ids": columns.request_ids.to_pylist(),
        "entity_ids": columns.entity_ids.to_pylist(),
        "event_times": columns.event_times.tolist(),
        **{f"feature {field.name}": bits(columns.features.column(field.name)) for field in columns.features.schema},
    }
    _same("lengths", {len(each) for each in lists.values()}, {len(columns.rows)})
    _same("order of rows", lists["rows"], sorted(set(lists["rows"])))
    return lists


def bits(column: pa.Array) -> list[Any]:
    """Values of a column, doubles as their eight bytes: NaN equals itself and -0.0 is not 0.0."""
    values = column.to_pylist()
    if pa.types.is_float64(column.type):
        return [None if value is None else np.float64(value).tobytes() for value in values]
    return list(values)


def _same(what: str, mine: object, theirs: object) -> None:
    if mine != theirs:
        raise DivergenceError(f"{what} differ: {mine!r:.2000} and {theirs!r:.2000}")
