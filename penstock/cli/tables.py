"""Rows as the text of a table."""

import io
from collections.abc import Iterable, Mapping, Sequence

import orjson
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

PIPE_WIDTH = 10_000

Record = Mapping[str, object]


def table_text(
    rows: Iterable[Record], columns: Sequence[str] | None = None, *, width: int = PIPE_WIDTH, styled: bool = False
) -> str:
    """Rows under the names of their columns, as given or as the first row has them; "" of nothing.

    >>> rows = [{"model": "flights", "score": 0.25}, {"model": "delays", "score": None}]
    >>> [line.split() for line in table_text(rows).splitlines()][0::2]
    [['model', 'score'], ['flights', '0.25']]
    """
    listed = list(rows)
    names = list(columns) if columns is not None else list(listed[0]) if listed else []
    table = Table(*names, box=SIMPLE_HEAD, show_edge=False, pad_edge=False)
    for row in listed:
        table.add_row(*(cell(row.get(name)) for name in names))
    screen = io.StringIO()
    Console(file=screen, width=width, highlight=False, markup=False, force_terminal=styled).print(table)
    return "\n".join(line.rstrip() for line in screen.getvalue().rstrip("\n").split("\n"))


def cell(value: object) -> str:
    """A value in a table: nothing for None, JSON for what has parts.

    >>> cell(None), cell(0.25), cell({"a": 1 / 3}), cell("late")
    ('', '0.25', '{"a":0.333333}', 'late')
    """
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, (dict, list, tuple)):
        return orjson.dumps(_shortened(value), default=str).decode()
    if isinstance(value, bytes):
        return value.hex()
    return str(value)


def _shortened(value: object) -> object:
    """The same with numbers as short as they are in cells of their own."""
    if isinstance(value, float):
        return float(f"{value:.6g}")
    if isinstance(value, dict):
        return {name: _shortened(part) for name, part in value.items()}
    return [_shortened(part) for part in value] if isinstance(value, (list, tuple)) else value
