"""What every schema registry does, whichever it is; a new one joins by adding its probe."""

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Protocol

import pytest

from schemas.codec import event_schema
from schemas.directory_registry import DirectoryRegistry
from schemas.errors import SchemaIncompatibleError, SchemaNotFoundError, SchemaRegistryUnavailableError
from schemas.events import EVENT_TYPES
from schemas.registry_port import SchemaRegistry


class RegistryProbe(Protocol):
    """A registry under test, another client of the same, and how to make it unreachable."""

    def connect(self) -> SchemaRegistry: ...

    def break_down(self) -> None: ...

    def mend(self) -> None: ...


class DirectoryProbe:
    """The registry of a directory."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "registry" / "schemas.sqlite"
        self._aside = folder / "aside"

    def connect(self) -> SchemaRegistry:
        return DirectoryRegistry(self._path, timeout_s=20)

    def break_down(self) -> None:
        """Put a file where the directory was."""
        self._path.parent.rename(self._aside)
        self._path.parent.write_text("in the way")

    def mend(self) -> None:
        self._path.parent.unlink()
        self._aside.rename(self._path.parent)


@pytest.fixture(params=[DirectoryProbe], ids=["directory"])
def probe(request: pytest.FixtureRequest, tmp_path: Path) -> RegistryProbe:
    """Each implementation in turn."""
    made: RegistryProbe = request.param(tmp_path)
    return made


def record(*fields: dict[str, Any], name: str = "Thing") -> str:
    """A record schema with these fields."""
    return json.dumps({"type": "record", "name": name, "namespace": "test", "fields": list(fields)})


ID = {"name": "id", "type": "string"}
SIZE = {"name": "size", "type": "long"}
SIZE_OR_NULL = {"name": "size", "type": ["null", "long"], "default": None}


def test_schema_is_found_by_its_id(probe: RegistryProbe) -> None:
    """What was registered comes back under the id that it was given, for every other client too."""
    schema_id = probe.connect().register("things", record(ID))

    assert json.loads(probe.connect().schema(schema_id)) == json.loads(record(ID))


def test_same_schema_has_the_same_id(probe: RegistryProbe) -> None:
    """A schema that differs by blanks and the order of keys alone is the same one, under any subject."""
    registry = probe.connect()
    schema = record(ID)
    again = json.dumps(json.loads(schema), indent=4, sort_keys=True)

    ids = {registry.register("things", schema), registry.register("things", again), registry.register("more", schema)}

    assert len(ids) == 1


def test_different_schemas_have_different_ids(probe: RegistryProbe) -> None:
    """Another default is another schema, though it is written in the same bytes."""
    registry = probe.connect()
    other = {**SIZE_OR_NULL, "type": ["long", "null"], "default": 7}

    assert registry.register("one", record(ID, SIZE_OR_NULL)) != registry.register("two", record(ID, other))


def test_latest_is_the_newest_version(probe: RegistryProbe) -> None:
    """A subject's newest version is the last one that was new to it, not the last one registered."""
    registry = probe.connect()
    first = registry.register("things", record(ID))
    second = registry.register("things", record(ID, SIZE_OR_NULL))
    assert registry.register("things", record(ID)) == first

    latest_id, latest = probe.connect().latest("things")

    assert latest_id == second
    assert json.loads(latest) == json.loads(record(ID, SIZE_OR_NULL))


def test_unknown_id_and_subject_are_definite(probe: RegistryProbe) -> None:
    """What was never registered is not found, which is an answer and no failure."""
    registry = probe.connect()

    with pytest.raises(SchemaNotFoundError):
        registry.schema(4_711)
    with pytest.raises(SchemaNotFoundError):
        registry.latest("nothing")


@pytest.mark.parametrize(
    "refused",
    [record(ID, SIZE), record({"name": "id", "type": "long"}), '{"type": "record"}', "no schema"],
    ids=["new field without default", "another type", "no Avro", "no JSON"],
)
def test_incompatible_schema_is_refused(probe: RegistryProbe, refused: str) -> None:
    """A version that could not read what was written before is refused, and the subject stays as it was."""
    registry = probe.connect()
    first = registry.register("things", record(ID))

    with pytest.raises(SchemaIncompatibleError):
        registry.register("things", refused)

    assert registry.latest("things")[0] == first


def test_each_new_version_reads_the_one_before(probe: RegistryProbe) -> None:
    """A nullable field may be added and taken away again."""
    registry = probe.connect()

    versions = (record(ID), record(ID, SIZE_OR_NULL), record(ID, {**SIZE_OR_NULL, "name": "width"}))
    ids = [registry.register("things", schema) for schema in versions]

    assert len(set(ids)) == 3


def test_registrations_at_once_agree(probe: RegistryProbe) -> None:
    """Many clients that register the same schemas at the same time, into nothing, get the same ids."""

    def register_all(_client: int) -> list[int]:
        registry = probe.connect()
        return [registry.register(each.avro_name, event_schema(each)) for each in EVENT_TYPES]

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(register_all, range(8)))

    assert answers == [answers[0]] * 8
    assert len(set(answers[0])) == len(EVENT_TYPES)


def test_registry_that_is_away_gives_no_answer(probe: RegistryProbe) -> None:
    """A registry that can't be reached says neither yes nor no, and is asked again with success."""
    schema_id = probe.connect().register("things", record(ID))
    registry = probe.connect()

    probe.break_down()
    with pytest.raises(SchemaRegistryUnavailableError):
        registry.schema(schema_id)
    with pytest.raises(SchemaRegistryUnavailableError):
        registry.latest("things")
    with pytest.raises(SchemaRegistryUnavailableError):
        registry.register("things", record(ID))
    probe.mend()

    assert registry.latest("things")[0] == schema_id
