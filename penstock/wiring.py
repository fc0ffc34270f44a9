"""Shared parts, built from settings in one place, so that every process and command has the same.

Settings come in, ready objects go out. Nothing here opens a connection to Kafka.
"""

from typing import TYPE_CHECKING

from consumers.ledger_reading import LedgerReader
from consumers.queries import SqliteStore
from consumers.questions import Store
from consumers.sinks.base import Sink
from consumers.sinks.sqlite import SqliteSink
from consumers.sinks.sqlite_upkeep import SqliteUpkeep
from consumers.upkeep import Upkeep
from penstock.model_features import ModelFeatures
from registry.catalogue import Catalogue
from registry.vouching import Voucher
from runtime.errors import StackNotRunningError
from runtime.schema_registry import build_schema_registry
from runtime.settings import Settings
from runtime.stack import attach
from schemas.codec import EventCodec
from schemas.prediction_reader import PredictionReader
from schemas.registry_port import SchemaRegistry
from schemas.topics import Topics

if TYPE_CHECKING:
    from registry.shelf import Shelf


def schema_registry(settings: Settings) -> SchemaRegistry:
    """Where schema ids are made and resolved."""
    return build_schema_registry(settings)


def catalogue(settings: Settings) -> Catalogue:
    """What is known of each version, without the means to load one."""
    return Catalogue(settings.registry_dir / "catalogue.sqlite")


def voucher(settings: Settings) -> Voucher:
    """What the shelf says of each version to whoever decides about it."""
    return Voucher(
        catalogue(settings),
        settings.registry_dir / "bundles",
        policy=settings.policy,
        bytes_max=settings.registry.bundle_bytes_max,
    )


def shelf(settings: Settings) -> "Shelf":
    """The model versions of this registry, to add and to open."""
    # scikit-learn and skops take seconds to import, and most commands never need them.
    from registry.shelf import Shelf  # noqa: PLC0415

    return Shelf(
        settings.registry_dir,
        schemas=schema_registry(settings),
        topics=topics(settings),
        settings=settings.registry,
        policy=settings.policy,
        cache=settings.data_dir / "cache",
    )


def codec(settings: Settings) -> EventCodec:
    """Events to bytes and back, with the schemas of this registry."""
    return EventCodec(schema_registry(settings))


def store(settings: Settings) -> Store:
    """The query side of the analysts' store."""
    if settings.store.embedded:
        return SqliteStore(settings.store_path)
    # The client takes a moment to import, and the embedded stack does without.
    from consumers.searches import ElasticsearchStore  # noqa: PLC0415

    return ElasticsearchStore(settings.store)


def sink(settings: Settings) -> Sink:
    """The side of the analysts' store that is written to."""
    if settings.store.embedded:
        return SqliteSink(settings.store_path)
    from consumers.sinks.elasticsearch import ElasticsearchSink  # noqa: PLC0415  as above

    return ElasticsearchSink(settings.store, features_of=model_features(settings).of)


def upkeep(settings: Settings) -> Upkeep:
    """The analysts' store as a whole: to make, to compare, to prune."""
    if settings.store.embedded:
        return SqliteUpkeep(settings.store_path)
    from consumers.sinks.elasticsearch_upkeep import ElasticsearchUpkeep  # noqa: PLC0415  as above

    models = sorted({record.name for record in catalogue(settings).records()})
    return ElasticsearchUpkeep(settings.store, models=models, features_of=model_features(settings).of)


def model_features(settings: Settings) -> ModelFeatures:
    """What features each model has."""
    return ModelFeatures(schema_registry(settings), topics(settings))


def ledger_reader(settings: Settings) -> LedgerReader:
    """The ledger, from the store and from the broker, if one runs."""
    try:
        kafka = attach(settings).kafka
    except StackNotRunningError:
        kafka = None
    return LedgerReader(store(settings), topics=topics(settings), codec=codec(settings), kafka=kafka)


def prediction_reader(settings: Settings) -> PredictionReader:
    """Predictions from bytes, by the schemas of this registry."""
    return PredictionReader(schema_registry(settings))


def topics(settings: Settings) -> Topics:
    """The names of all topics under this deployment's prefix."""
    return Topics(settings.topics.prefix)
