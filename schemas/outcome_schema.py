"""The schema of a model's outcomes: its prediction schema with what the label says behind it.

A prediction schema goes in, an outcome schema comes out, both Avro as JSON text. A record's
fields lie one after the other on the wire, so an outcome's bytes are a prediction's bytes and
then the label's part; whatever features a prediction has, its outcome has.
"""

import json
from typing import Any

from schemas.request_schema import TIMESTAMP, without_logical_types

LABEL_FIELDS: tuple[dict[str, Any], ...] = (
    {
        "name": "truth",
        "type": ["null", "string"],
        "doc": "True class; null for values and for a label that was taken back.",
    },
    {
        "name": "truth_value",
        "type": ["null", "double"],
        "doc": "True value; null for classes and for a label that was taken back.",
    },
    {"name": "truth_probability", "type": ["null", "double"], "doc": "Probability that the true class was given."},
    {
        "name": "loss",
        "type": ["null", "double"],
        "doc": "Classes: 0 where the label is the truth, else 1. Values: |error| over loss_scale, at most 1.",
    },
    {
        "name": "loss_scale",
        "type": ["null", "double"],
        "doc": "What an absolute error of 1 in loss is; null for classes.",
    },
    {"name": "retracted", "type": "boolean", "doc": "Whether the label was taken back."},
    {"name": "label_event_time", "type": TIMESTAMP, "doc": "When the label became true."},
    {"name": "label_revision", "type": "long", "doc": "The producer's revision of the label."},
    {"name": "weight", "type": ["null", "double"], "doc": "Weight of the label in error rates; null: 1."},
    {"name": "value", "type": ["null", "double"], "doc": "What the outcome was worth, in the user's own unit."},
    {"name": "delay_ms", "type": "long", "doc": "From the prediction's event to the label's, in ms."},
    {"name": "joined_at", "type": TIMESTAMP, "doc": "When prediction and label were joined."},
    {
        "name": "revision",
        "type": "long",
        "doc": "Grows with each change: of two outcomes of a prediction the higher holds.",
    },
)


def outcome_schema(model: str, prediction_schema_json: str) -> str:
    """The schema of outcomes of the model's predictions that were written with that schema."""
    schema = json.loads(prediction_schema_json)
    doc = f"A prediction of model {model} with what turned out to be true."
    fields = [*schema["fields"], *LABEL_FIELDS]
    return json.dumps({**schema, "name": "Outcome", "doc": doc, "fields": fields}, ensure_ascii=False)


def label_part() -> dict[str, Any]:
    """The fields behind the prediction as a record of their own, times as plain long: the same bytes."""
    schema: dict[str, Any] = json.loads(
        without_logical_types(json.dumps({"type": "record", "name": "LabelPart", "fields": LABEL_FIELDS}))
    )
    return schema
