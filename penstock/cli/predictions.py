"""`penstock predictions tail`: predictions as they become readable."""

import sys
import time

import click

from penstock.cli.arguments import ModelName
from penstock.cli.options import example, with_json, with_settings
from penstock.cli.output import iso, print_json_line, say
from penstock.cli.tables import cell
from penstock.errors import TooFewPredictionsError
from penstock.tailing import TIMES, PredictionTail, TailedPrediction
from runtime.settings import Settings

_COLUMNS = ("event_time", "request_id", "entity_id", "version", "label", "score")


@click.group(epilog=example("penstock predictions tail flights"))
def predictions() -> None:
    """Read predictions from their topic."""


@predictions.command(
    epilog=example(
        "penstock predictions tail flights",
        "penstock predictions tail flights --from-start --limit 5 --timeout 10 --json",
    )
)
@click.argument("name", type=ModelName())
@click.option("--from-start", is_flag=True, help="Also those that are there already.")
@click.option("--limit", type=click.IntRange(min=1), help="End after so many; fewer in --timeout are a failure.")
@click.option("--timeout", type=click.FloatRange(min=0, min_open=True), help="End after so many seconds.")
@with_json
@with_settings()
def tail(
    settings: Settings, name: str, *, from_start: bool, limit: int | None, timeout: float | None, as_json: bool
) -> None:
    """Print predictions of the model NAME as they become readable, read_committed, until Ctrl-C."""
    following = PredictionTail(settings, name, from_start=from_start)
    if not as_json:
        say("\t".join(_COLUMNS))
    try:
        count = _print_all(following, limit=limit, timeout=timeout, as_json=as_json)
    finally:
        following.close()
    if limit is not None and count < limit:
        raise TooFewPredictionsError(name, count=count, limit=limit, waited_s=timeout or 0.0)


def _print_all(following: PredictionTail, *, limit: int | None, timeout: float | None, as_json: bool) -> int:
    count = 0
    deadline = None if timeout is None else time.monotonic() + timeout
    while deadline is None or time.monotonic() < deadline:
        for tailed in following.poll():
            fields = _fields(tailed)
            if as_json:
                print_json_line(fields)
            else:
                sys.stdout.write("\t".join(cell(fields[name]) for name in _COLUMNS) + "\n")
            count += 1
            if count == limit:
                return count
        sys.stdout.flush()
    return count


def _fields(tailed: TailedPrediction) -> dict[str, object]:
    fields = dict(tailed.prediction)
    for name in TIMES:
        value = fields[name]
        assert isinstance(value, int), f"{name} is in milliseconds"
        fields[name] = iso(value)
    return fields | {"partition": tailed.partition, "offset": tailed.offset}
