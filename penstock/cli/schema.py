"""`penstock schema`: how requests of a model are written."""

import json

import click

from penstock import wiring
from penstock.cli.arguments import ModelName
from penstock.cli.options import example, with_json, with_settings
from penstock.cli.output import print_json, print_table, say
from producers.model_schema import request_schema_of
from runtime.settings import Settings
from schemas.request_schema import features_of
from schemas.topics import PREDICTIONS, REQUESTS


@click.group(epilog=example("penstock schema show flights --json"))
def schema() -> None:
    """Show how requests of a model are written."""


@schema.command(epilog=example("penstock schema show flights", "penstock schema show flights --json > schema.json"))
@click.argument("name", type=ModelName())
@with_json
@with_settings()
def show(settings: Settings, name: str, *, as_json: bool) -> None:
    """Show the request schema of the model NAME: topics, schema id and Avro schema."""
    topics = wiring.topics(settings)
    schema_id, text = request_schema_of(wiring.schema_registry(settings), topics, name)
    topic = topics.of(REQUESTS, name)
    if as_json:
        predictions = topics.of(PREDICTIONS, name)
        print_json(
            {"topic": topic, "predictions_topic": predictions, "schema_id": schema_id, "schema": json.loads(text)}
        )
        return
    say(f"requests go to {topic}, framed with schema id {schema_id}; --json prints the Avro schema")
    rows = [
        {
            "feature": feature.name,
            "type": feature.kind.avro_type,
            "may be missing": "yes" if feature.nullable else "no",
            "personal": "yes" if feature.personal else "",
            "meaning": feature.doc,
        }
        for feature in features_of(text)
    ]
    print_table(rows)
