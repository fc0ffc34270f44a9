"""The `penstock` commands that documents and configuration show, judged by the command line itself.

In: text with fenced blocks, or the words of one command. Out: what is wrong with a command, if
anything. Nothing is run.
"""

import shlex
from collections.abc import Iterator

import click

from penstock.cli.root import root
from tests.house.sources import fenced_blocks

SHELLS = frozenset({"sh", "bash", "shell", "console"})


def commands_in(text: str) -> Iterator[str]:
    """The penstock commands of a page's shell blocks."""
    for language, block in fenced_blocks(text):
        if language in SHELLS:
            for line in block.replace("\\\n", " ").splitlines():
                words = line.strip().removeprefix("$ ").removeprefix(".venv/bin/")
                if words.startswith("penstock "):
                    yield words


def fault_of(line: str) -> str | None:
    """What click has to say against a command line, or None; files that it names need not be there."""
    words = shlex.split(line, comments=True)[1:]
    for mark in ("|", ">", "&", "&&", ";"):
        words = words[: words.index(mark)] if mark in words else words
    return _fault(root, click.Context(root, info_name="penstock", resilient_parsing=False), words)


def _fault(command: click.Command, context: click.Context, words: list[str]) -> str | None:
    try:
        parsed = command.make_parser(context).parse_args(args=list(words))
    except click.UsageError as error:
        return error.format_message()
    values, rest, _ = parsed
    if isinstance(command, click.Group):
        inner = command.get_command(context, rest[0]) if rest else None
        if inner is None:
            return f"no command {' '.join(rest)!r}"
        return _fault(inner, click.Context(inner, info_name=rest[0], parent=context), rest[1:])
    missing = [param.name for param in command.params if param.required and values.get(param.name or "") is None]
    return f"missing {', '.join(map(str, missing))}" if missing else None
