"""What commands print: data on stdout as a table or as JSON, words for people on stderr."""

import base64
import shutil
import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

import orjson

from penstock.cli.tables import PIPE_WIDTH, Record, cell, table_text


def iso(ms: int) -> str:
    """Milliseconds since the epoch as ISO 8601.

    >>> iso(1364806800000)
    '2013-04-01T09:00:00.000Z'
    """
    moment = datetime.fromtimestamp(ms / 1000, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def print_json(content: object) -> None:
    """One JSON document, indented; bytes as base64."""
    _write(_json(content, orjson.OPT_INDENT_2))


def print_json_line(content: object) -> None:
    """One JSON document on one line, flushed, for streams that others read along."""
    _write(_json(content, 0))
    sys.stdout.flush()


def print_table(rows: Iterable[Record], columns: Sequence[str] | None = None) -> None:
    """Rows as a table, columns as given or as the first row has them; never cut when piped."""
    listed = list(rows)
    if listed or columns is not None:
        terminal = sys.stdout.isatty()
        width = shutil.get_terminal_size().columns if terminal else PIPE_WIDTH
        _write(table_text(listed, columns, width=width, styled=terminal))
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


def _json(content: object, options: int) -> str:
    return orjson.dumps(content, option=options | orjson.OPT_SERIALIZE_NUMPY, default=_plain).decode()


def _plain(value: object) -> str:
    return base64.b64encode(value).decode() if isinstance(value, bytes) else str(value)


def _write(text: str) -> None:
    sys.stdout.write(text + "\n")
