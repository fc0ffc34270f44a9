"""`penstock query`: a question of one's own to the analysts' store."""

import click

from consumers.stored_collections import COLLECTIONS
from penstock import wiring
from penstock.cli.options import example, with_json, with_settings
from penstock.cli.output import print_json, print_table
from runtime.settings import Settings

_HELP = f"""Ask the analysts' store the QUESTION, in its own language.

The embedded store is asked one SELECT in SQL. Its tables: {", ".join(each.name for each in COLLECTIONS)}.
Times are ISO 8601 text in UTC.

Elasticsearch (store.elasticsearch_urls) is asked with a search body in JSON, over everything that is
stored or, after a line such as `GET penstock-predictions-*/_search`, over some indices. Hits and
buckets are printed as rows.
"""


@click.command(
    help=_HELP,
    epilog=example(
        'penstock query "SELECT version, count(*) AS n FROM predictions GROUP BY version"',
        """penstock query '{"size": 0, "aggs": {"version": {"terms": {"field": "version"}}}}'""",
    ),
)
@click.argument("question")
@with_json
@with_settings()
def query(settings: Settings, question: str, *, as_json: bool) -> None:
    """Ask, and print the rows."""
    rows = wiring.store(settings).query(question)
    (print_json if as_json else print_table)(rows)
