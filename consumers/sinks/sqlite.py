"""The embedded store: one SQLite file in WAL mode, one transaction per write.

Readers never wait for the writer. A write is on disk when it returns (`synchronous=FULL`),
since offsets are committed right after it.
"""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from consumers.errors import DocumentError, StoreOutdatedError, StoreUnavailableError
from consumers.sinks.base import Document, FieldValue, RejectedDocument
from consumers.sinks.shape import Shaper, dump_json
from consumers.sinks.sqlite_tables import (
    VERSION_MIN,
    added_column_sql,
    index_sql,
    repeated_sql,
    table_sql,
    upsert_sql,
)
from consumers.stored_collections import COLLECTIONS
from schemas.layout import mark_layout

BUSY_TIMEOUT_S = 2.0
LAYOUT_VERSION = 1
_CHECKPOINT_PAGES = 4_000
_PRIMARY_CODE = 0xFF
_PASSING_CODES = frozenset(
    {
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_NOMEM,
        sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_PROTOCOL,
    }
)
_UPSERTS = {collection.name: upsert_sql(collection) for collection in COLLECTIONS}


class SqliteSink:
    """Writes documents to the file at `path`; used on one thread."""

    def __init__(self, path: Path, *, busy_timeout_s: float = BUSY_TIMEOUT_S) -> None:
        self._path = path
        self._busy_timeout_s = busy_timeout_s
        self._connection: sqlite3.Connection | None = None
        self._shaper = Shaper(json=dump_json)

    def setup(self) -> None:
        if sqlite3.sqlite_version_info < VERSION_MIN:
            wanted = ".".join(map(str, VERSION_MIN))
            raise StoreOutdatedError(f"SQLite {sqlite3.sqlite_version} is too old: {wanted} or newer is needed")
        with self._transaction() as connection:
            mark_layout(connection, self._path, layout=LAYOUT_VERSION)
            for collection in COLLECTIONS:
                connection.execute(table_sql(collection))
                _add_missing_columns(connection, collection.name)
                for statement in [*index_sql(collection), *(repeated_sql(collection) if collection.position else ())]:
                    connection.execute(statement)

    def write(self, documents: Sequence[Document]) -> list[RejectedDocument]:
        rows, rejected = self._shape(documents)
        with self._transaction() as connection:
            for collection, group in rows.items():
                connection.executemany(_UPSERTS[collection], group)
        return rejected

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _shape(self, documents: Sequence[Document]) -> tuple[dict[str, list[list[FieldValue]]], list[RejectedDocument]]:
        rows: dict[str, list[list[FieldValue]]] = {}
        rejected = []
        for document in documents:
            try:
                values = self._shaper.values(document)
            except DocumentError as error:
                rejected.append(RejectedDocument(document, str(error)))
                continue
            revision = () if document.revision is None else (document.revision,)
            rows.setdefault(document.collection, []).append([document.id, *values, *revision])
        return rows, rejected

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        """One transaction; whatever may pass by itself (a lock, a full disk) is `StoreUnavailableError`."""
        try:
            connection = self._open()
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise
        except (sqlite3.OperationalError, OSError) as error:
            if not _may_pass(error):
                raise
            raise StoreUnavailableError(f"the store at {self._path} can't be written now: {error}") from error

    def _open(self) -> sqlite3.Connection:
        if self._connection is None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            connection = sqlite3.connect(self._path, timeout=self._busy_timeout_s, isolation_level=None)
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=FULL")
            connection.execute("PRAGMA cache_size=-32768")
            # Four times the default: moving pages from the log to the file costs two more syncs each time.
            connection.execute(f"PRAGMA wal_autocheckpoint={_CHECKPOINT_PAGES}")
            self._connection = connection
        return self._connection


def _may_pass(error: sqlite3.OperationalError | OSError) -> bool:
    """Whether the same call may succeed later: a lock, a full disk, missing memory, a lost mount.

    Anything else (wrong SQL, a file that is no database) is a bug or needs a person.
    """
    if isinstance(error, OSError):
        return True
    return error.sqlite_errorcode & _PRIMARY_CODE in _PASSING_CODES


def _add_missing_columns(connection: sqlite3.Connection, table: str) -> None:
    collection = next(collection for collection in COLLECTIONS if collection.name == table)
    present = {row[1] for row in connection.execute(f"PRAGMA table_info({table})")}
    for field in collection.fields:
        if field.name not in present:
            connection.execute(added_column_sql(collection, field))
