"""`penstock retrain`: have the version that serves fitted again on what has happened since."""

import click
import orjson

from penstock.answering import await_answer
from penstock.cli.arguments import ModelName, Moment
from penstock.cli.options import example, with_json, with_settings
from penstock.cli.output import print_fields, print_json
from penstock.commanding import command
from penstock.errors import NotTrainedError
from runtime.settings import Settings
from schemas.codec import built
from schemas.events import ModelEvent

DECIDED_S = 30.0


@click.command(epilog=example("penstock retrain flights", "penstock retrain flights --since 2013-06-01 --wait"))
@click.argument("name", type=ModelName())
@click.option("--since", type=Moment(), help="Learn from outcomes of requests from this event time on.")
@click.option("--reason", default="", metavar="TEXT", help="Why; kept in the journal and shown to others.")
@click.option("--wait/--no-wait", default=False, show_default=True, help="Wait until the trainer has answered.")
@click.option("--timeout", type=click.FloatRange(min=0.1), default=900.0, show_default=True, help="Seconds to wait.")
@with_json
@with_settings()
def retrain(
    settings: Settings, name: str, *, since: int | None, reason: str, wait: bool, timeout: float, as_json: bool
) -> None:
    """Ask for a candidate that comes from the version of NAME that serves.

    The trainer fits the version's own pipeline again on matured outcomes, judges it beside the
    version on the newest of them, and registers it. Nothing else serves by this alone.
    """
    arguments = {"reason": reason} if reason else {}
    if since is not None:
        arguments["since"] = str(since)
    entry = command(settings, "retrain", name, arguments=arguments, wait_s=min(timeout, DECIDED_S))
    request = built(ModelEvent, orjson.loads(entry.actions[0]))
    shown = print_json if as_json else print_fields
    if not wait:
        shown({"model": name, "version": request.version, "request": request.event_id, "answer": entry.reason})
        return
    answer = await_answer(settings, request, wait_s=timeout)
    if answer.kind != "Trained":
        raise NotTrainedError(name, answer.reason)
    shown({"model": name, "version": request.version, "candidate": answer.version, "answer": answer.reason})
