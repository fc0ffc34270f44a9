"""What commands print: data on stdout as a table or as JSON, words for people on stderr."""

import io
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime

import orjson
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

_PIPE_WIDTH = 10_000

Record = Mapping[str, object]


def iso(ms: int) -> str:
    """Milliseconds since the epoch as ISO 8601.

    >>> iso(1364806800000)
    '2013-04-01T09:00:00.000Z'
    """
    moment = datetime.fromtimestamp(ms / 1000, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def print_json(content: object) -> None:
    """One JSON document, indented."""
    _write(orjson.dumps(content, option=orjson.OPT_INDENT_2 | orjson.OPT_SERIALIZE_NUMPY, default=str).decode())


def print_json_line(content: object) -> None:
    """One JSON document on one line, flushed, for streams that others read along."""
    _write(orjson.dumps(content, option=orjson.OPT_SERIALIZE_NUMPY, default=str).decode())
    sys.stdout.flush()


def print_table(rows: Iterable[Record], columns: Sequence[str] | None = None) -> None:
    """Rows as a table, columns as given or as the first row has them; plain text when piped."""
    listed = list(rows)
    names = list(columns) if columns is not None else list(listed[0]) if listed else []
    if not names:
        say("no rows")
        return
    table = Table(*names, box=SIMPLE_HEAD, show_edge=False, pad_edge=False)
    for row in listed:
        table.add_row(*(cell(row.get(name)) for name in names))
    _write(_rendered(table))
    if not listed:
        say("no rows")


def print_fields(fields: Record) -> None:
    """One record, a line for each field."""
    width = max((len(name) for name in fields), default=0)
    _write("\n".join(f"{name:<{width}}  {cell(value)}" for name, value in fields.items()))


def say(words: str) -> None:
    """Words for the person at the terminal; never data."""
    sys.stderr.write(f"{words}\n")
    sys.stderr.flush()


def cell(value: object) -> str:
    """A value in a table: nothing for None, JSON for what has parts.

    >>> cell(None), cell(0.25), cell({"a": 1}), cell("late")
    ('', '0.25', '{"a":1}', 'late')
    """
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, (dict, list, tuple)):
        return orjson.dumps(value, default=str).decode()
    if isinstance(value, bytes):
        return value.hex()
    return str(value)


def _rendered(table: Table) -> str:
    screen = io.StringIO()
    width = None if sys.stdout.isatty() else _PIPE_WIDTH
    console = Console(file=screen, width=width, highlight=False, markup=False, force_terminal=sys.stdout.isatty())
    console.print(table)
    return "\n".join(line.rstrip() for line in screen.getvalue().rstrip("\n").split("\n"))


def _write(text: str) -> None:
    sys.stdout.write(text + "\n")
