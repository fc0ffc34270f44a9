"""The page of events: their fields from the Avro schemas, their meaning from the dataclasses."""

import inspect
import json
from typing import Any

from docs.pages.markdown import code, page, sentences, table
from schemas.codec import event_schema, event_subject
from schemas.events import EVENT_TYPES, Event
from schemas.outcome_schema import outcome_schema
from schemas.request_schema import prediction_schema, request_schema
from schemas.signature import Feature, FeatureKind
from schemas.topics import CATALOGUE

_INTRO = """
What travels on the topics.
Times are milliseconds since the epoch, UTC.
A field with a default may be missing from what an older producer wrote.
"""
_GENERATED = """
The schemas of requests, predictions and outcomes are generated for each model from its signatures, so that every
feature is a named, typed, documented field.
An outcome is a prediction with what turned out to be true behind it.
They only grow: a feature is never dropped and never changes its type.
`penstock schema show NAME --json` prints the one of a model; here `amount` stands for its features.
"""
_COLUMNS = ("field", "type", "default", "meaning")
_AMOUNT = Feature(name="amount", kind=FeatureKind.NUMBER, dtype="float64", doc="A feature of the model.")


def events_page() -> str:
    """Requests, predictions and outcomes in their general shape, then every event."""
    parts = ["## Requests, predictions and outcomes", sentences(_GENERATED)]
    prediction = prediction_schema("NAME", [_AMOUNT])
    for schema in (request_schema("NAME", [_AMOUNT]), prediction, outcome_schema("NAME", prediction)):
        parsed = json.loads(schema)
        parts += [f"### {parsed['name']}", sentences(parsed["doc"]), _fields(parsed)]
    parts.append("## Events")
    for event_type in EVENT_TYPES:
        parts += [f"### {event_type.__name__}", _about(event_type), _fields(json.loads(event_schema(event_type)))]
    return page("Events", _INTRO, *parts)


def _about(event_type: type[Event]) -> str:
    topics = [
        f"`MODEL.{kind.name}`" if kind.per_model else f"`{kind.name}`"
        for kind in CATALOGUE
        if kind.value == event_type.__name__
    ]
    where = f"On {' and '.join(topics)}; subject `{event_subject(event_type)}`."
    return f"{sentences(inspect.getdoc(event_type) or '')}\n{where}"


def _fields(schema: dict[str, Any]) -> str:
    rows = []
    for field in schema["fields"]:
        default = json.dumps(field["default"]) if "default" in field else ""
        rows.append((code(field["name"]), _type(field["type"]), code(default), field.get("doc", "")))
    return table(_COLUMNS, rows)


def _type(avro: Any) -> str:
    """An Avro type on one line.

    >>> _type(["null", {"type": "array", "items": "double"}])
    'null or array of double'
    """
    if isinstance(avro, list):
        return " or ".join(_type(each) for each in avro)
    if not isinstance(avro, dict):
        return str(avro)
    if avro["type"] == "array":
        return f"array of {_type(avro['items'])}"
    if avro["type"] == "map":
        return f"map of {_type(avro['values'])}"
    if avro["type"] == "record":
        return f"{avro['name']} ({', '.join(field['name'] for field in avro['fields'])})"
    return str(avro.get("logicalType", avro["type"]))
