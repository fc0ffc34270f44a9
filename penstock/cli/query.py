"""`penstock query`: SQL to the analysts' store."""

import click

from penstock import wiring
from penstock.cli.options import example, with_json, with_settings
from penstock.cli.output import print_json, print_table
from runtime.settings import Settings


@click.command(epilog=example('penstock query "SELECT version, count(*) AS n FROM predictions GROUP BY version"'))
@click.argument("sql")
@with_json
@with_settings()
def query(settings: Settings, sql: str, *, as_json: bool) -> None:
    """Ask the analysts' store one SELECT in SQL.

    Tables: predictions, shadows, dead_letters, deployments, receipts, journal, model_events,
    signals, profiles, commands, labels, logs. Times are ISO 8601 text in UTC.
    """
    rows = wiring.store(settings).query(sql)
    (print_json if as_json else print_table)(rows)
