"""The layout of SQLite files that outlive an upgrade: each says its own, and a newer one is refused.

SQLite keeps a number for its user in the file's header (`user_version`); 0 is a file that no penstock
with layouts has written. Reading a newer layout as an older one could lose what it added.
"""

import sqlite3
from pathlib import Path

from schemas.errors import StateTooNewError


def require_layout(connection: sqlite3.Connection, path: Path, *, newest: int) -> int:
    """The layout of the file. Raises `StateTooNewError` when it is newer than `newest`, what this penstock writes."""
    found = int(connection.execute("PRAGMA user_version").fetchone()[0])
    if found > newest:
        raise StateTooNewError(path, found=found, newest=newest)
    return found


def mark_layout(connection: sqlite3.Connection, path: Path, *, layout: int) -> None:
    """Write the layout into a file that has an older one or none; inside a transaction it is part of it."""
    if require_layout(connection, path, newest=layout) < layout:
        connection.execute(f"PRAGMA user_version = {layout}")
