"""The SQL of the embedded store, generated from the declared collections. Pure text.

Tables are STRICT: SQLite itself refuses a value of the wrong type.
"""

from consumers.stored_collections import Collection, FieldKind, StoredField

REPEATED_TABLE = "repeated_requests"
VERSION_MIN = (3, 37, 0)

_TYPES = {
    FieldKind.TEXT: "TEXT",
    FieldKind.INTEGER: "INTEGER",
    FieldKind.NUMBER: "REAL",
    FieldKind.BOOLEAN: "INTEGER",
    FieldKind.TIME: "TEXT",
    FieldKind.JSON: "TEXT",
    FieldKind.BYTES: "BLOB",
}


def table_sql(collection: Collection) -> str:
    """CREATE TABLE for a collection; one whose documents are revised keeps the revision too."""
    columns = ["id TEXT PRIMARY KEY NOT NULL", *(column_sql(field) for field in collection.fields)]
    if collection.revised:
        columns.append("revision INTEGER NOT NULL")
    return f"CREATE TABLE IF NOT EXISTS {collection.name} ({', '.join(columns)}) STRICT"


def column_types(collection: Collection) -> dict[str, str]:
    """Every column of a collection's table with its type."""
    revision = {"revision": "INTEGER"} if collection.revised else {}
    return {"id": "TEXT", **{field.name: _TYPES[field.kind] for field in collection.fields}, **revision}


def index_names(collection: Collection) -> list[str]:
    """The indexes of a collection's table, and its trigger where it has one."""
    names = [f"{collection.name}_{'_'.join(group)}" for group in collection.indexes]
    return [*names, *([f"{collection.name}_repeated"] if collection.position else [])]


def column_sql(field: StoredField) -> str:
    """One column; `offset`, `partition` and such are words of SQL and so are quoted."""
    return f'"{field.name}" {_TYPES[field.kind]}{"" if field.nullable else " NOT NULL"}'


def added_column_sql(collection: Collection, field: StoredField) -> str:
    """ALTER TABLE for a field that an older store lacks; its older documents have none."""
    return f'ALTER TABLE {collection.name} ADD COLUMN "{field.name}" {_TYPES[field.kind]}'


def index_sql(collection: Collection) -> list[str]:
    """CREATE INDEX for each group of fields that is searched together."""
    return [
        f"CREATE INDEX IF NOT EXISTS {collection.name}_{'_'.join(group)} ON {collection.name} ({_quoted(group)})"
        for group in collection.indexes
    ]


def upsert_sql(collection: Collection) -> str:
    """INSERT that replaces a document with the same id unless it has a higher revision."""
    names = [field.name for field in collection.fields]
    revision = ["revision"] if collection.revised else []
    columns = [*names, *revision]
    values = ", ".join("?" * (len(columns) + 1))
    updates = ", ".join(f'"{name}" = excluded."{name}"' for name in columns)
    guard = f" WHERE excluded.revision >= {collection.name}.revision" if collection.revised else ""
    return (
        f"INSERT INTO {collection.name} (id, {_quoted(columns)}) VALUES ({values}) "  # noqa: S608  names are declared
        f"ON CONFLICT (id) DO UPDATE SET {updates}{guard}"
    )


def repeated_sql(collection: Collection) -> list[str]:
    """The table of repeated requests and the trigger that fills it.

    A BEFORE INSERT trigger runs for every insert, also for one that turns into an update or into
    nothing; so both positions are noted whichever arrives first, and noting them again adds no row.
    """
    position = _quoted(collection.position)
    new = ", ".join(f'NEW."{name}"' for name in collection.position)
    kinds = {field.name: _TYPES[field.kind] for field in collection.fields}
    columns = ", ".join(f'"{name}" {kinds[name]} NOT NULL' for name in ("model", *collection.position))
    table = (
        f"CREATE TABLE IF NOT EXISTS {REPEATED_TABLE} (id TEXT NOT NULL, {columns}, PRIMARY KEY (id, {position})) "
        "STRICT, WITHOUT ROWID"
    )
    trigger = (
        f"CREATE TRIGGER IF NOT EXISTS {collection.name}_repeated "  # noqa: S608  names are declared
        f"BEFORE INSERT ON {collection.name} "
        f"WHEN EXISTS (SELECT 1 FROM {collection.name} WHERE id = NEW.id AND ({position}) IS NOT ({new})) BEGIN "
        f"INSERT OR IGNORE INTO {REPEATED_TABLE} "
        f"SELECT id, model, {position} FROM {collection.name} WHERE id = NEW.id "
        f"UNION ALL SELECT NEW.id, NEW.model, {new}; END"
    )
    return [table, trigger]


def _quoted(names: list[str] | tuple[str, ...]) -> str:
    return ", ".join(f'"{name}"' for name in names)
