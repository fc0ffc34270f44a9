"""A process that has asked the schema registry once can do without it, and notices when it is another one."""

from pathlib import Path

import pytest

from runtime.schema_cache import CachedRegistry
from schemas.errors import SchemaNotFoundError, SchemaRegistryUnavailableError
from tests.contracts.schemas_in_memory import SchemasInMemory

TEXT, NUMBER = '"string"', '"long"'


def away(registry: SchemasInMemory) -> SchemasInMemory:
    registry.away = True
    return registry


def test_a_restart_needs_no_registry(tmp_path: Path) -> None:
    """A new process on the same folder knows ids and schemas of before while the registry is away."""
    registry = SchemasInMemory()
    before = CachedRegistry(registry, tmp_path)
    registered = before.register("texts", TEXT)
    assert before.schema(registered) == TEXT

    after = CachedRegistry(away(registry), tmp_path)

    assert after.register("texts", ' {"type": "string"} ') == registered
    assert after.schema(registered) == TEXT


def test_a_cold_cache_waits_for_the_registry(tmp_path: Path) -> None:
    """What was never asked for has no answer while the registry is away, and has one afterwards."""
    registry = SchemasInMemory()
    schema_id = registry.register("texts", TEXT)
    cold = CachedRegistry(away(registry), tmp_path)

    with pytest.raises(SchemaRegistryUnavailableError):
        cold.schema(schema_id)
    with pytest.raises(SchemaRegistryUnavailableError):
        cold.register("numbers", NUMBER)
    registry.away = False

    assert cold.schema(schema_id) == TEXT


def test_a_process_asks_once(tmp_path: Path) -> None:
    """What can't change is not asked for again: the registry may go away in between."""
    registry = SchemasInMemory()
    cached = CachedRegistry(registry, tmp_path)
    schema_id = cached.register("texts", TEXT)
    cached.schema(schema_id)
    registry.away = True

    assert cached.register("texts", TEXT) == schema_id
    assert cached.schema(schema_id) == TEXT


def test_the_latest_version_is_never_kept(tmp_path: Path) -> None:
    """What may change is asked for every time."""
    registry = SchemasInMemory()
    cached = CachedRegistry(registry, tmp_path)
    cached.register("things", TEXT)
    registry.register("things", NUMBER)

    assert cached.latest("things")[1] == NUMBER


def test_no_such_schema_is_not_kept(tmp_path: Path) -> None:
    """An id that is not there yet may be there soon."""
    registry = SchemasInMemory()
    cached = CachedRegistry(registry, tmp_path)
    with pytest.raises(SchemaNotFoundError):
        cached.schema(1)

    assert registry.register("texts", TEXT) == 1
    assert cached.schema(1) == TEXT


def test_another_registry_at_the_same_address_is_noticed(tmp_path: Path) -> None:
    """Ids that mean something else now stop everything, and the message says what to do."""
    first = SchemasInMemory()
    before = CachedRegistry(first, tmp_path)
    before.schema(before.register("texts", TEXT))
    second = SchemasInMemory()
    second.register("numbers", NUMBER)
    after = CachedRegistry(second, tmp_path)

    with pytest.raises(SchemaRegistryUnavailableError, match=r"was replaced.*restore the one"):
        after.schema(1)
    with pytest.raises(SchemaRegistryUnavailableError, match=r"was replaced.*texts had id 1"):
        after.register("texts", TEXT)


def test_a_folder_that_can_not_be_written_costs_the_cache_alone(tmp_path: Path) -> None:
    """A file in the way, a full disk: answers are still given, and asked for again after a restart."""
    in_the_way = tmp_path / "file"
    in_the_way.write_text("")
    registry = SchemasInMemory()
    cached = CachedRegistry(registry, in_the_way / "folder")
    schema_id = cached.register("texts", TEXT)

    assert cached.schema(schema_id) == TEXT
