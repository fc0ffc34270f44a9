"""Shared parts, built from settings in one place, so that every process and command has the same.

Settings come in, ready objects go out. Nothing here opens a connection to Kafka.
"""

from registry.shelf import Shelf
from runtime.settings import Settings
from schemas.codec import EventCodec
from schemas.directory_registry import DirectoryRegistry
from schemas.registry_port import SchemaRegistry
from schemas.topics import Topics


def schema_registry(settings: Settings) -> SchemaRegistry:
    """Where schema ids are made and resolved."""
    return DirectoryRegistry(settings.registry_dir / "schemas.sqlite")


def shelf(settings: Settings) -> Shelf:
    """The model versions of this registry."""
    return Shelf(
        settings.registry_dir,
        schemas=schema_registry(settings),
        topics=topics(settings),
        settings=settings.registry,
        cache=settings.data_dir / "cache",
    )


def codec(settings: Settings) -> EventCodec:
    """Events to bytes and back, with the schemas of this registry."""
    return EventCodec(schema_registry(settings))


def topics(settings: Settings) -> Topics:
    """The names of all topics under this deployment's prefix."""
    return Topics(settings.topics.prefix)
