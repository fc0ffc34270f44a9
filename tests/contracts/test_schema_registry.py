"""What every schema registry does, whichever it is; a new one joins by adding its probe."""

import json
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import pytest

from schemas.codec import event_schema
from schemas.confluent_registry import ConfluentRegistry
from schemas.directory_registry import DirectoryRegistry
from schemas.errors import SchemaIncompatibleError, SchemaNotFoundError, SchemaRegistryUnavailableError
from schemas.events import EVENT_TYPES
from schemas.registry_api import RegistryApi
from schemas.registry_port import SchemaRegistry
from tests.services.gate import Gate
from tests.services.prerequisites import REGISTRY
from tests.services.registry_server import RegistryServer


class RegistryProbe(Protocol):
    """A registry under test, another client of the same, and how to make it unreachable.

    A test's subjects go through `subject`, since a server may be shared by all tests.
    """

    def subject(self, name: str) -> str: ...

    def connect(self) -> SchemaRegistry: ...

    def break_down(self) -> None: ...

    def mend(self) -> None: ...


class DirectoryProbe:
    """The registry of a directory."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "registry" / "schemas.sqlite"
        self._aside = folder / "aside"

    def subject(self, name: str) -> str:
        return name

    def connect(self) -> SchemaRegistry:
        return DirectoryRegistry(self._path, timeout_s=20)

    def break_down(self) -> None:
        """Put a file where the directory was."""
        self._path.parent.rename(self._aside)
        self._path.parent.write_text("in the way")

    def mend(self) -> None:
        self._path.parent.unlink()
        self._aside.rename(self._path.parent)


class ConfluentProbe:
    """A server that speaks the Confluent API, behind a gate."""

    def __init__(self, gate: Gate, path: str) -> None:
        self._gate = gate
        self._url = f"http://127.0.0.1:{gate.port}{path}"
        self._prefix = uuid.uuid4().hex[:8]

    def subject(self, name: str) -> str:
        return f"{self._prefix}.{name}"

    def connect(self) -> SchemaRegistry:
        return ConfluentRegistry(RegistryApi(self._url, timeout_s=20))

    def break_down(self) -> None:
        self._gate.shut()

    def mend(self) -> None:
        self._gate.open()


@contextmanager
def directory(_request: pytest.FixtureRequest, folder: Path) -> Iterator[RegistryProbe]:
    yield DirectoryProbe(folder)


@contextmanager
def confluent(request: pytest.FixtureRequest, _folder: Path) -> Iterator[RegistryProbe]:
    server: RegistryServer = request.getfixturevalue("registry_server")
    with Gate(server.port) as gate:
        yield ConfluentProbe(gate, server.path)


@pytest.fixture(params=[directory, pytest.param(confluent, marks=pytest.mark.services(REGISTRY))])
def probe(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[RegistryProbe]:
    """Each implementation in turn."""
    with request.param(request, tmp_path) as made:
        yield made


def record(*fields: dict[str, Any], name: str = "Thing") -> str:
    """A record schema with these fields."""
    return json.dumps({"type": "record", "name": name, "namespace": "test", "fields": list(fields)})


ID = {"name": "id", "type": "string"}
SIZE = {"name": "size", "type": "long"}
SIZE_OR_NULL = {"name": "size", "type": ["null", "long"], "default": None}


def test_schema_is_found_by_its_id(probe: RegistryProbe) -> None:
    """What was registered comes back under the id that it was given, for every other client too."""
    schema_id = probe.connect().register(probe.subject("things"), record(ID))

    assert json.loads(probe.connect().schema(schema_id)) == json.loads(record(ID))


def test_same_schema_has_the_same_id(probe: RegistryProbe) -> None:
    """A schema that differs by blanks and the order of keys alone is the same one, under any subject."""
    registry = probe.connect()
    schema = record(ID)
    again = json.dumps(json.loads(schema), indent=4, sort_keys=True)

    things, more = probe.subject("things"), probe.subject("more")
    ids = {registry.register(things, schema), registry.register(things, again), registry.register(more, schema)}

    assert len(ids) == 1


def test_different_schemas_have_different_ids(probe: RegistryProbe) -> None:
    """Another default is another schema, though it is written in the same bytes."""
    registry = probe.connect()
    other = {**SIZE_OR_NULL, "type": ["long", "null"], "default": 7}

    assert registry.register(probe.subject("one"), record(ID, SIZE_OR_NULL)) != registry.register(
        probe.subject("two"), record(ID, other)
    )


def test_latest_is_the_newest_version(probe: RegistryProbe) -> None:
    """A subject's newest version is the last one that was new to it, not the last one registered."""
    registry = probe.connect()
    first = registry.register(probe.subject("things"), record(ID))
    second = registry.register(probe.subject("things"), record(ID, SIZE_OR_NULL))
    assert registry.register(probe.subject("things"), record(ID)) == first

    latest_id, latest = probe.connect().latest(probe.subject("things"))

    assert latest_id == second
    assert json.loads(latest) == json.loads(record(ID, SIZE_OR_NULL))


