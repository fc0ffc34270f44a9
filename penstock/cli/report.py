"""`penstock report`: what a model did, from the analysts' store."""

from dataclasses import asdict

import click

from consumers.reports import latency, report_errors, report_predictions
from penstock import wiring
from penstock.cli.arguments import ModelName
from penstock.cli.drift import drift
from penstock.cli.options import example, with_json, with_settings
from penstock.cli.output import print_json, print_table, say
from penstock.cli.performance import performance
from runtime.settings import Settings


@click.group(epilog=example("penstock report predictions flights"))
def report() -> None:
    """What a model did: its predictions, its errors, how good it was, whether what it is asked has changed."""


@report.command(epilog=example("penstock report predictions flights --json"))
@click.argument("name", type=ModelName())
@with_json
@with_settings()
def predictions(settings: Settings, name: str, *, as_json: bool) -> None:
    """Predictions of the model NAME by version and day of event time, and how long they took."""
    store = wiring.store(settings)
    days = [asdict(day) for day in report_predictions(store, name)]
    durations = asdict(latency(store, name))
    if as_json:
        print_json({"model": name, "days": days, "latency": durations})
        return
    print_table(days, ("version", "day", "predictions", "mean_score", "label_shares"))
    if days:
        say(
            "from Kafka's taking a request to its being scored: {p50_ms} ms (p50), {p99_ms} ms (p99)".format(
                **durations
            )
        )


@report.command(epilog=example("penstock report errors flights"))
@click.argument("name", type=ModelName())
@with_json
@with_settings()
def errors(settings: Settings, name: str, *, as_json: bool) -> None:
    """Dead letters of the model NAME by reason, each with its remedy."""
    rows = [asdict(row) for row in report_errors(wiring.store(settings), name)]
    if as_json:
        print_json({"model": name, "errors": rows})
        return
    print_table(rows, ("reason", "stage", "records", "last_failed_at", "remedy"))


report.add_command(performance)
report.add_command(drift)
