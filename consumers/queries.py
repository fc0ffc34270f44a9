"""The query side of the embedded store: read-only SQL, bounded in rows and in time.

Opens the SQLite file for each question and lets go of it; never writes, and no statement that
a person types can.
"""

import sqlite3
import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from consumers.errors import QueryError, QueryLimitError, StoreNotFoundError, StoreUnavailableError

Value = None | int | float | str | bytes
Row = dict[str, Value]
Parameters = Sequence[Value] | Mapping[str, Value]

ROWS_MAX = 1_000_000
TIME_MAX_S = 60.0
BUSY_TIMEOUT_S = 5.0
_STEPS_BETWEEN_CHECKS = 20_000


class Store:
    """What has been stored at `path`, for questions only."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def query(
        self, sql: str, parameters: Parameters = (), *, rows_max: int = ROWS_MAX, time_max_s: float = TIME_MAX_S
    ) -> list[Row]:
        """The rows of one SELECT; columns of BLOB type hold bytes.

        Raises `QueryError` with SQLite's words, `QueryLimitError` beyond a limit,
        `StoreNotFoundError` before there is a store.
        """
        rows: list[Row] = []
        for row in self.rows(sql, parameters, time_max_s=time_max_s):
            if len(rows) == rows_max:
                raise QueryLimitError(f"the query gives more than {rows_max} rows: add a LIMIT, or group them")
            rows.append(row)
        return rows

    def rows(
        self, sql: str, parameters: Parameters = (), *, time_max_s: float = TIME_MAX_S
    ) -> Generator[Row, None, None]:
        """Like `query`, one row at a time in constant memory; time between two rows is the caller's and not counted."""
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
