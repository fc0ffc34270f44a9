"""Kinds of arguments that are checked before a command begins."""

from pathlib import Path

import click

from schemas.topics import MODEL_NAME

READABLE_FILE = click.Path(path_type=Path, exists=True, dir_okay=False, readable=True)


class ModelName(click.ParamType):
    """A model's name, which becomes part of topics' names."""

    name = "model"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        if not MODEL_NAME.fullmatch(value):
            self.fail(f"{value!r} is no model name: use lower-case letters, digits, - and _, at most 63", param, ctx)
        return value
