"""A shelf of its own for each test."""

from pathlib import Path

import pytest

from registry.shelf import Shelf
from schemas.directory_registry import DirectoryRegistry


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    schemas = DirectoryRegistry(tmp_path / "schemas.sqlite")
    return Shelf(tmp_path / "registry", schemas=schemas, cache=tmp_path / "cache")
