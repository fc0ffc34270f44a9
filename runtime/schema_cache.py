"""Answers of a schema registry that never change, kept in memory and in a directory.

An id is one schema for ever, and a registered schema has one id, so a process that has asked once
can start and work while the registry is away. The registry's word is asked for first all the
same: where it differs from what is kept, the registry was replaced, and nothing may be read by it.
"""

import hashlib
import os
import threading
from pathlib import Path

import structlog

from schemas.errors import SchemaRegistryUnavailableError
from schemas.registry_port import SchemaRegistry
from schemas.schema_text import canonical_form, require_valid

_log = structlog.get_logger("penstock.schema_cache")


class CachedRegistry:
    """A `SchemaRegistry` over another one; `latest`, which may change, is asked for every time."""

    def __init__(self, registry: SchemaRegistry, folder: Path) -> None:
        self._registry = registry
        self._folder = folder
        self._ids: dict[Path, int] = {}
        self._schemas: dict[int, str] = {}

    def register(self, subject: str, schema: str) -> int:
        require_valid(subject, schema)
        canonical = canonical_form(schema)
        path = self._folder / "registered" / hashlib.sha256(f"{subject}\n{canonical}".encode()).hexdigest()
        if path in self._ids:
            return self._ids[path]
        kept = _read(path)
        try:
            schema_id = self._registry.register(subject, schema)
        except SchemaRegistryUnavailableError as error:
            if kept is None:
                raise
            _log.warning("the schema registry is away: a kept id is used", subject=subject, detail=str(error))
            schema_id = int(kept)
        self._require_same(f"{subject} had id {kept}", kept in (None, str(schema_id)))
        self._keep(path, str(schema_id), kept)
        self._ids[path] = schema_id
        return schema_id

    def schema(self, schema_id: int) -> str:
        if schema_id in self._schemas:
            return self._schemas[schema_id]
        path = self._folder / "ids" / str(schema_id)
        kept = _read(path)
        try:
            schema = self._registry.schema(schema_id)
        except SchemaRegistryUnavailableError as error:
            if kept is None:
                raise
            _log.warning("the schema registry is away: a kept schema is used", schema_id=schema_id, detail=str(error))
            schema = kept
        same = kept is None or canonical_form(kept) == canonical_form(schema)
        self._require_same(f"schema {schema_id} was another one", same)
        self._keep(path, schema, kept)
        self._schemas[schema_id] = schema
        return schema

    def latest(self, subject: str) -> tuple[int, str]:
        return self._registry.latest(subject)

    def _require_same(self, what: str, same: bool) -> None:  # noqa: FBT001  the finding beside its words
        if not same:
            raise SchemaRegistryUnavailableError(
                f"the schema registry was replaced ({what}): restore the one that the topics were written with, or, "
                f"where nothing on them is needed any more, remove {self._folder}"
            )

    def _keep(self, path: Path, text: str, kept: str | None) -> None:
        """Write whole or not at all; what can't be kept is asked for again."""
        if kept is not None:
            return
        temporary = path.with_name(f"{path.name}.{os.getpid()}-{threading.get_ident()}")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            temporary.write_text(text, encoding="utf-8")
            temporary.replace(path)
        except OSError as error:
            _log.warning("an answer of the schema registry could not be kept", path=str(path), detail=error.strerror)


def _read(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8") or None
    except (OSError, UnicodeDecodeError):
        return None
