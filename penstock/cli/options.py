"""Options that commands share, and the settings that they add up to.

`--data-dir` and `--config` are taken before or after the command's name; nearer ones win.
"""

from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar

import click

from runtime.settings import Settings, SettingsError, load_settings

P = ParamSpec("P")
R = TypeVar("R")

_CONFIG = "penstock.config"
CONFIG_HELP = "Settings in TOML; environment variables PENSTOCK_<SECTION>__<NAME> go over it."


def data_dir_help(default: Path | None = None) -> str:
    """What `--data-dir` is, with the default of a command."""
    return f"Registry, embedded store, caches and run state.  [default: {default or '.penstock'}]"


def with_settings(
    *overrides: str, data_dir: Path | None = None
) -> Callable[[Callable[Concatenate[Settings, P], R]], Callable[..., R]]:
    """Add `--data-dir` and `--config`, and give the command settings as its first argument.

    `overrides` names further options of the command that are settings of the same name;
    `data_dir` is this command's own default.
    """
    default = data_dir

    def decorate(command: Callable[Concatenate[Settings, P], R]) -> Callable[..., R]:
        @click.option("--data-dir", type=click.Path(path_type=Path, file_okay=False), help=data_dir_help(default))
        @click.option("--config", type=click.Path(path_type=Path, exists=True, dir_okay=False), help=CONFIG_HELP)
        @wraps(command)
        def invoke(*args: Any, data_dir: Path | None, config: Path | None, **kwargs: Any) -> R:
            context = click.get_current_context()
            outer = context.find_root().params
            given = {name: kwargs.pop(name) for name in overrides}
            given["data_dir"] = data_dir or outer.get("data_dir") or default
            context.meta[_CONFIG] = config or outer.get("config")
            return command(_load(context.meta[_CONFIG], given), *args, **kwargs)

        return invoke

    return decorate


def config_given() -> Path | None:
    """The configuration file that the running command was given."""
    path: Path | None = click.get_current_context().meta[_CONFIG]
    return path


def with_json(command: Callable[P, R]) -> Callable[P, R]:
    """Add `--json`, given to the command as `as_json`."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON on stdout, times as ISO 8601.")(command)


def example(*lines: str) -> str:
    """The examples at the end of a command's help, with the mark that keeps click from filling the lines."""
    title = "Example:" if len(lines) == 1 else "Examples:"
    return "\b\n" + "\n".join([title, *(f"  {line}" for line in lines)])


def _load(config: Path | None, given: dict[str, Any]) -> Settings:
    try:
        return load_settings(config, **given)
    except SettingsError as error:
        raise click.UsageError(f"settings: {error}") from error
