"""`penstock labels send`: the rows of a file as labels of earlier requests."""

from pathlib import Path

import click

from penstock import wiring
from penstock.cli.arguments import READABLE_FILE, ModelName
from penstock.cli.options import example, with_json, with_settings
from penstock.cli.sending import SendReport, finish, send_rows
from penstock.cli.versions import newest_version
from producers.errors import RowError
from producers.label_values import label_value
from producers.labels import LabelProducer
from producers.sources.tabular import Row, open_table
from producers.values import described, event_time_ms, feature_value, identity, is_missing
from runtime.settings import Settings
from schemas.signature import FeatureKind


@click.group(epilog=example("penstock labels send flights landed.csv --id request_id --entity tailnum --label late"))
def labels() -> None:
    """Publish labels: what turned out to be true."""


@labels.command(epilog=example("penstock labels send flights landed.csv --id request_id --entity tailnum --label late"))
@click.argument("name", type=ModelName())
@click.argument("file", type=READABLE_FILE)
@click.option("--id", "request_id", required=True, metavar="COL", help="Column of the ids of the requests they judge.")
@click.option("--entity", required=True, metavar="COL", help="Column of the requests' entities; the message key.")
@click.option("--label", required=True, metavar="COL", help="Column of labels; an empty one takes a label back.")
@click.option("--time", "event_time", metavar="COL", help="Column of when it became known.  [default: now]")
@click.option("--revision", metavar="COL", help="Column of revisions; the highest wins.  [default: 0]")
@click.option("--weight", metavar="COL", help="Column of weights in error rates.  [default: 1]")
@click.option("--value", metavar="COL", help="Column of what each outcome was worth, in a unit of your own.")
@with_json
@with_settings()
def send(
    settings: Settings,
    name: str,
    file: Path,
    *,
    request_id: str,
    entity: str,
    label: str,
    event_time: str | None,
    revision: str | None,
    weight: str | None,
    value: str | None,
    as_json: bool,
) -> None:
    """Send the rows of FILE (csv, jsonl or parquet) as labels of the model NAME.

    Each label is joined to the prediction of its request, and becomes an outcome. Classes are text,
    values of a regression numbers; an empty label takes an earlier one back.
    """
    table = open_table(file)
    table.require(request_id, entity, label, event_time, revision, weight, value)
    newest = newest_version(wiring.catalogue(settings), name)
    signature = wiring.shelf(settings).manifest(name, newest.version).signature
    report = SendReport(model=name)
    with LabelProducer(settings, name, registry=wiring.schema_registry(settings)) as producer:

        def send_one(row: Row) -> None:
            producer.send(
                identity(request_id, row.cells.get(request_id)),
                identity(entity, row.cells.get(entity)),
                label=label_value(label, row.cells.get(label), task=signature.task, classes=signature.classes),
                event_time=None if event_time is None else event_time_ms(event_time, row.cells.get(event_time)),
                revision=0 if revision is None else _revision(revision, row.cells.get(revision)),
                weight=None if weight is None else _weight(weight, row.cells.get(weight)),
                value=None if value is None else _number(value, row.cells.get(value)),
            )

        send_rows(table, send_one, report, rate=None)
    finish(report, "labels", as_json=as_json)


def _weight(column: str, cell: object) -> float | None:
    weight = _number(column, cell)
    if weight is not None and weight < 0:
        raise RowError(column, described(cell), "write a weight of 0 or more, or none, which is 1")
    return weight


def _number(column: str, cell: object) -> float | None:
    return None if is_missing(cell) else float(feature_value(column, FeatureKind.NUMBER, cell))


def _revision(column: str, value: object) -> int:
    return int(feature_value(column, FeatureKind.INTEGER, value))
