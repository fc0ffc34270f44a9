"""What Elasticsearch is told of each family of indices, generated from the declared collections. Pure.

Mappings are strict: a field that nobody declared is refused, never guessed at. Features have the
types of their model's signature, so that they can be added up, sorted and drawn.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from consumers.sinks.elasticsearch_names import IndexNames
from consumers.stored_collections import Collection, FieldKind, JsonShape, StoredField
from runtime.settings import StoreSettings
from schemas.reasons import Reason
from schemas.signature import Feature, FeatureKind

TEXT_CHARACTERS_MAX = 8_191
"""Lucene takes terms of 32,766 bytes; longer texts are stored, but can't be searched for."""
LEAF_CHARACTERS_MAX = 1_024
FIELDS_SPARE = 1_000
TEMPLATE_PRIORITY = 500
MODEL_TEMPLATE_PRIORITY = 501

Mapped = Mapping[str, Any]

_KEYWORD: Mapped = {"type": "keyword", "ignore_above": TEXT_CHARACTERS_MAX}
_KINDS: Mapping[FieldKind, Mapped] = {
    FieldKind.TEXT: _KEYWORD,
    FieldKind.INTEGER: {"type": "long"},
    FieldKind.NUMBER: {"type": "double"},
    FieldKind.BOOLEAN: {"type": "boolean"},
    FieldKind.TIME: {"type": "date", "format": "strict_date_optional_time"},
    FieldKind.BYTES: {"type": "binary"},
}
_SHAPES: Mapping[JsonShape, Mapped] = {
    JsonShape.FREE: {"type": "flattened", "ignore_above": LEAF_CHARACTERS_MAX},
    JsonShape.NUMBERS: {"type": "double"},
    JsonShape.WORDS: _KEYWORD,
    JsonShape.COUNTS: {
        "type": "object",
        "dynamic": "strict",
        "properties": {reason.value: {"type": "long"} for reason in Reason},
    },
}
_FEATURES: Mapping[FeatureKind, Mapped] = {
    FeatureKind.NUMBER: {"type": "double"},
    FeatureKind.INTEGER: {"type": "long"},
    FeatureKind.BOOLEAN: {"type": "boolean"},
    FeatureKind.STRING: _KEYWORD,
}


def properties_of(collection: Collection, features: Sequence[Feature] = ()) -> dict[str, Mapped]:
    """The types of a collection's fields; personal features have none, so that they would be refused."""
    return {field.name: _mapped(field, features) for field in collection.fields}


def template_of(
    collection: Collection, names: IndexNames, settings: StoreSettings, *, features: Sequence[Feature] = ()
) -> dict[str, Any]:
    """The index template of a collection, without features: strict for models that are not known yet."""
    return _template(collection, [names.pattern(collection)], settings, features=features, priority=TEMPLATE_PRIORITY)


def model_template_of(
    collection: Collection, model: str, names: IndexNames, settings: StoreSettings, *, features: Sequence[Feature]
) -> dict[str, Any]:
    """The index template of one model's family, with its features."""
    pattern = names.pattern(collection, model)
    return _template(collection, [pattern], settings, features=features, priority=MODEL_TEMPLATE_PRIORITY)


def live_settings_of(settings: StoreSettings) -> dict[str, Any]:
    """The index settings that may change while an index is in use."""
    refresh = {"refresh_interval": f"{settings.refresh_interval_ms}ms"}
    if settings.replicas is None:
        return {**refresh, "auto_expand_replicas": "0-1"}
    return {**refresh, "auto_expand_replicas": "false", "number_of_replicas": str(settings.replicas)}


def _template(
    collection: Collection,
    patterns: list[str],
    settings: StoreSettings,
    *,
    features: Sequence[Feature],
    priority: int,
) -> dict[str, Any]:
    shards = settings.shards if collection.large else 1
    index_settings = {
        **live_settings_of(settings),
        "number_of_shards": str(shards),
        "mapping": {"total_fields": {"limit": str(len(features) + FIELDS_SPARE)}},
    }
    return {
        "index_patterns": patterns,
        "priority": priority,
        "template": {
            "settings": {"index": index_settings},
            "mappings": {"dynamic": "strict", "properties": properties_of(collection, features)},
        },
        "_meta": {"made_by": "penstock", "collection": collection.name},
    }


def _mapped(field: StoredField, features: Sequence[Feature]) -> Mapped:
    if field.kind is not FieldKind.JSON:
        return _KINDS[field.kind]
    if field.shape is JsonShape.FEATURES:
        types = {feature.name: _FEATURES[feature.kind] for feature in features if not feature.personal}
        return {"type": "object", "dynamic": "strict", "properties": types}
    return _SHAPES[field.shape]
