"""Values from files and callers become the types that travel, or a `RowError` that names the column.

Pure. Text is read as csv has it: "3.5", "true", and nothing at all for a missing value.
"""

import contextlib
import math
from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal

from producers.errors import RowError
from schemas.signature import FeatureKind

_INTEGER_MIN, _INTEGER_MAX = -(1 << 63), (1 << 63) - 1
_TIME_MS_MIN, _TIME_MS_MAX = -62_135_596_800_000, 253_402_300_799_999  # years 1 to 9999
_BOOLEANS = {"true": True, "false": False, "1": True, "0": False}


def is_missing(value: object) -> bool:
    """Whether a value stands for none: null, and empty text.

    >>> is_missing(None), is_missing(""), is_missing(0), is_missing(float("nan"))
    (True, True, False, False)
    """
    return value is None or value == ""


def feature_value(column: str, kind: FeatureKind, value: object) -> float | int | bool | str:
    """A value that is there, as its feature's kind. Raises `RowError`.

    >>> feature_value("seats", FeatureKind.INTEGER, "12"), feature_value("dep_delay", FeatureKind.NUMBER, -3)
    (12, -3.0)
    """
    return _READERS[kind](column, value)


def identity(column: str, value: object) -> str:
    """An id as text. Raises `RowError` for one that is missing or no text or integer."""
    if isinstance(value, str) and value:
        return _text(column, value)
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    raise RowError(column, described(value), "fill it: an id is text or an integer")


def event_time_ms(column: str, value: object) -> int:
    """A moment as ms since the epoch: ISO 8601 (UTC unless it says otherwise), a timestamp or whole ms.

    >>> event_time_ms("t", "2013-04-01T05:00:00-04:00"), event_time_ms("t", 1364806800000)
    (1364806800000, 1364806800000)
    """
    remedy = "write ISO 8601, such as 2013-04-01T09:00:00Z, or whole milliseconds since 1970"
    if isinstance(value, str):
        value = int(value) if value.lstrip("-").isdecimal() and len(value) <= 20 else _moment(column, value, remedy)
    if isinstance(value, datetime):
        moment = value if value.tzinfo is not None else value.replace(tzinfo=UTC)
        return math.floor(moment.timestamp() * 1000)
    if isinstance(value, date):
        return event_time_ms(column, datetime(value.year, value.month, value.day, tzinfo=UTC))
    if isinstance(value, int) and not isinstance(value, bool) and _TIME_MS_MIN <= value <= _TIME_MS_MAX:
        return value
    raise RowError(column, described(value), remedy)


def described(value: object) -> str:
    """A value in words, short enough for one line.

    >>> described("abc"), described(None), described(2.5)
    ("the text 'abc'", 'nothing', 'the number 2.5')
    """
    if is_missing(value):
        return "nothing"
    names: dict[type, str] = {str: "text", bool: "boolean", int: "integer", float: "number", dict: "object"}
    shown = repr(value)
    return f"the {names.get(type(value), type(value).__name__)} {shown if len(shown) <= 40 else shown[:37] + '...'}"


def _number(column: str, value: object) -> float:
    if isinstance(value, str):
        with contextlib.suppress(ValueError):
            value = float(value) if "_" not in value else value
    if isinstance(value, (int, float, Decimal)) and not isinstance(value, bool):
        with contextlib.suppress(OverflowError):
            return float(value)
    raise RowError(column, described(value), "write a number")


def _integer(column: str, value: object) -> int:
    if isinstance(value, str):
        try:
            value = int(value) if "_" not in value else value
        except ValueError:
            value = _number(column, value)
    if isinstance(value, (float, Decimal)) and math.isfinite(value) and value == int(value):
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool) and _INTEGER_MIN <= value <= _INTEGER_MAX:
        return value
    raise RowError(column, described(value), "write an integer of at most 64 bits")


def _boolean(column: str, value: object) -> bool:
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.lower() in _BOOLEANS:
        return _BOOLEANS[value.lower()]
    raise RowError(column, described(value), "write true or false")


def _text(column: str, value: object) -> str:
    if not isinstance(value, str):
        raise RowError(column, described(value), "write text, in quotes where the file knows types")
    try:
        value.encode("utf-8")
    except UnicodeEncodeError:
        raise RowError(column, described(value), "write valid Unicode: lone surrogates can't be sent") from None
    return value


def _moment(column: str, text: str, remedy: str) -> datetime:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        raise RowError(column, described(text), remedy) from None


_READERS: dict[FeatureKind, Callable[[str, object], float | int | bool | str]] = {
    FeatureKind.NUMBER: _number,
    FeatureKind.INTEGER: _integer,
    FeatureKind.BOOLEAN: _boolean,
    FeatureKind.STRING: _text,
}
