"""What outlives an upgrade says its layout, and a newer one is refused in words, not misread."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import orjson
import pytest

from consumers.sinks.sqlite import SqliteSink
from registry.catalogue import Catalogue
from registry.errors import BundleRefusedError
from registry.manifest import FORMAT, Manifest
from runtime.embedded import SavedRecords
from schemas.directory_registry import DirectoryRegistry
from schemas.errors import StateTooNewError

SCHEMA = '{"type": "record", "name": "R", "fields": [{"name": "a", "type": "long"}]}'


def use_registry(path: Path) -> None:
    DirectoryRegistry(path).register("s", SCHEMA)


def use_catalogue(path: Path) -> None:
    with Catalogue(path).adding():
        """What is added is not the question."""


def read_catalogue(path: Path) -> None:
    Catalogue(path).records()


def use_store(path: Path) -> None:
    sink = SqliteSink(path)
    try:
        sink.setup()
    finally:
        sink.close()


def use_saved(path: Path) -> None:
    with SavedRecords(path, "deployments"):
        """It was opened."""


WRITERS: list[Callable[[Path], None]] = [use_registry, use_catalogue, use_store, use_saved]


@pytest.mark.parametrize("use", WRITERS)
def test_a_file_says_its_layout_and_is_used_again(tmp_path: Path, use: Callable[[Path], None]) -> None:
    """Written by this penstock, read by this penstock."""
    path = tmp_path / "state.sqlite"
    use(path)
    use(path)

    assert layout(path) == 1


@pytest.mark.parametrize("use", [*WRITERS, read_catalogue])
def test_a_file_of_a_newer_penstock_is_refused_and_left_alone(tmp_path: Path, use: Callable[[Path], None]) -> None:
    """The sentence names the file, both layouts and the remedy."""
    path = tmp_path / "state.sqlite"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA user_version = 7")
    with pytest.raises(StateTooNewError, match=r"state\.sqlite has layout 7, .* up to 1: run the newer penstock"):
        use(path)

    assert layout(path) == 7


def test_a_manifest_of_a_newer_penstock_is_refused() -> None:
    """Whatever else it holds that is not known here."""
    content = orjson.dumps({"format": FORMAT + 1, "something": "new"})

    with pytest.raises(
        BundleRefusedError, match=rf"format {FORMAT + 1}, and this penstock knows formats up to {FORMAT}"
    ):
        Manifest.decode(content)


def layout(path: Path) -> int:
    with closing(sqlite3.connect(path)) as connection:
        return int(connection.execute("PRAGMA user_version").fetchone()[0])
