"""What is the directory's own: its file, its locks and other processes."""

import json
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from schemas.codec import event_schema
from schemas.directory_registry import DirectoryRegistry
from schemas.errors import SchemaIncompatibleError, SchemaRegistryUnavailableError
from schemas.events import EVENT_TYPES, Label

REGISTERS_ALL = """
import sys
from pathlib import Path
from schemas.codec import event_schema
from schemas.directory_registry import DirectoryRegistry
from schemas.events import EVENT_TYPES
registry = DirectoryRegistry(Path(sys.argv[1]), timeout_s=60)
print([registry.register(each.avro_name, event_schema(each)) for each in EVENT_TYPES])
"""


def test_processes_that_start_at_once_agree(tmp_path: Path) -> None:
    """Four processes that make the file at the same moment end with the same ids."""
    command = [sys.executable, "-c", REGISTERS_ALL, str(tmp_path / "new" / "schemas.sqlite")]
    started = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    answers = [json.loads(process.communicate(timeout=120)[0]) for process in started]

    assert answers == [answers[0]] * 4
    assert len(set(answers[0])) == len(EVENT_TYPES)


def test_locked_file_is_unavailable(tmp_path: Path) -> None:
    """While another writer holds the file, registering gives no answer, and reading goes on."""
    path = tmp_path / "schemas.sqlite"
    registry = DirectoryRegistry(path, timeout_s=0.1)
    schema_id = registry.register("label", event_schema(Label))

    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(SchemaRegistryUnavailableError, match="locked"):
            registry.register("other", '"string"')
        latest = registry.latest("label")

    assert latest == (schema_id, event_schema(Label))
    assert registry.register("other", '"string"') != schema_id


def test_file_that_is_no_database_is_unavailable(tmp_path: Path) -> None:
    """A file of something else is named, and left as it is."""
    path = tmp_path / "schemas.sqlite"
    path.write_bytes(b"something else entirely, and long enough to be read as a header" * 20)

    with pytest.raises(SchemaRegistryUnavailableError, match=r"schemas\.sqlite"):
        DirectoryRegistry(path).register("label", event_schema(Label))

    assert path.read_bytes().startswith(b"something else")


def test_refusal_names_subject_field_and_reason(tmp_path: Path) -> None:
    """A refused version says which field of which subject is in the way, and why."""
    registry = DirectoryRegistry(tmp_path / "schemas.sqlite")
    registry.register("s", '{"type": "record", "name": "R", "fields": [{"name": "a", "type": ["null", "long"]}]}')

    with pytest.raises(SchemaIncompatibleError) as caught:
        registry.register("s", '{"type": "record", "name": "R", "fields": [{"name": "a", "type": "long"}]}')

    assert (caught.value.subject, caught.value.field) == ("s", "a")
    assert caught.value.reason == "was nullable and is not any more"
