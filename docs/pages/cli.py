"""The page of the command line: every command's help, as click has it."""

from collections.abc import Iterator

import click

from docs.pages.markdown import block, code, page, sentences, table
from penstock.cli.root import root

_INTRO = """
`penstock COMMAND --help` says the same.
Data goes to stdout, words for people to stderr; `--json` makes the data JSON.
The exit code is 0 when it is done, 1 for a failure, said in one sentence, 2 for bad usage and 130 when interrupted.
Every command takes `--help`, `--data-dir` and `--config`; the last two may stand before or after the command's name.
"""
_EVERYWHERE = frozenset({"help", "data_dir", "config"})


def cli_page() -> str:
    """Every command: usage, meaning, options, examples."""
    parts: list[str] = []
    for context in commands():
        level = "##" if len(context.command_path.split()) <= 2 else "###"
        parts += [f"{level} {context.command_path}", *_about(context)]
    return page("Command line", _INTRO, *parts)


def commands() -> Iterator[click.Context]:
    """The context of every visible command, groups before what they hold."""
    yield from _below(click.Context(root, info_name="penstock"))


def _below(context: click.Context) -> Iterator[click.Context]:
    yield context
    command = context.command
    if not isinstance(command, click.Group):
        return
    for name in command.list_commands(context):
        inner = command.get_command(context, name)
        if inner is not None and not inner.hidden:
            yield from _below(click.Context(inner, info_name=name, parent=context))


def _about(context: click.Context) -> Iterator[str]:
    command = context.command
    yield block(" ".join([context.command_path, *command.collect_usage_pieces(context)]))
    yield sentences(command.help or "")
    own = [param for param in command.get_params(context) if context.parent is None or param.name not in _EVERYWHERE]
    records = [param.get_help_record(context) for param in own]
    rows = [(code(names), meaning) for names, meaning in filter(None, records)]
    if rows:
        yield table(("option", "meaning"), rows)
    examples = [line.strip() for line in (command.epilog or "").splitlines() if line.strip().startswith("penstock")]
    if examples:
        yield block("\n".join(examples), "sh")
