"""What penstock asks of its store: each question in the language of every store, with the same rows.

A new report is a `Question`; who answers it is a matter of settings.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from consumers.errors import QueryLimitError
from consumers.sinks.base import FieldValue
from consumers.stored_collections import Collection

Row = dict[str, FieldValue]
Parameters = Mapping[str, int | float | str | None]
Body = dict[str, Any]

ROWS_MAX = 1_000_000
TIME_MAX_S = 60.0
GROUPS_A_PAGE = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """One question about the documents of a collection.

    `sql` takes named parameters (`:model`). `search` makes the body of a search from them; its rows
    are its hits, as many as `size` says or else all in the order of `sort`, or the buckets of its
    aggregations, all of them where the outermost is a composite. Columns that are fields of the
    collection hold what was written: JSON as objects, bytes as bytes. `complete`: what was written
    a moment ago must not be missing, as it may be where documents are found a little later only.
    """

    collection: Collection
    sql: str
    search: Callable[[Parameters], Body]
    complete: bool = False


class Store(Protocol):
    """The query side of a store.

    Every method may raise `StoreUnavailableError`, and `StoreNotFoundError` before there is one.
    """

    @property
    def place(self) -> str:
        """Where the store is, for people."""
        ...

    def rows(
        self, question: Question, parameters: Parameters | None = None, *, time_max_s: float = TIME_MAX_S
    ) -> Iterator[Row]:
        """The answer row by row, in constant memory."""
        ...

    def ask(self, question: Question, parameters: Parameters | None = None) -> list[Row]:
        """The whole answer. Raises `QueryLimitError` beyond `ROWS_MAX` rows."""
        ...

    def query(self, text: str) -> list[Row]:
        """The answer to a question of a person's own, in the language of this store.

        Raises `QueryError` with the store's own words, `QueryLimitError` beyond a limit.
        """
        ...

    def counts(self) -> dict[str, int]:
        """How many documents each collection has."""
        ...


def only(parameters: Mapping[str, FieldValue]) -> list[Body]:
    """Filters for exactly these values, as a search has them.

    >>> only({"model": "flights"})
    [{'term': {'model': 'flights'}}]
    """
    return [{"term": {name: value}} for name, value in parameters.items()]


def by(*sources: str | Body, size: int = GROUPS_A_PAGE) -> Body:
    """A composite of these fields, page by page, as `GROUP BY` gives them all; a source may be a whole one.

    >>> by("version")["sources"]
    [{'version': {'terms': {'field': 'version'}}}]
    """
    named = [{each: {"terms": {"field": each}}} if isinstance(each, str) else each for each in sources]
    return {"size": size, "sources": named}


def by_day(name: str, field: str) -> Body:
    """The day of a time as a source of `by`, as SQL's `date()` gives it."""
    return {name: {"date_histogram": {"field": field, "calendar_interval": "day", "format": "yyyy-MM-dd"}}}


def bounded(rows: Iterator[Row], rows_max: int = ROWS_MAX) -> list[Row]:
    """All rows. Raises `QueryLimitError` when there are more than allowed."""
    found: list[Row] = []
    for row in rows:
        if len(found) == rows_max:
            raise QueryLimitError(
                f"the query gives more than {rows_max} rows: ask for fewer (LIMIT in SQL), or group them"
            )
        found.append(row)
    return found
