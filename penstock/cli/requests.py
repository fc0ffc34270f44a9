"""`penstock requests send`: the rows of a file as inference requests."""

from pathlib import Path

import click

from penstock import wiring
from penstock.cli.arguments import READABLE_FILE, ModelName
from penstock.cli.options import example, with_json, with_settings
from penstock.cli.sending import SendReport, finish, send_rows
from producers.requests import RequestProducer
from producers.sources.request_rows import row_features
from producers.sources.tabular import Row, open_table
from producers.values import event_time_ms, identity
from runtime.settings import Settings


@click.group(epilog=example("penstock requests send flights april.parquet --entity tailnum"))
def requests() -> None:
    """Publish inference requests."""


@requests.command(
    epilog=example(
        "penstock requests send flights april.csv --entity tailnum --id request_id --time departed_at",
        "penstock requests send flights april.parquet --entity tailnum --rate 500",
    )
)
@click.argument("name", type=ModelName())
@click.argument("file", type=READABLE_FILE)
@click.option("--entity", required=True, metavar="COL", help="Column of whom or what a row is about; the message key.")
@click.option("--id", "request_id", metavar="COL", help="Column of request ids.  [default: new UUIDv7]")
@click.option("--time", "event_time", metavar="COL", help="Column of event times: ISO 8601 or ms.  [default: now]")
@click.option("--rate", type=click.FloatRange(min=0, min_open=True), help="Requests a second.  [default: no limit]")
@with_json
@with_settings()
def send(
    settings: Settings,
    name: str,
    file: Path,
    *,
    entity: str,
    request_id: str | None,
    event_time: str | None,
    rate: float | None,
    as_json: bool,
) -> None:
    """Send the rows of FILE (csv, jsonl or parquet) as requests to the model NAME.

    Features are taken from columns of the same names; other columns are left out. A row that does
    not fit is named with its number and column, and not sent; the others are.
    """
    table = open_table(file)
    table.require(entity, request_id, event_time)
    report = SendReport(model=name)
    with RequestProducer(settings, name, registry=wiring.schema_registry(settings)) as producer:
        features = producer.features
        table.require(*(feature.name for feature in features if not feature.nullable))

        def send_one(row: Row) -> None:
            producer.send(
                identity(entity, row.cells.get(entity)),
                row_features(features, row.cells),
                event_time=None if event_time is None else event_time_ms(event_time, row.cells.get(event_time)),
                request_id=None if request_id is None else identity(request_id, row.cells.get(request_id)),
            )

        send_rows(table, send_one, report, rate=rate)
    finish(report, "requests", as_json=as_json)
