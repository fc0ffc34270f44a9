"""A group whose commands are imported when they are called, so that `--help` does not wait for scikit-learn."""

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module

import click

DEBUG = "PENSTOCK_DEBUG"


@dataclass(frozen=True, slots=True)
class LazyCommand:
    """Where a command is (`module:name`) and what the list of commands says of it."""

    target: str
    summary: str

    def load(self) -> click.Command:
        module, _, name = self.target.partition(":")
        command = getattr(import_module(module), name)
        if "structlog" in sys.modules:
            # Logs are set up for commands whose parts log; taking the library in costs those that are asked often.
            import_module("runtime.command_logs").configure_command_logs(verbose=bool(os.environ.get(DEBUG)))
        assert isinstance(command, click.Command), f"{self.target} is not a command"
        return command


class LazyGroup(click.Group):
    """A group over a table of commands that are not imported yet."""

    def __init__(self, *args: object, table: Mapping[str, LazyCommand], **kwargs: object) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]  # passed on as click gave it
        self._table = table

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self._table)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        entry = self._table.get(cmd_name)
        return None if entry is None else entry.load()

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands from the table alone."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, entry.summary) for name, entry in self._table.items()])
