"""The few forms of Markdown that generated pages are made of. Pure text."""

from collections.abc import Iterable, Sequence


def page(title: str, introduction: str, *parts: str) -> str:
    """A whole page: its title, the word that it is generated, an introduction in prose, and its parts.

    >>> page("Topics", "All of them.").splitlines()[0]
    '# Topics'
    """
    note = "Generated from the code by `python -m docs.reference`; edit the code, not this page."
    filled = [part.strip() for part in (sentences(introduction), *parts)]
    return "\n\n".join([f"# {title}", note, *filter(None, filled)]) + "\n"


def table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    r"""A table, with what would end a cell escaped.

    >>> print(table(("name", "holds"), [("a", "x | y")]))
    | name | holds |
    |---|---|
    | a | x \| y |
    """
    lines = [_row(columns), "|" + "---|" * len(columns)]
    return "\n".join([*lines, *(_row(row) for row in rows)])


def code(text: object) -> str:
    """Text as code; nothing for nothing.

    >>> code("a"), code("")
    ('`a`', '')
    """
    return f"`{text}`" if str(text) else ""


def sentences(text: str) -> str:
    r"""Prose with one sentence a line, as all prose here is written.

    >>> sentences("One thing. Another\nthing.")
    'One thing.\nAnother thing.'
    """
    return " ".join(text.split()).replace(". ", ".\n")


def block(text: str, language: str = "") -> str:
    """A fenced block."""
    return f"```{language}\n{text.rstrip()}\n```"


def _row(cells: Sequence[object]) -> str:
    return "| " + " | ".join(str(cell).replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"
