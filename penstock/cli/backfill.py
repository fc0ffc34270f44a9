"""`penstock backfill`: stored requests scored again with another version, and what that would have changed."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from consumers.pairs import pairs, shadow_count
from consumers.questions import Store
from penstock import wiring
from penstock.backfill import Backfill
from penstock.backfill import Progress as Reached
from penstock.cli.arguments import ModelName, Moment
from penstock.cli.options import example, with_json, with_settings
from penstock.cli.output import iso, print_json, print_table, say
from penstock.cli.versions import find_version
from runtime.settings import Settings
from runtime.stack import attach
from schemas.request_columns import EVENT_TIME_MAX, EVENT_TIME_MIN
from streams.scoring.backfill_step import Span

_LOOK_S = 0.3
_PLAIN_EVERY_S = 5.0
COLUMNS = (
    "live_version",
    "requests",
    "difference_mean",
    "difference_abs_p50",
    "difference_abs_p99",
    "difference_abs_max",
    "same_label",
)


@click.command(epilog=example("penstock backfill flights 2 --from 2013-05-01 --to 2013-06-01 --rate 5000"))
@click.argument("name", type=ModelName())
@click.argument("version")
@click.option("--from", "since", type=Moment(), default=EVENT_TIME_MIN, help="Requests of this event time and later.")
@click.option("--to", "until", type=Moment(), default=EVENT_TIME_MAX, help="Requests before this event time.")
@click.option("--rate", type=click.FloatRange(min=1), default=2_000.0, show_default=True, help="Requests a second.")
@click.option(
    "--timeout", type=click.FloatRange(min=0), default=60.0, show_default=True, help="Seconds to wait for the store."
)
@with_json
@with_settings()
def backfill(
    settings: Settings,
    name: str,
    version: str,
    *,
    since: int,
    until: int,
    rate: float,
    timeout: float,
    as_json: bool,
) -> None:
    """Score stored requests of the model NAME again with VERSION, and compare with what was answered.

    Off the live path: in a lane and a consumer group of its own. Stopped and run again with the
    same version and times, it goes on where it was. Predictions become shadows in topic and store.
    """
    record = find_version(wiring.catalogue(settings), name, version)
    run = Backfill(attach(settings), record, Span(since=since, until=until), rows_per_s=rate)
    with _progress() as shown:
        done = run.run(shown)
    store = wiring.store(settings)
    whole = _await_stored(store, name, version, Span(since=since, until=until), done.scored, timeout_s=timeout)
    report = [asdict(each) for each in pairs(store, name, version, since=since, until=until)]
    if as_json:
        answer = {"model": name, "version": version, "scored": done.scored, "refused": dict(done.refused)}
        print_json({**answer, "stored": whole, "since": _said(since), "until": _said(until), "pairs": report})
        return
    for reason, records in sorted(done.refused.items()):
        say(f"{records} not scored: {reason}")
    say(f"{done.scored} requests scored by version {version} in this run" + ("" if whole else "; not all stored yet"))
    print_table(report, COLUMNS)


def _await_stored(store: Store, name: str, version: str, span: Span, scored: int, *, timeout_s: float) -> bool:
    """Wait until the store has as many predictions as were made now; repeated requests are one document each."""
    deadline, found = time.monotonic() + timeout_s, -1
    while True:
        before, found = found, shadow_count(store, name, version, since=span.since, until=span.until)
        if found >= scored:
            return True
        if time.monotonic() > deadline:
            # What does not grow any more is whole: requests that were repeated have one prediction.
            return found == before
        time.sleep(_LOOK_S)


def _said(moment: int) -> str | None:
    return None if moment in (EVENT_TIME_MIN, EVENT_TIME_MAX) else iso(moment)


@contextmanager
def _progress() -> Iterator["_Shown"]:
    """Shows how far it is: a bar on a terminal, a line now and then elsewhere."""
    console = Console(stderr=True)
    bar = Progress(
        TextColumn("backfill"),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[scored]} scored"),
        TimeRemainingColumn(),
        console=console,
        disable=not console.is_terminal,
    )
    with bar:
        yield _Shown(bar)


class _Shown:
    def __init__(self, bar: Progress) -> None:
        self._bar = bar
        self._task = bar.add_task("", total=None, scored=0)
        self._said_at = time.monotonic()

    def __call__(self, reached: Reached) -> None:
        self._bar.update(self._task, total=reached.offsets, completed=reached.read, scored=reached.done.scored)
        if self._bar.disable and time.monotonic() - self._said_at > _PLAIN_EVERY_S:
            self._said_at = time.monotonic()
            say(f"{reached.read} of {reached.offsets} records read, {reached.done.scored} scored")
