"""What people do with a store as a whole: make it, compare it with what it should be, let go of old months."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol, Self

from consumers.errors import MonthError
from consumers.stored_collections import COLLECTIONS, REPEATED_REQUESTS, Collection

NOTHING = "nothing"
_WRITTEN = re.compile(r"(?P<year>[0-9]{4})[-.](?P<month>0[1-9]|1[0-2])")


@dataclass(frozen=True, slots=True, order=True)
class Month:
    """A calendar month in UTC.

    >>> Month.parse("2013-04").earlier(4), str(Month.parse("2013.04"))
    (Month(year=2012, month=12), '2013-04')
    """

    year: int
    month: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `2013-04`. Raises `MonthError`."""
        written = _WRITTEN.fullmatch(text)
        if written is None or written["year"] == "0000":
            raise MonthError(f"{text!r} is no month: write the year and the month, as 2013-04")
        return cls(int(written["year"]), int(written["month"]))

    @classmethod
    def of(cls, ms: int) -> Self:
        """The month of a moment, in milliseconds since the epoch."""
        moment = datetime.fromtimestamp(ms / 1_000, UTC)
        return cls(moment.year, moment.month)

    def earlier(self, months: int) -> Self:
        """The month so many months before this one, at the earliest that of the year 1."""
        number = max(self.year * 12 + self.month - 1 - months, 12)
        return type(self)(number // 12, number % 12 + 1)

    @property
    def start(self) -> str:
        """Its first moment, as times are stored.

        >>> Month(2013, 4).start
        '2013-04-01T00:00:00.000Z'
        """
        return f"{self}-01T00:00:00.000Z"

    def __str__(self) -> str:
        return f"{self.year:04d}-{self.month:02d}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One thing in the store that is not as it should be."""

    where: str
    what: str
    found: str
    wanted: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredPart:
    """The documents of one month in one table or index; `month` is as it is written, `bytes` where it is known."""

    collection: str
    where: str
    month: str
    documents: int
    bytes: int | None = None


class Upkeep(Protocol):
    """A store as a whole. Every method may raise `StoreUnavailableError`."""

    def setup(self) -> None:
        """Make what is missing, and change what may be changed of what differs.

        Raises `StoreMismatchError` for what can't be changed.
        """
        ...

    def differences(self) -> list[Difference]:
        """What is not as it should be."""
        ...

    def parts(self, collections: Sequence[Collection], *, before: Month) -> list[StoredPart]:
        """What those collections hold of earlier months, oldest first."""
        ...

    def delete(self, part: StoredPart) -> None:
        """Let go of a part; documents that arrive meanwhile may stay."""
        ...


def prunable() -> tuple[Collection, ...]:
    """The collections that are pruned unless others are named: all but decisions."""
    return tuple(collection for collection in (*COLLECTIONS, REPEATED_REQUESTS) if not collection.kept)


def check_before(before: Month, now_ms: int) -> None:
    """Raises `MonthError` for a month that has not begun: nobody means to delete what is written today."""
    if before > Month.of(now_ms):
        raise MonthError(f"{before} has not begun: pruning before it would delete what is being written now")