@pytest.mark.parametrize("schema_id", [0, 100_000, 2**31 - 1, 2**31, 2**32 - 1])
def test_unknown_id_is_definite(probe: RegistryProbe, schema_id: int) -> None:
    """An id that was never given is not found, which is an answer and no failure: all that a frame has room for."""
    with pytest.raises(SchemaNotFoundError):
        probe.connect().schema(schema_id)


def test_unknown_subject_is_definite(probe: RegistryProbe) -> None:
    """A subject under which nothing was registered is not found, which is an answer and no failure."""
    with pytest.raises(SchemaNotFoundError):
        probe.connect().latest(probe.subject("nothing"))


def test_refusal_names_field_and_reason(probe: RegistryProbe) -> None:
    """Whoever is refused learns what readers could not live with, and where it is."""
    registry, subject = probe.connect(), probe.subject("things")
    registry.register(subject, record(ID, SIZE_OR_NULL))

    with pytest.raises(SchemaIncompatibleError) as caught:
        registry.register(subject, record(ID, SIZE))

    assert (caught.value.subject, caught.value.field) == (subject, "size")
    assert caught.value.reason == "was nullable and is not any more"


@pytest.mark.parametrize("name", ["flights.requests-value", "with/slash", "with blank", "100%", "\u00e9"])
def test_any_subject_goes(probe: RegistryProbe, name: str) -> None:
    """A subject is a name and never a part of an address."""
    registry, subject = probe.connect(), probe.subject(name)
    schema_id = registry.register(subject, record(ID))

    assert registry.latest(subject)[0] == schema_id


@pytest.mark.parametrize(
    "refused",
    [record(ID, SIZE), record({"name": "id", "type": "long"}), '{"type": "record"}', "no schema"],
    ids=["new field without default", "another type", "no Avro", "no JSON"],
)
def test_incompatible_schema_is_refused(probe: RegistryProbe, refused: str) -> None:
    """A version that could not read what was written before is refused, and the subject stays as it was."""
    registry = probe.connect()
    first = registry.register(probe.subject("things"), record(ID))

    with pytest.raises(SchemaIncompatibleError):
        registry.register(probe.subject("things"), refused)

    assert registry.latest(probe.subject("things"))[0] == first


def test_each_new_version_reads_the_one_before(probe: RegistryProbe) -> None:
    """A nullable field may be added and taken away again."""
    registry = probe.connect()

    versions = (record(ID), record(ID, SIZE_OR_NULL), record(ID, {**SIZE_OR_NULL, "name": "width"}))
    ids = [registry.register(probe.subject("things"), schema) for schema in versions]

    assert len(set(ids)) == 3


def test_registrations_at_once_agree(probe: RegistryProbe) -> None:
    """Many clients that register the same schemas at the same time, into nothing, get the same ids."""

    def register_all(_client: int) -> list[int]:
        registry = probe.connect()
        return [registry.register(probe.subject(each.avro_name), event_schema(each)) for each in EVENT_TYPES]

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(register_all, range(8)))

    assert answers == [answers[0]] * 8
    assert len(set(answers[0])) == len(EVENT_TYPES)


def test_registry_that_is_away_gives_no_answer(probe: RegistryProbe) -> None:
    """A registry that can't be reached says neither yes nor no, and is asked again with success."""
    schema_id = probe.connect().register(probe.subject("things"), record(ID))
    registry = probe.connect()

    probe.break_down()
    with pytest.raises(SchemaRegistryUnavailableError):
        registry.schema(schema_id)
    with pytest.raises(SchemaRegistryUnavailableError):
        registry.latest(probe.subject("things"))
    with pytest.raises(SchemaRegistryUnavailableError):
        registry.register(probe.subject("things"), record(ID))
    probe.mend()

    assert registry.latest(probe.subject("things"))[0] == schema_id
