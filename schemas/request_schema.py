"""One request schema per model, generated from its signatures, and the prediction schema beside it.

Signatures go in, Avro as JSON text comes out. A request schema only grows: a feature is never
dropped, never changes its kind and never stops being nullable, so that old producers and old
versions both go on.
"""

import json
import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from schemas.errors import SignatureError
from schemas.signature import Feature, FeatureKind, Signature

AVRO_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
TIMESTAMP = {"type": "long", "logicalType": "timestamp-millis"}
_DTYPES = {
    FeatureKind.NUMBER: "float64",
    FeatureKind.INTEGER: "int64",
    FeatureKind.BOOLEAN: "bool",
    FeatureKind.STRING: "object",
}


def grow(current: str | None, model: str, signature: Signature) -> str:
    """The model's next request schema, from the one before (None: none yet) and a new signature.

    Raises `SignatureError` when a feature's name can't travel or its kind differs from before.
    """
    if current is None:
        return request_schema(model, signature.features)
    features = {feature.name: feature for feature in features_of(current)}
    for feature in signature.features:
        known = features.get(feature.name)
        features[feature.name] = replace(feature, nullable=True) if known is None else _grown(known, feature)
    return request_schema(model, tuple(features.values()))


def _grown(known: Feature, feature: Feature) -> Feature:
    if known.kind is not feature.kind:
        raise SignatureError(
            f"feature {feature.name!r} is {known.kind.value} in the model's request schema and {feature.kind.value} "
            f"in the new version: convert the column to {known.kind.value}, or give it another name"
        )
    return replace(
        known,
        nullable=known.nullable or feature.nullable,
        personal=known.personal or feature.personal,
        doc=known.doc or feature.doc,
    )


def request_schema(model: str, features: Sequence[Feature]) -> str:
    """The schema of `InferenceRequest` with these features.

    Raises `SignatureError` naming the first feature whose name is not an Avro name.
    """
    return _text(
        "InferenceRequest",
        f"A request to score one entity with model {model}.",
        [
            _field("request_id", "string", "Identity of the request, made by the producer."),
            _field("entity_id", "string", "Entity that is scored; also the message key."),
            _field("event_time", TIMESTAMP, "When it happened, ms since the epoch, UTC."),
            _field(
                "features", _features(model, [_request_field(each) for each in features]), "What the model is given."
            ),
        ],
    )


def prediction_schema(model: str, features: Sequence[Feature]) -> str:
    """The schema of `Prediction`, which echoes these features; every one is nullable there."""
    echoed = [_request_field(replace(feature, nullable=True)) for feature in features]
    return _text(
        "Prediction",
        f"A prediction of model {model} for one request record, with what it was made from.",
        [
            _field("request_id", "string", "Identity of the request."),
            _field("entity_id", "string", "Entity that was scored; also the message key."),
            _field("model", "string", "Model that was asked."),
            _field("version", "string", "Version that answered."),
            _field("arm", "string", "Arm of the rollout that the version was."),
            _field("role", "string", "live or shadow."),
            _field("bucket", "long", "Routing bucket of the entity, 0 to 9,999; -1 where one version serves all."),
            _field("generation", "long", "Generation of the deployment that routed the request."),
            _field(
                "score",
                "double",
                "Probability of the second class (binary) or of the likeliest (multiclass), or value (regression).",
            ),
            _field("label", ["null", "string"], "Predicted class; null for regression.", None),
            _field(
                "probabilities",
                ["null", {"type": "array", "items": "double"}],
                "Probability of each class, in the signature's order; null unless multiclass.",
                None,
            ),
            _field("event_time", TIMESTAMP, "When the request's event happened."),
            _field("requested_at", TIMESTAMP, "When the broker took the request."),
            _field("scored_at", TIMESTAMP, "When the request was scored."),
            _field("source_partition", "long", "Partition of the request record."),
            _field("source_offset", "long", "Offset of the request record."),
            _field("features", _features(model, echoed), "What the prediction was made from."),
        ],
    )


def features_of(request_schema_json: str) -> tuple[Feature, ...]:
    """The features of a request or prediction schema that was generated here."""
    fields = {field["name"]: field for field in json.loads(request_schema_json)["fields"]}
    return tuple(_feature(field) for field in fields["features"]["type"]["fields"])


def _feature(field: dict[str, Any]) -> Feature:
    nullable = isinstance(field["type"], list)
    avro_type = field["type"][1] if nullable else field["type"]
    kind = next(kind for kind in FeatureKind if kind.avro_type == avro_type)
    return Feature(
        name=field["name"],
        kind=kind,
        dtype=_DTYPES[kind],
        nullable=nullable,
        personal=field.get("personal", False),
        doc=field.get("doc", ""),
    )


def _request_field(feature: Feature) -> dict[str, Any]:
    if not AVRO_NAME.fullmatch(feature.name):
        raise SignatureError(
            f"column {feature.name!r} can't be a field of a request: rename it to letters, digits and underscores, "
            f"not starting with a digit (for example {_suggested(feature.name)!r})"
        )
    doc = feature.doc or f"Feature {feature.name}, {feature.kind.value}."
    personal = {"personal": True} if feature.personal else {}
    if feature.nullable:
        return {**_field(feature.name, ["null", feature.kind.avro_type], doc, None), **personal}
    return {**_field(feature.name, feature.kind.avro_type, doc), **personal}


def _suggested(name: str) -> str:
    plain = re.sub(r"[^A-Za-z0-9_]+", "_", name).strip("_") or "feature"
    return f"_{plain}" if plain[0].isdigit() else plain


def _features(model: str, fields: list[dict[str, Any]]) -> dict[str, Any]:
    return {"type": "record", "name": "Features", "doc": f"Features of model {model}.", "fields": fields}


def _field(name: str, avro_type: Any, doc: str, *default: None) -> dict[str, Any]:
    field = {"name": name, "type": avro_type, "doc": doc}
    return {**field, "default": default[0]} if default else field


def _text(name: str, doc: str, fields: list[dict[str, Any]]) -> str:
    record = {"type": "record", "name": name, "namespace": "penstock", "doc": doc, "fields": fields}
    return json.dumps(record, ensure_ascii=False)


def without_logical_types(schema: str) -> str:
    """The schema with times as plain long: the same bytes, read and written as ms since the epoch.

    >>> without_logical_types('{"type": "long", "logicalType": "timestamp-millis"}')
    '"long"'
    """

    def plain(each: Any) -> Any:
        if isinstance(each, list):
            return [plain(inner) for inner in each]
        if not isinstance(each, dict):
            return each
        kept = {key: plain(value) for key, value in each.items() if key != "logicalType"}
        return kept["type"] if len(kept) == 1 and "type" in kept else kept

    return json.dumps(plain(json.loads(schema)), ensure_ascii=False)
