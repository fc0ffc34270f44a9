"""Several processes add at once."""

import multiprocessing
from pathlib import Path

import pytest
from sklearn.linear_model import LogisticRegression

from registry.catalogue import Catalogue, VersionState
from registry.errors import VersionNotFoundError
from registry.shelf import Shelf
from schemas.directory_registry import DirectoryRegistry
from schemas.request_schema import features_of
from tests.registry.samples import doubles, halves

PROCESSES, ADDITIONS = 4, 3


def _shelf(directory: Path) -> Shelf:
    return Shelf(directory / "registry", schemas=DirectoryRegistry(directory / "schemas.sqlite"))


def _add(directory: Path, worker: int) -> None:
    sample = doubles(60, 2).rename(columns={"f1": f"only{worker}"})
    model = LogisticRegression().fit(sample, halves(sample))
    for _ in range(ADDITIONS):
        _shelf(directory).add("model", model, sample, registered_by=f"worker-{worker}")


def test_every_addition_has_a_number_of_its_own(tmp_path: Path) -> None:
    """No number is given twice, none is left out, and no feature of the request schema is lost."""
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=_add, args=(tmp_path, worker)) for worker in range(PROCESSES)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(120)

    shelf = _shelf(tmp_path)
    records = shelf.records("model")
    schemas = DirectoryRegistry(tmp_path / "schemas.sqlite")
    newest = features_of(schemas.latest("model.requests-value")[1])

    assert [worker.exitcode for worker in workers] == [0] * PROCESSES
    assert [record.version for record in records] == [str(n) for n in range(1, PROCESSES * ADDITIONS + 1)]
    assert {record.state for record in records} == {VersionState.VALIDATED}
    assert {feature.name for feature in newest} == {"f0", *(f"only{worker}" for worker in range(PROCESSES))}


def test_who_looks_while_the_first_is_added_sees_none(tmp_path: Path) -> None:
    """The file is there before anything is in it, and that is no damage."""
    catalogue = Catalogue(tmp_path / "catalogue.sqlite")
    with catalogue.adding():
        listed = catalogue.records()
        with pytest.raises(VersionNotFoundError):
            catalogue.record("model", "1")

    assert listed == []
