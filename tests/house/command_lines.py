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
        values, rest, _ = command.make_parser(context).parse_args(args=list(words))
        # What was not given is missing, None, empty or a mark of click's own, by kind and version.
        found = {param: values.get(param.name or "") for param in command.params}
        given = {param: value for param, value in found.items() if isinstance(value, (str, int, list, tuple)) and value}
        for param, value in given.items():
            if not isinstance(param.type, click.Path):
                param.type_cast_value(context, value)
    except click.UsageError as error:
        return error.format_message()
    if isinstance(command, click.Group):
        inner = command.get_command(context, rest[0]) if rest else None
        if inner is None:
            return f"no command {' '.join(rest)!r}"
        return _fault(inner, click.Context(inner, info_name=rest[0], parent=context), rest[1:])
    missing = [str(param.name) for param in command.params if param.required and param not in given]
    faults = [f"missing {name}" for name in missing] + [f"{word!r} is too much" for word in rest]
    return "; ".join(faults) or None
