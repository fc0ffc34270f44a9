"""The schema registry that the settings name: a server, or a file in the registry directory.

Ids of one mean nothing in the other, so a data directory that knows the other one is refused.
"""

import hashlib

from runtime.http_access import authorization, server_tls
from runtime.schema_cache import CachedRegistry
from runtime.settings import Settings, SettingsError
from schemas.confluent_registry import ConfluentRegistry
from schemas.directory_registry import DirectoryRegistry
from schemas.registry_api import RegistryApi
from schemas.registry_port import SchemaRegistry


def build_schema_registry(settings: Settings) -> SchemaRegistry:
    """The registry of this deployment; nothing is asked yet.

    Raises `SettingsError` for a data directory whose ids are those of another registry.
    """
    section = settings.schema_registry
    file, answers = settings.registry_dir / "schemas.sqlite", settings.data_dir / "cache" / "schemas"
    if not section.url:
        if answers.exists() and not file.exists():
            raise _other_registry(f"schema_registry.url is empty, and {answers} holds answers of a server")
        kept = settings.data_dir / "cache" / "directory-schemas"
        return CachedRegistry(DirectoryRegistry(file, may_be_made=lambda: not kept.exists()), kept)
    if file.exists():
        raise _other_registry(f"schema_registry.url names a server, and {file} holds the ids of before")
    api = RegistryApi(
        section.url,
        timeout_s=section.timeout_s,
        headers=authorization(section, token=section.token, scheme="Bearer"),
        tls=server_tls("schema_registry", section),
    )
    return CachedRegistry(ConfluentRegistry(api), answers / hashlib.sha256(section.url.encode()).hexdigest()[:16])


def schema_registry_place(settings: Settings) -> str:
    """Where the schemas are, in words that hold no secret."""
    return settings.schema_registry.url or str((settings.registry_dir / "schemas.sqlite").absolute())


def _other_registry(found: str) -> SettingsError:
    return SettingsError(
        f"{found}: schema ids of one registry mean nothing in another, so give another --data-dir, or set "
        "schema_registry.url as it was"
    )
