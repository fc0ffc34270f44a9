"""Requests to framed Avro bytes, for producers: what does not fit is refused before it is sent.

Takes Python and numpy scalars; a missing value is None or NaN. Never guesses: text is no number.
"""

import io
import json
from collections.abc import Callable, Mapping
from typing import Any

import fastavro
import numpy as np

from schemas.errors import RequestValueError
from schemas.framing import prefix
from schemas.request_columns import EVENT_TIME_MAX, EVENT_TIME_MIN
from schemas.request_schema import features_of, without_logical_types
from schemas.signature import Feature, FeatureKind

LONG_MIN, LONG_MAX = -(2**63), 2**63 - 1
_ABSENT = object()


class RequestWriter:
    """Encodes requests with one request schema."""

    def __init__(self, schema_id: int, schema: str) -> None:
        self._head = prefix(schema_id)
        self._features = features_of(schema)
        self._names = frozenset(feature.name for feature in self._features)
        self._schema: Any = fastavro.parse_schema(json.loads(without_logical_types(schema)))

    def encode(self, request_id: str, entity_id: str, *, event_time: int, features: Mapping[str, object]) -> bytes:
        """The framed bytes of one request; `event_time` is ms since the epoch, UTC.

        A nullable feature may be left out. Raises `RequestValueError` naming the field, the kind
        of value that it got and the remedy.
        """
        record = {
            "request_id": _identity("request_id", request_id),
            "entity_id": _identity("entity_id", entity_id),
            "event_time": _time(event_time),
            "features": {
                feature.name: _value(feature, features.get(feature.name, _ABSENT)) for feature in self._features
            },
        }
        if not self._names.issuperset(features):
            self._refuse_unknown(features)
        buffer = io.BytesIO()
        buffer.write(self._head)
        fastavro.schemaless_writer(buffer, self._schema, record)
        return buffer.getvalue()

    def _refuse_unknown(self, features: Mapping[str, object]) -> None:
        name = next(name for name in features if name not in self._names)
        known = ", ".join(feature.name for feature in self._features)
        raise RequestValueError(str(name), f"is no feature of the model: leave it out, or use one of {known}")


def _value(feature: Feature, value: object) -> object:
    """The value as fastavro writes it."""
    if value is _ABSENT or _is_missing(feature, value):
        if feature.nullable:
            return None
        got = "is absent" if value is _ABSENT else f"is {value!r}"
        raise RequestValueError(feature.name, f"{got}, and the model was trained without missing values: fill it")
    return _CONVERSIONS[feature.kind](feature.name, value)


def _is_missing(feature: Feature, value: object) -> bool:
    """None, pandas' NA and NaT, and NaN; but NaN is a value of a number that can't be null."""
    if isinstance(value, float | np.floating):
        return bool(value != value) and (feature.nullable or feature.kind is not FeatureKind.NUMBER)  # noqa: PLR0124
    return value is None or type(value).__name__ in ("NAType", "NaTType")


def _number(name: str, value: object) -> float:
    if isinstance(value, float | np.floating):
        return float(value)
    if isinstance(value, int | np.integer) and not isinstance(value, bool):
        try:
            return float(value)
        except OverflowError:
            raise RequestValueError(name, "is an integer beyond what a number holds: send a smaller one") from None
    raise _mistyped(name, value, "a number: send a float or an int")


def _integer(name: str, value: object) -> int:
    if not isinstance(value, int | np.integer) or isinstance(value, bool):
        raise _mistyped(name, value, "an integer: send an int")
    if not LONG_MIN <= value <= LONG_MAX:
        raise RequestValueError(name, f"is {value}, which does not fit 64 bits: send a smaller integer")
    return int(value)


def _boolean(name: str, value: object) -> bool:
    if not isinstance(value, bool | np.bool_):
        raise _mistyped(name, value, "a boolean: send True or False")
    return bool(value)


def _string(name: str, value: object) -> str:
    if not isinstance(value, str):
        raise _mistyped(name, value, "text: send a str")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise RequestValueError(name, "is text with a lone surrogate: send text that UTF-8 can hold") from None
    return str(value)


_CONVERSIONS: dict[FeatureKind, Callable[[str, object], object]] = {
    FeatureKind.NUMBER: _number,
    FeatureKind.INTEGER: _integer,
    FeatureKind.BOOLEAN: _boolean,
    FeatureKind.STRING: _string,
}


def _identity(name: str, value: object) -> str:
    text = _string(name, value)
    if not text:
        raise RequestValueError(name, "is empty: every request needs one")
    return text


def _time(value: object) -> int:
    time = _integer("event_time", value)
    if not EVENT_TIME_MIN <= time <= EVENT_TIME_MAX:
        raise RequestValueError("event_time", f"is {time} ms, not in the years 1 to 9999: send ms since the epoch")
    return time


def _mistyped(name: str, value: object, wanted: str) -> RequestValueError:
    return RequestValueError(name, f"got {type(value).__name__} {value!r:.60}, but is {wanted}")
