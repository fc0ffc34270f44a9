"""The schema registry of one directory: a SQLite file that several processes share.

Keeps schemas by id and the versions of each subject, and holds new versions to backward
compatibility. A file that can't be opened or stays locked is an unavailable registry.
"""

import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from schemas.compatibility import check_backward
from schemas.errors import SchemaNotFoundError, SchemaRegistryUnavailableError
from schemas.layout import require_layout
from schemas.schema_text import canonical_form, require_valid

LAYOUT_VERSION = 1
_TABLES = (
    "CREATE TABLE IF NOT EXISTS schemas (id INTEGER PRIMARY KEY, canonical TEXT NOT NULL UNIQUE, schema TEXT NOT NULL)",
    """CREATE TABLE IF NOT EXISTS versions (subject TEXT NOT NULL, version INTEGER NOT NULL,
    schema_id INTEGER NOT NULL REFERENCES schemas (id), PRIMARY KEY (subject, version))""",
    f"PRAGMA user_version = {LAYOUT_VERSION}",
)


class DirectoryRegistry:
    """A `SchemaRegistry` on a file; made on first use, safe across threads and processes.

    `may_be_made` is asked when the file is not there: where it was there before, a new one would
    give the same ids to other schemas, so the registry is away until the old one is back.
    """

    def __init__(self, path: Path, *, timeout_s: float = 5.0, may_be_made: Callable[[], bool] = lambda: True) -> None:
        self._path = path
        self._timeout_s = timeout_s
        self._may_be_made = may_be_made
        self._schemas: dict[int, str] = {}

    def register(self, subject: str, schema: str) -> int:
        require_valid(subject, schema)
        canonical = canonical_form(schema)
        with self._connection() as connection:
            connection.execute("BEGIN IMMEDIATE")
            versions = connection.execute(
                "SELECT version, schema_id, canonical, schema FROM versions JOIN schemas ON schema_id = id "
                "WHERE subject = ? ORDER BY version",
                (subject,),
            ).fetchall()
            for _, schema_id, known, _ in versions:
                if known == canonical:
                    return int(schema_id)
            if versions:
                check_backward(schema, versions[-1][3], subject=subject)
            connection.execute(
                "INSERT INTO schemas (canonical, schema) VALUES (?, ?) ON CONFLICT (canonical) DO NOTHING",
                (canonical, schema),
            )
            (schema_id,) = connection.execute("SELECT id FROM schemas WHERE canonical = ?", (canonical,)).fetchone()
            version = versions[-1][0] + 1 if versions else 1
            connection.execute("INSERT INTO versions VALUES (?, ?, ?)", (subject, version, schema_id))
            connection.execute("COMMIT")
            return int(schema_id)

    def schema(self, schema_id: int) -> str:
        if schema_id not in self._schemas:
            with self._connection() as connection:
                row = connection.execute("SELECT schema FROM schemas WHERE id = ?", (schema_id,)).fetchone()
            if row is None:
                raise SchemaNotFoundError(schema_id)
            self._schemas[schema_id] = row[0]
        return self._schemas[schema_id]

    def latest(self, subject: str) -> tuple[int, str]:
        with self._connection() as connection:
            row = connection.execute(
                "SELECT id, schema FROM versions JOIN schemas ON schema_id = id "
                "WHERE subject = ? ORDER BY version DESC LIMIT 1",
                (subject,),
            ).fetchone()
        if row is None:
            raise SchemaNotFoundError(subject)
        return int(row[0]), str(row[1])

    @contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection]:
        """A connection of its own for each call; what is not committed is rolled back."""
        if not self._path.exists() and not self._may_be_made():
            raise SchemaRegistryUnavailableError(
                f"schema registry {self._path} was there and is away: bring it back, or give another --data-dir"
            )
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with closing(sqlite3.connect(self._path, timeout=self._timeout_s, isolation_level=None)) as connection:
                self._prepare(connection)
                yield connection
        except (sqlite3.Error, OSError) as error:
            raise SchemaRegistryUnavailableError(f"schema registry {self._path} can't be used now: {error}") from error

    def _prepare(self, connection: sqlite3.Connection) -> None:
        """Make the tables; changing the journal mode does not wait for locks, so it is repeated."""
        deadline = time.monotonic() + self._timeout_s
        while require_layout(connection, self._path, newest=LAYOUT_VERSION) < LAYOUT_VERSION:
            try:
                connection.execute("PRAGMA journal_mode = WAL")
                for statement in _TABLES:
                    connection.execute(statement)
            except sqlite3.OperationalError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.02)
