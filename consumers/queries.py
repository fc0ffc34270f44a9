"""The query side of the embedded store: read-only SQL, bounded in rows and in time.

Opens the SQLite file for each question and lets go of it; never writes, and no statement that
a person types can.
"""

import sqlite3
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import orjson

from consumers.errors import QueryError, QueryLimitError, StoreNotFoundError, StoreUnavailableError
from consumers.questions import ROWS_MAX, TIME_MAX_S, Parameters, Question, Row, bounded
from consumers.sinks.base import FieldValue
from consumers.stored_collections import COLLECTIONS, Collection, FieldKind

BUSY_TIMEOUT_S = 5.0
_STEPS_BETWEEN_CHECKS = 20_000
_COUNTS = " UNION ALL ".join(
    f"SELECT '{collection.name}' AS collection, count(*) AS documents FROM {collection.name}"  # noqa: S608  declared
    for collection in COLLECTIONS
)


class SqliteStore:
    """What has been stored at `path`, for questions only."""

    def __init__(self, path: Path) -> None:
        self._path = path

    @property
    def place(self) -> str:
        return str(self._path)

    def rows(
        self, question: Question, parameters: Parameters | None = None, *, time_max_s: float = TIME_MAX_S
    ) -> Generator[Row, None, None]:
        restore = _restoring(question.collection)
        with closing(self._select(question.sql, parameters or {}, time_max_s=time_max_s)) as rows:
            for row in rows:
                yield {name: restore[name](value) if name in restore else value for name, value in row.items()}

    def ask(self, question: Question, parameters: Parameters | None = None) -> list[Row]:
        return bounded(self.rows(question, parameters))

    def query(self, text: str, *, rows_max: int = ROWS_MAX, time_max_s: float = TIME_MAX_S) -> list[Row]:
        """The rows of one SELECT as they lie in the file; columns of BLOB type hold bytes."""
        if text.lstrip().startswith(("{", "GET ", "POST ")):
            raise QueryError(
                "the store of this deployment is SQLite, which is asked in SQL: SELECT ... FROM predictions; "
                "a search is for Elasticsearch (store.elasticsearch_urls)"
            )
        return bounded(self._select(text, {}, time_max_s=time_max_s), rows_max)

    def counts(self) -> dict[str, int]:
        rows = self._select(_COUNTS, {}, time_max_s=TIME_MAX_S)
        return {str(row["collection"]): int(str(row["documents"])) for row in rows}

    def _select(self, sql: str, parameters: Parameters, *, time_max_s: float) -> Generator[Row, None, None]:
        """Row by row; time between two rows is the caller's and not counted."""
        limit = _TimeLimit(time.monotonic() + time_max_s)
        with self._reading(limit, time_max_s) as connection:
            cursor = connection.execute(sql, parameters)
            if cursor.description is None:
                raise QueryError("only statements that give rows can be asked: SELECT ...")
            names = _names(cursor.description)
            for values in cursor:
                paused_at = time.monotonic()
                yield dict(zip(names, values, strict=True))
                limit.deadline += time.monotonic() - paused_at

    @contextmanager
    def _reading(self, limit: "_TimeLimit", time_max_s: float) -> Iterator[sqlite3.Connection]:
        try:
            with closing(self._open()) as connection:
                connection.set_progress_handler(lambda: time.monotonic() > limit.deadline, _STEPS_BETWEEN_CHECKS)
                yield connection
        except sqlite3.Error as error:
            raise _in_words(error, time_max_s) from error

    def _open(self) -> sqlite3.Connection:
        if not self._path.exists():
            raise StoreNotFoundError(self._path)
        location = f"{self._path.absolute().as_uri()}?mode=ro"
        connection = sqlite3.connect(location, uri=True, timeout=BUSY_TIMEOUT_S, isolation_level=None)
        connection.execute("PRAGMA query_only = ON")
        # Other files stay out of reach, whatever a statement says.
        connection.setlimit(sqlite3.SQLITE_LIMIT_ATTACHED, 0)
        return connection


@dataclass(slots=True)
class _TimeLimit:
    deadline: float


def _restoring(collection: Collection) -> dict[str, Callable[[FieldValue], FieldValue]]:
    """How columns become again what was written."""
    ways = {FieldKind.JSON: _from_json, FieldKind.BOOLEAN: _from_bit}
    return {field.name: ways[field.kind] for field in collection.fields if field.kind in ways}


def _from_json(value: FieldValue) -> FieldValue:
    loaded: FieldValue = None if value is None else orjson.loads(str(value))
    return loaded


def _from_bit(value: FieldValue) -> FieldValue:
    return None if value is None else bool(value)


def _names(description: Sequence[Sequence[str | None]]) -> list[str]:
    """Column names; of two columns with one name the second gets a number, so that none is lost."""
    names: list[str] = []
    for column in description:
        name = str(column[0])
        number = 2
        while name in names:
            name = f"{column[0]}_{number}"
            number += 1
        names.append(name)
    return names


def _in_words(error: sqlite3.Error, time_max_s: float) -> QueryError | StoreUnavailableError:
    code = getattr(error, "sqlite_errorcode", None)
    if code == sqlite3.SQLITE_INTERRUPT:
        return QueryLimitError(f"the query took longer than {time_max_s:g} s: ask for less, or name an indexed field")
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_IOERR):
        return StoreUnavailableError(f"the store can't be read now: {error}")
    if code in (sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT):
        return QueryError(f"the store is not a readable SQLite file: {error}")
    if code == sqlite3.SQLITE_READONLY:
        return QueryError("the store is read-only here: only statements that give rows can be asked")
    return QueryError(f"the query is wrong: {error}")
