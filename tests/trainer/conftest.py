"""A shelf with a version that can be refitted, and all parts of the trainer's work around it."""

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from consumers.trainer.window import OutcomeRow
from registry.catalogue import VersionRecord
from registry.loaded import Estimator
from registry.shelf import Shelf
from runtime.settings import RegistrySettings
from schemas.directory_registry import DirectoryRegistry
from tests.registry.samples import flights, late_model
from tests.trainer.outcomes import outcomes_of
from tests.trainer.troubled import TRUSTED

MODEL, TARGET = "late", "late"


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    schemas = DirectoryRegistry(tmp_path / "schemas.sqlite")
    return Shelf(tmp_path / "registry", schemas=schemas, settings=RegistrySettings(trusted_types=TRUSTED))


@pytest.fixture
def served(shelf: Shelf) -> VersionRecord:
    """Version 1, which was fitted on delays in minutes."""
    return shelf.add(MODEL, late_model(), flights(), target=TARGET)


@pytest.fixture
def hours(shelf: Shelf, served: VersionRecord) -> list[OutcomeRow]:
    """Outcomes from when delays came in hours: version 1 takes every flight for punctual."""
    sample = flights(2_000, seed=11)
    sample["delay"] /= 60
    return outcomes_of(sample, shelf.manifest(MODEL, served.version).signature, target=TARGET)


@pytest.fixture
def add_numbers(shelf: Shelf) -> Callable[[Estimator, pd.DataFrame], VersionRecord]:
    """Add an estimator that was fitted on columns of numbers, with its sample and the target `late`."""

    def add(estimator: Estimator, sample: pd.DataFrame) -> VersionRecord:
        return shelf.add(MODEL, estimator, sample, target=TARGET)

    return add
