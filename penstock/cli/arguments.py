"""Kinds of arguments that are checked before a command begins."""

from datetime import UTC, datetime
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


class Moment(click.ParamType):
    """A moment in ISO 8601, or a day, which is its beginning; UTC where no zone is given. Given on as ms."""

    name = "time"

    def convert(self, value: str | int, param: click.Parameter | None, ctx: click.Context | None) -> int:
        if isinstance(value, int):
            return value
        try:
            found = datetime.fromisoformat(value)
        except ValueError:
            self.fail(f"{value!r} is no time: write it like 2013-06-01 or 2013-06-01T12:30:00Z", param, ctx)
        moment = found if found.tzinfo is not None else found.replace(tzinfo=UTC)
        return round(moment.timestamp() * 1_000)
