"""A worker starts again while the shelf is away."""

from pathlib import Path

import numpy as np
import pytest

from registry.catalogue import VersionRecord
from registry.errors import BundleRefusedError, ShelfUnavailableError
from registry.sampling import as_features
from registry.shelf import Shelf
from schemas.directory_registry import DirectoryRegistry
from tests.registry.samples import flights, late_model


@pytest.fixture
def record(shelf: Shelf) -> VersionRecord:
    return shelf.add("late", late_model(), flights())


def away(tmp_path: Path) -> Shelf:
    """A worker that starts after the shelf's directory has gone."""
    (tmp_path / "registry").rename(tmp_path / "gone")
    return Shelf(
        tmp_path / "registry", schemas=DirectoryRegistry(tmp_path / "schemas.sqlite"), cache=tmp_path / "cache"
    )


@pytest.mark.parametrize("named", [True, False])
def test_what_was_opened_before_is_opened_again(
    shelf: Shelf,
    record: VersionRecord,
    tmp_path: Path,
    named: bool,  # noqa: FBT001  a parameter of the test
) -> None:
    """The cache has every version that was opened, and it scores as before."""
    bundle = record.bundle if named else None
    before = shelf.open("late", "1", bundle=bundle)
    after = away(tmp_path).open("late", "1", bundle=bundle)
    features = as_features(flights(), before.signature)

    assert after.bundle == record.bundle
    assert np.array_equal(after.score(after.fit(features)[0]).scores, before.score(before.fit(features)[0]).scores)


def test_what_was_not_opened_before_is_waited_for(shelf: Shelf, record: VersionRecord, tmp_path: Path) -> None:
    """Without a copy the shelf is unavailable, which is no verdict on the version."""
    with pytest.raises(ShelfUnavailableError):
        away(tmp_path).open("late", "1", bundle=record.bundle)


def test_a_bundle_that_is_gone_though_the_catalogue_is_there(
    shelf: Shelf, record: VersionRecord, tmp_path: Path
) -> None:
    """The catalogue's word that a version is validated is needed when it can be had."""
    shelf.open("late", "1", bundle=record.bundle)
    (tmp_path / "registry" / "bundles").rename(tmp_path / "gone")

    assert shelf.open("late", "1", bundle=record.bundle).version == "1"


def test_a_copy_that_was_changed_is_refused(shelf: Shelf, record: VersionRecord, tmp_path: Path) -> None:
    """The cache is believed no more than the shelf; with the shelf back the copy is replaced."""
    shelf.open("late", "1", bundle=record.bundle)
    copy = tmp_path / "cache" / record.bundle / "estimator.skops"
    content = copy.read_bytes()
    copy.write_bytes(content[:-1])
    worker = away(tmp_path)

    with pytest.raises(BundleRefusedError, match="check 'hash' failed"):
        worker.open("late", "1", bundle=record.bundle)
    (tmp_path / "gone").rename(tmp_path / "registry")
    worker.open("late", "1", bundle=record.bundle)

    assert copy.read_bytes() == content


def test_a_shelf_that_is_empty(tmp_path: Path) -> None:
    """Nothing was ever added: there is nothing to list, and a worker waits."""
    shelf = Shelf(tmp_path / "registry", schemas=DirectoryRegistry(tmp_path / "schemas.sqlite"))

    assert shelf.records() == []
    with pytest.raises(ShelfUnavailableError):
        shelf.open("late", "1", bundle=None)
