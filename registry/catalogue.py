"""The catalogue: which versions there are and what state each is in, in one SQLite file.

Safe across processes: whoever adds a version holds the write lock from choosing its number to
the row that names its bundle. What is in a bundle is not repeated here beyond what lists show.
"""

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import orjson

from registry.errors import ShelfUnavailableError, VersionExistsError, VersionNotFoundError
from schemas.signature import Task

LOCK_TIMEOUT_S = 30.0
_TABLE = """
create table if not exists versions (
  name text not null, version text not null, state text not null, bundle text not null,
  registered_at integer not null, registered_by text, task text not null,
  request_schema_id integer not null, prediction_schema_id integer not null,
  metrics text not null, failure text not null,
  primary key (name, version)
) strict
"""
_REFITS = """
create table if not exists refits (
  name text not null, cause text not null, version text not null,
  primary key (name, cause)
) strict
"""
_COLUMNS = (
    "name, version, state, bundle, registered_at, registered_by, task, "
    "request_schema_id, prediction_schema_id, metrics, failure"
)


class VersionState(StrEnum):
    """Where a version is in its life: validation decides between the last two."""

    REGISTERED = "registered"
    VALIDATED = "validated"
    REJECTED = "rejected"


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionRecord:
    """One version as the catalogue knows it; `failure` says why it was rejected, else it is empty."""

    name: str
    version: str
    state: VersionState
    bundle: str
    registered_at: int
    registered_by: str | None
    task: Task
    request_schema_id: int
    prediction_schema_id: int
    metrics: Mapping[str, float]
    failure: str


class Catalogue:
    """All methods may raise `ShelfUnavailableError`."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def records(self, name: str | None = None) -> list[VersionRecord]:
        """Versions in the order they were added, of one model or of all."""
        if not self._path.exists():
            return []
        with self._reading() as connection:
            rows = connection.execute(
                f"select {_COLUMNS} from versions where ?1 is null or name = ?1 order by name, rowid",  # noqa: S608  constants
                (name,),
            ).fetchall()
        return [_record(row) for row in rows]

    def record(self, name: str, version: str) -> VersionRecord:
        """Raises `VersionNotFoundError`; a shelf whose directory is gone is unavailable, not empty."""
        if not self._path.exists() and self._path.parent.is_dir():
            raise VersionNotFoundError(name, version)
        with self._reading() as connection:
            row = connection.execute(
                f"select {_COLUMNS} from versions where name = ? and version = ?",  # noqa: S608  constants
                (name, version),
            ).fetchone()
        if row is None:
            raise VersionNotFoundError(name, version)
        return _record(row)

    @contextmanager
    def adding(self) -> Iterator["Addition"]:
        """Hold the write lock; what was inserted is kept when the block ends without an exception."""
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            connection = sqlite3.connect(self._path, timeout=LOCK_TIMEOUT_S, isolation_level=None)
        except (OSError, sqlite3.Error) as error:
            raise _unavailable(self._path, error) from error
        with closing(connection):
            try:
                connection.execute("pragma journal_mode = wal")
                connection.execute("pragma synchronous = full")
                connection.execute("begin immediate")
                connection.execute(_TABLE)
                connection.execute(_REFITS)
            except sqlite3.Error as error:
                raise _unavailable(self._path, error) from error
            try:
                yield Addition(connection)
            except BaseException:
                connection.execute("rollback")
                raise
            connection.execute("commit")

    def settle(self, name: str, version: str, *, state: VersionState, failure: str) -> None:
        """Record what validation found."""
        with self.adding() as addition:
            addition.settle(name, version, state=state, failure=failure)

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        """A connection to a catalogue that exists; reading never makes one."""
        try:
            with closing(
                sqlite3.connect(f"{self._path.absolute().as_uri()}?mode=rw", timeout=LOCK_TIMEOUT_S, uri=True)
            ) as connection:
                yield connection
        except (OSError, sqlite3.Error) as error:
            raise _unavailable(self._path, error) from error


class Addition:
    """The catalogue while its write lock is held."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def next_version(self, name: str) -> str:
        """The number after the highest one that is a number."""
        rows = self._connection.execute("select version from versions where name = ?", (name,)).fetchall()
        return str(max((int(version) for (version,) in rows if version.isdecimal()), default=0) + 1)

    def newest(self, name: str) -> str | None:
        row = self._connection.execute(
            "select version from versions where name = ? order by rowid desc limit 1", (name,)
        ).fetchone()
        return None if row is None else str(row[0])

    def refit_of(self, name: str, cause: str) -> str | None:
        """The version that was made for this cause, if one was."""
        row = self._connection.execute(
            "select version from refits where name = ? and cause = ?", (name, cause)
        ).fetchone()
        return None if row is None else str(row[0])

    def name_cause(self, name: str, version: str, cause: str) -> None:
        """Keep what a version was made for; a cause makes one version, whatever happens."""
        self._connection.execute("insert into refits (name, cause, version) values (?, ?, ?)", (name, cause, version))

    def require_free(self, name: str, version: str) -> None:
        """Raises `VersionExistsError`."""
        query = "select 1 from versions where name = ? and version = ?"
        if self._connection.execute(query, (name, version)).fetchone() is not None:
            raise VersionExistsError(name, version)

    def insert(self, record: VersionRecord) -> None:
        values = (
            record.name,
            record.version,
            record.state.value,
            record.bundle,
            record.registered_at,
            record.registered_by,
            record.task.value,
            record.request_schema_id,
            record.prediction_schema_id,
            orjson.dumps(dict(record.metrics)).decode(),
            record.failure,
        )
        places = ", ".join("?" * len(values))
        self._connection.execute(f"insert into versions ({_COLUMNS}) values ({places})", values)  # noqa: S608  constants

    def settle(self, name: str, version: str, *, state: VersionState, failure: str) -> None:
        self._connection.execute(
            "update versions set state = ?, failure = ? where name = ? and version = ?",
            (state.value, failure, name, version),
        )


def _record(row: tuple[str, str, str, str, int, str | None, str, int, int, str, str]) -> VersionRecord:
    name, version, state, bundle, registered_at, registered_by, task, request_id, prediction_id, metrics, failure = row
    return VersionRecord(
        name=name,
        version=version,
        state=VersionState(state),
        bundle=bundle,
        registered_at=registered_at,
        registered_by=registered_by,
        task=Task(task),
        request_schema_id=request_id,
        prediction_schema_id=prediction_id,
        metrics=orjson.loads(metrics),
        failure=failure,
    )


def _unavailable(path: Path, error: Exception) -> ShelfUnavailableError:
    return ShelfUnavailableError(f"the shelf's catalogue {path} can't be read: {error}")
