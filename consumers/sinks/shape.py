"""Fits documents to their collection: every field declared, present and of its kind.

Pure, and by two ways to the same end: document by document, or field by field for many that all
fit. Times become ISO-8601 UTC text with milliseconds, NaN and infinity become null. What JSON
and bytes become is the store's choice, everything else is the same in every store.
"""

import base64
import math
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import lru_cache
from operator import itemgetter
from typing import TypeGuard, TypeVar

import orjson

from consumers.errors import DocumentError
from consumers.sinks.base import Document, FieldValue
from consumers.stored_collections import COLLECTIONS, Collection, FieldKind

INTEGER_MAX = (1 << 63) - 1
_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001  UTC is said by the Z, and the offset is left out
_MINUTES_KEPT = 16_384
_SECONDS = tuple(f":{second:02d}" for second in range(60))
_MILLISECONDS = tuple(f".{ms:03d}Z" for ms in range(1_000))

T = TypeVar("T")
Column = Sequence[FieldValue]
Row = Sequence[FieldValue]
Convert = Callable[[FieldValue], FieldValue]
ConvertAll = Callable[[Column], Column | None]


def as_it_is(value: FieldValue) -> FieldValue:
    """A value that the store takes as it comes."""
    return value


class Shaper:
    """Turns documents into tuples of values, in the order of their collection's fields."""

    def __init__(
        self, *, json: Convert, binary: Convert = as_it_is, collections: Sequence[Collection] = COLLECTIONS
    ) -> None:
        kinds: Mapping[FieldKind, Convert] = {
            **_CONVERTS,
            FieldKind.JSON: json,
            FieldKind.BYTES: lambda value: binary(_bytes(value)),
        }
        self._plans = {
            collection.name: (
                collection,
                tuple((field.name, kinds[field.kind], field.nullable) for field in collection.fields),
            )
            for collection in collections
        }
        self._column_plans = {
            collection.name: (
                collection,
                itemgetter(*(field.name for field in collection.fields)),
                tuple((kinds[field.kind], _QUICK.get(field.kind), field.nullable) for field in collection.fields),
            )
            for collection in collections
        }

    def values(self, document: Document) -> list[FieldValue]:
        """The document's values. Raises `DocumentError` naming the field at fault."""
        known = self._plans.get(document.collection)
        if known is None:
            raise DocumentError(f"there is no collection {document.collection!r}")
        collection, plan = known
        _check_identity(document, collection)
        fields = document.fields
        row: list[FieldValue] = []
        name = ""
        try:
            for name, convert, nullable in plan:
                value = fields.get(name)
                if value is not None:
                    value = convert(value)
                if value is None and not nullable:
                    raise DocumentError(f"field {name!r} is missing")
                row.append(value)
        except (TypeError, ValueError, OverflowError) as error:
            raise DocumentError(f"field {name!r}: {error}") from error
        return row

    def rows(self, documents: Sequence[Document]) -> Sequence[Row] | None:
        """The values of documents of one collection, field by field for all of them; None when one does not fit.

        They are what `values` gives for each, in a third of the time; which document is at fault, and
        why, only that one tells.
        """
        known = self._column_plans.get(documents[0].collection)
        if known is None:
            return None
        collection, in_order, plan = known
        try:
            for document in documents:
                assert document.collection == collection.name, "documents of one collection are shaped at once"
                _check_revision(document, collection)
                if len(document.fields) != len(plan):
                    return None
            columns = zip(*[in_order(document.fields) for document in documents], strict=True)
            return list(zip(*(_column(values, *rule) for values, rule in zip(columns, plan, strict=True)), strict=True))
        except (DocumentError, KeyError, TypeError, ValueError, OverflowError):
            return None


def dump_json(value: FieldValue) -> FieldValue:
    """JSON as text with sorted keys."""
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()


def plain_json(value: FieldValue) -> FieldValue:
    """JSON as objects, as it comes back from a store."""
    loaded: FieldValue = orjson.loads(orjson.dumps(value, option=orjson.OPT_SORT_KEYS))
    return loaded


def base64_text(value: FieldValue) -> FieldValue:
    """Bytes as text."""
    assert isinstance(value, bytes), "checked before"
    return base64.b64encode(value).decode()


