"""The catalogue: which versions there are, what state each is in and who approved it, in one SQLite file.

Safe across processes: whoever adds a version holds the write lock from choosing its number to
the row that names its bundle. What is in a bundle is not repeated here beyond what lists show.
Approvals are signed, and nobody believes a row here for being here.
"""

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import orjson

from registry.errors import ShelfUnavailableError, VersionExistsError, VersionNotFoundError
from registry.statements import SignedStatement, read_statements
from schemas.layout import mark_layout, require_layout
from schemas.signature import Task

LAYOUT_VERSION = 1
LOCK_TIMEOUT_S = 30.0
APPROVALS_MAX = 1_000
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
_APPROVALS = """
create table if not exists approvals (
  position integer primary key, name text not null, version text not null, statement text not null,
  unique (name, version, statement)
) strict
"""
_SETTLEMENTS = """
create table if not exists settlements (
  name text not null, version text not null, settled_at integer not null, primary key (name, version)
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

    def stamp(self) -> tuple[tuple[int, int] | None, ...]:
        """Changes when the catalogue is written to: size and time of its file and of its write-ahead log."""
        return tuple(_size_and_time(path) for path in (self._path, self._path.with_name(f"{self._path.name}-wal")))

    def records(self, name: str | None = None) -> list[VersionRecord]:
        """Versions in the order they were added, of one model or of all."""
        if not self._path.exists():
            return []
        with self._reading() as connection:
            if not _has_table(connection, "versions"):
                # The first version ever is being added: the file is there, and nothing in it is yet.
                return []
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
            if not _has_table(connection, "versions"):
                raise VersionNotFoundError(name, version)
            row = connection.execute(
                f"select {_COLUMNS} from versions where name = ? and version = ?",  # noqa: S608  constants
                (name, version),
            ).fetchone()
        if row is None:
            raise VersionNotFoundError(name, version)
        return _record(row)

    def approvals(self, name: str, version: str) -> list[SignedStatement]:
        """Signed statements as they came, which nobody has checked; what is none is left out."""
        with self._reading() as connection:
            if not _has_table(connection, "approvals"):
                return []
            rows = connection.execute(
                "select statement from approvals where name = ? and version = ? order by position limit ?",
                (name, version, APPROVALS_MAX),
            ).fetchall()
        return read_statements(text for (text,) in rows)

    def record_approval(self, signed: SignedStatement) -> None:
        """Keep a signed statement; one that is there already stays as it is."""
        with self.adding() as addition:
            addition.approve(signed)

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
                mark_layout(connection, self._path, layout=LAYOUT_VERSION)
                connection.execute(_REFITS)
                connection.execute(_APPROVALS)
                connection.execute(_SETTLEMENTS)
            except sqlite3.Error as error:
                raise _unavailable(self._path, error) from error
            try:
                yield Addition(connection)
            except BaseException:
                connection.execute("rollback")
                raise
            connection.execute("commit")

    def settle(self, name: str, version: str, *, state: VersionState, failure: str, now: int) -> None:
        """Record what validation found, and when."""
        with self.adding() as addition:
            addition.settle(name, version, state=state, failure=failure, now=now)

    def settled_at(self) -> dict[tuple[str, str], int]:
        """When validation decided each version, by name and version; those of older catalogues are missing."""
        if not self._path.exists():
            return {}
        with self._reading() as connection:
            if not _has_table(connection, "settlements"):
                return {}
            rows = connection.execute("select name, version, settled_at from settlements").fetchall()
        return {(name, version): settled_at for name, version, settled_at in rows}

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        """A connection to a catalogue that exists; reading never makes one."""
        try:
            with closing(
                sqlite3.connect(f"{self._path.absolute().as_uri()}?mode=rw", timeout=LOCK_TIMEOUT_S, uri=True)
            ) as connection:
                require_layout(connection, self._path, newest=LAYOUT_VERSION)
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

    def settle(self, name: str, version: str, *, state: VersionState, failure: str, now: int) -> None:
        self._connection.execute(
            "update versions set state = ?, failure = ? where name = ? and version = ?",
            (state.value, failure, name, version),
        )
        self._connection.execute(
            "insert into settlements values (?, ?, ?) on conflict do update set settled_at = excluded.settled_at",
            (name, version, now),
        )

    def approve(self, signed: SignedStatement) -> None:
        statement = signed.statement
        self._connection.execute(
            "insert into approvals (name, version, statement) values (?, ?, ?) on conflict do nothing",
            (statement.model, statement.version, signed.as_text()),
        )


def _size_and_time(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_size, found.st_mtime_ns


def _has_table(connection: sqlite3.Connection, name: str) -> bool:
    """Whether the catalogue is new enough to have it; only who adds makes tables."""
    return connection.execute("select 1 from sqlite_master where name = ?", (name,)).fetchone() is not None


def _record(row: tuple[str, str, str, str, int, str | None, str, int, int, str, str]) -> VersionRecord:
    """Raises `ShelfUnavailableError` for a row that nobody here wrote so: it says nothing, for or against."""
    name, version, state, bundle, registered_at, registered_by, task, request_id, prediction_id, metrics, failure = row
    try:
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
    except ValueError as error:
        raise ShelfUnavailableError(
            f"the catalogue's row of version {version} of {name} is damaged: {error}"
        ) from error


def _unavailable(path: Path, error: Exception) -> ShelfUnavailableError:
    return ShelfUnavailableError(f"the shelf's catalogue {path} can't be read: {error}")
