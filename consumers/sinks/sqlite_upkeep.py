"""The embedded store as a whole: its tables compared with the declared collections, its old months deleted."""

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from consumers.errors import StoreNotFoundError, StoreUnavailableError
from consumers.queries import SqliteStore
from consumers.sinks.sqlite import BUSY_TIMEOUT_S, SqliteSink
from consumers.sinks.sqlite_tables import REPEATED_TABLE, column_types, index_names
from consumers.stored_collections import COLLECTIONS, REPEATED_REQUESTS, Collection
from consumers.upkeep import NOTHING, Difference, Month, StoredPart

ROWS_AT_ONCE = 10_000
"""Deleted in one transaction, so that the sink need not wait long for its turn."""
_COLUMNS = """
SELECT m.name AS table_name, c.name AS column_name, c.type AS kind
FROM sqlite_master AS m JOIN pragma_table_info(m.name) AS c WHERE m.type = 'table'
"""
_OTHERS = "SELECT name FROM sqlite_master WHERE type IN ('index', 'trigger')"


class SqliteUpkeep:
    """Looks after the file at `path`."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._store = SqliteStore(path)

    def setup(self) -> None:
        sink = SqliteSink(self._path)
        sink.setup()
        sink.close()

    def differences(self) -> list[Difference]:
        try:
            columns = self._store.query(_COLUMNS)
            others = {str(row["name"]) for row in self._store.query(_OTHERS)}
        except StoreNotFoundError:
            return [Difference(where=str(self._path), what="store", found=NOTHING, wanted="a file")]
        kinds: dict[str, dict[str, str]] = {}
        for row in columns:
            kinds.setdefault(str(row["table_name"]), {})[str(row["column_name"])] = str(row["kind"])
        found: list[Difference] = []
        for collection in COLLECTIONS:
            found += _column_differences(collection, kinds.get(collection.name))
            missing = [name for name in index_names(collection) if name not in others]
            found += [_missing(f"table {collection.name}", name, "an index or a trigger") for name in missing]
        return found

    def parts(self, collections: Sequence[Collection], *, before: Month) -> list[StoredPart]:
        """`repeated_requests` has no time of its own here: its rows go with their predictions."""
        found = []
        for collection in collections:
            if collection is REPEATED_REQUESTS:
                continue
            sql = (
                f"SELECT substr({collection.time}, 1, 7) AS month, count(*) AS documents FROM {collection.name} "  # noqa: S608  names are declared
                f"WHERE {collection.time} < '{before.start}' GROUP BY 1"
            )
            found += [
                StoredPart(
                    collection=collection.name,
                    where=f"table {collection.name}",
                    month=str(row["month"]),
                    documents=int(str(row["documents"])),
                )
                for row in self._store.query(sql)
            ]
        return sorted(found, key=lambda part: (part.month, part.collection))

    def delete(self, part: StoredPart) -> None:
        collection = next(each for each in COLLECTIONS if each.name == part.collection)
        table, time = collection.name, collection.time
        self._delete(
            f"DELETE FROM {table} WHERE rowid IN (SELECT rowid FROM {table} WHERE substr({time}, 1, 7) = ? LIMIT ?)",  # noqa: S608  as above
            (part.month, ROWS_AT_ONCE),
        )
        if collection.position:
            self._delete(
                f"DELETE FROM {REPEATED_TABLE} WHERE id IN (SELECT id FROM {REPEATED_TABLE} AS r "  # noqa: S608  as above
                f"WHERE NOT EXISTS (SELECT 1 FROM {table} WHERE id = r.id) LIMIT ?)",
                (ROWS_AT_ONCE,),
            )

    def _delete(self, sql: str, parameters: tuple[str | int, ...]) -> None:
        try:
            with closing(sqlite3.connect(self._path, timeout=BUSY_TIMEOUT_S, isolation_level=None)) as connection:
                while connection.execute(sql, parameters).rowcount:
                    pass
        except sqlite3.OperationalError as error:
            raise StoreUnavailableError(f"the store at {self._path} can't be written now: {error}") from error


def _column_differences(collection: Collection, present: dict[str, str] | None) -> list[Difference]:
    where = f"table {collection.name}"
    if present is None:
        return [_missing(where, "table", "a table")]
    return [
        Difference(where=where, what=name, found=present.get(name, NOTHING), wanted=kind)
        for name, kind in column_types(collection).items()
        if present.get(name) != kind
    ]


def _missing(where: str, what: str, wanted: str) -> Difference:
    return Difference(where=where, what=what, found=NOTHING, wanted=wanted)