def time_text(ms: int) -> str:
    """Milliseconds since the epoch as text that date functions understand.

    Raises `OverflowError` outside the years 1 to 9999.

    >>> time_text(1364793300000)
    '2013-04-01T05:15:00.000Z'
    """
    minutes, in_minute = divmod(ms, 60_000)
    return _minute_text(minutes) + _SECONDS[in_minute // 1_000] + _MILLISECONDS[in_minute % 1_000]


def ms_of(text: str) -> int:
    """The time in a store's text, in ms since the epoch: what `time_text` was made from.

    >>> ms_of("2013-04-01T05:15:00.000Z")
    1364793300000
    """
    since = datetime.fromisoformat(text.removesuffix("Z")) - _EPOCH
    return since // timedelta(milliseconds=1)


@lru_cache(maxsize=_MINUTES_KEPT)
def _minute_text(minutes: int) -> str:
    """The part before the seconds; the times of one batch share few minutes."""
    return (_EPOCH + timedelta(minutes=minutes)).isoformat(timespec="minutes")


def _check_identity(document: Document, collection: Collection) -> None:
    _check_revision(document, collection)
    if not document.fields.keys() <= collection.names:
        unknown = sorted(document.fields.keys() - collection.names)
        raise DocumentError(f"{collection.name} has no field {', '.join(map(repr, unknown))}")


def _check_revision(document: Document, collection: Collection) -> None:
    if not document.id:
        raise DocumentError("the id is empty")
    if collection.revised != (document.revision is not None):
        raise DocumentError(f"a revision is {'needed' if collection.revised else 'not allowed'} in {collection.name}")
    if document.revision is not None and not 0 <= document.revision <= INTEGER_MAX:
        raise DocumentError(f"revision {document.revision} is below 0 or has more than 63 bits")


def _text(value: FieldValue) -> FieldValue:
    if type(value) is not str:
        raise TypeError(f"text was expected, not {_kind_name(value)}")
    if not value.isascii():
        value.encode()
    return value


def _integer(value: FieldValue) -> FieldValue:
    if type(value) is not int:
        raise TypeError(f"an integer was expected, not {_kind_name(value)}")
    if not -INTEGER_MAX - 1 <= value <= INTEGER_MAX:
        raise ValueError(f"{value} has more than 64 bits")
    return value


def _number(value: FieldValue) -> FieldValue:
    if type(value) is float:
        return value if math.isfinite(value) else None
    if type(value) is int:
        return float(value)
    raise TypeError(f"a number was expected, not {_kind_name(value)}")


def _boolean(value: FieldValue) -> FieldValue:
    if type(value) is not bool:
        raise TypeError(f"true or false was expected, not {_kind_name(value)}")
    return value


def _bytes(value: FieldValue) -> FieldValue:
    if type(value) is not bytes:
        raise TypeError(f"bytes were expected, not {_kind_name(value)}")
    return value


def _time(value: FieldValue) -> FieldValue:
    if type(value) is not int:
        raise TypeError(f"milliseconds since the epoch were expected, not {_kind_name(value)}")
    try:
        return time_text(value)
    except OverflowError as error:
        raise ValueError(f"{value} ms is outside the years 1 to 9999") from error


def _kind_name(value: FieldValue) -> str:
    return type(value).__name__


_CONVERTS: Mapping[FieldKind, Convert] = {
    FieldKind.TEXT: _text,
    FieldKind.INTEGER: _integer,
    FieldKind.NUMBER: _number,
    FieldKind.BOOLEAN: _boolean,
    FieldKind.TIME: _time,
}


def _column(values: Column, convert: Convert, quick: ConvertAll | None, nullable: bool) -> Column:  # noqa: FBT001  part of a plan
    """One field's values. Raises what `convert` does, and `DocumentError` where one is missing that may not."""
    if nullable and values.count(None) == len(values):
        return values
    column = values if convert is as_it_is else None if quick is None else quick(values)
    if column is not None and None not in column:
        return column
    converted = [None if value is None else convert(value) for value in values]
    if not nullable and any(value is None for value in converted):
        raise DocumentError("a field is missing")
    return converted


def _all_of(values: Column, kind: type[T]) -> TypeGuard[Sequence[T]]:
    return set(map(type, values)) == {kind}


def _texts(values: Column) -> Column | None:
    return values if _all_of(values, str) and "".join(values).isascii() else None


def _integers(values: Column) -> Column | None:
    return values if _all_of(values, int) and min(values) >= -INTEGER_MAX and max(values) <= INTEGER_MAX else None


def _numbers(values: Column) -> Column | None:
    return values if _all_of(values, float) and all(map(math.isfinite, values)) else None


def _times(values: Column) -> Column | None:
    return list(map(time_text, values)) if _all_of(values, int) else None


# How a column is converted where all of it is as it should be; None leaves it to the values one by one.
_QUICK: Mapping[FieldKind, ConvertAll] = {
    FieldKind.TEXT: _texts,
    FieldKind.INTEGER: _integers,
    FieldKind.NUMBER: _numbers,
    FieldKind.TIME: _times,
}
