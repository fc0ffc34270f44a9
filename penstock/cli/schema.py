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
from schemas.signature import Feature
from schemas.topics import PREDICTIONS, REQUESTS


@click.group(epilog=example("penstock schema show flights --json"))
def schema() -> None:
    """Show how requests and predictions of a model are written."""


@schema.command(
    epilog=example(
        "penstock schema show flights",
        "penstock schema show flights --json > schema.json",
        "penstock schema show flights --predictions --json > prediction.json",
    )
)
@click.argument("name", type=ModelName())
@click.option("--predictions", is_flag=True, help="The schema of predictions instead, for consumers.")
@with_json
@with_settings()
def show(settings: Settings, name: str, *, predictions: bool, as_json: bool) -> None:
    """Show how requests (or predictions) of the model NAME are written: topic, schema id and Avro schema."""
    topics, registry = wiring.topics(settings), wiring.schema_registry(settings)
    requests_topic, predictions_topic = topics.of(REQUESTS, name), topics.of(PREDICTIONS, name)
    schema_id, text = request_schema_of(registry, topics, name)
    topic = requests_topic
    if predictions:
        topic = predictions_topic
        schema_id, text = registry.latest(f"{topic}-value")
    if as_json:
        shown = {"topic": topic, "predictions_topic": predictions_topic, "schema_id": schema_id}
        print_json({**shown, "schema": json.loads(text)})
        return
    say(f"values on {topic} are framed with schema id {schema_id}; --json prints the Avro schema")
    print_table([_row(feature) for feature in features_of(text)])


def _row(feature: Feature) -> dict[str, str]:
    return {
        "feature": feature.name,
        "type": feature.kind.avro_type,
        "may be missing": "yes" if feature.nullable else "no",
        "personal": "yes" if feature.personal else "",
        "meaning": feature.doc,
    }
