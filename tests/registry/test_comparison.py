"""Two versions side by side, and what the shelf itself tells of them."""

from dataclasses import replace
from pathlib import Path

import pytest
from sklearn.linear_model import LogisticRegression

from registry.catalogue import VersionState
from registry.chronicle import chronicle
from registry.comparison import SAME_ROWS, compare, measured_alike
from registry.shelf import Shelf
from runtime.clock import FixedClock
from schemas.directory_registry import DirectoryRegistry
from tests.registry.samples import COLUMNS, flights, late_model


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Shelf:
    """Two versions: the second without a column, judged beside the first on the same rows."""
    folder = tmp_path_factory.mktemp("shelf")
    schemas = DirectoryRegistry(folder / "schemas.sqlite")
    shelf = Shelf(folder / "registry", schemas=schemas, clock=FixedClock(1_700_000_000_000))
    sample, holdout = flights(), flights(300, seed=21)
    shelf.add("late", late_model(sample), sample, target="late", holdout=holdout, registered_by="ann")
    narrow = LogisticRegression().fit(sample[["delay", "distance"]], sample["late"])
    shelf.add("late", narrow, sample, target="late", holdout=holdout, registered_by="bob", against="1")
    return shelf


def test_everything_that_differs_is_there(shelf: Shelf) -> None:
    """Metrics, features, libraries, data and size, each with both sides."""
    found = {
        (each.aspect, each.item): each for each in compare(shelf.manifest("late", "1"), shelf.manifest("late", "2"))
    }
    carrier = found["features", "carrier"]

    assert {aspect for aspect, _ in found} == {
        "metrics",
        SAME_ROWS,
        "model",
        "features",
        "libraries",
        "data",
        "size",
    }
    assert (carrier.first, carrier.second, carrier.same) == ("string, may be missing", None, False)
    assert found["features", "delay"].same
    assert found["model", "estimator"].second == "LogisticRegression"
    assert (found["model", "registered by"].first, found["model", "registered by"].second) == ("ann", "bob")
    assert found["libraries", "scikit-learn"].same
    assert found["data", "holdout rows"].first == 300
    assert found["size", "bytes"].first != found["size", "bytes"].second


def test_figures_on_the_same_rows_are_told_apart(shelf: Shelf) -> None:
    """What was judged beside the other version at registration comes whichever of them is named first."""
    first, second = shelf.manifest("late", "1"), shelf.manifest("late", "2")
    forwards = {each.item: (each.first, each.second) for each in compare(first, second) if each.aspect == SAME_ROWS}
    backwards = {each.item: (each.first, each.second) for each in compare(second, first) if each.aspect == SAME_ROWS}

    assert forwards["accuracy"] == (first.metrics["accuracy"], second.metrics["accuracy"])
    assert backwards["accuracy"] == (second.metrics["accuracy"], first.metrics["accuracy"])
    assert measured_alike(first, second)
    assert not measured_alike(first, replace(second, holdout=None))


def test_a_version_is_the_same_as_itself(shelf: Shelf) -> None:
    """Nothing differs, and nothing is left out."""
    manifest = shelf.manifest("late", "1")
    found = compare(manifest, manifest)

    assert all(each.same for each in found)
    assert {each.item for each in found if each.aspect == "features"} == set(COLUMNS)


def test_the_shelf_tells_what_it_did(shelf: Shelf) -> None:
    """Registered and validated, by whom and when; told again, it is the same event."""
    events = chronicle(shelf._catalogue, "late")

    assert [(each.kind, each.version, each.issued_by) for each in events] == [
        ("Registered", "1", "ann"),
        ("Validated", "1", "ann"),
        ("Registered", "2", "bob"),
        ("Validated", "2", "bob"),
    ]
    assert {each.occurred_at for each in events} == {1_700_000_000_000}
    assert len({each.event_id for each in events}) == 4
    assert chronicle(shelf._catalogue) == events
    assert chronicle(shelf._catalogue, "other") == []


def test_a_rejection_says_which_check_failed(tmp_path: Path) -> None:
    """With the time at which validation found it, not that of the registration."""
    clock = FixedClock(1_000)
    shelf = Shelf(tmp_path / "registry", schemas=DirectoryRegistry(tmp_path / "schemas.sqlite"), clock=clock)
    record = shelf.add("late", late_model(), flights())
    shelf._catalogue.settle("late", "1", state=VersionState.REGISTERED, failure="", now=1)
    (tmp_path / "registry" / "bundles" / record.bundle / "golden.arrow").write_bytes(b"x")
    clock.ms = 2_000
    shelf.verify("late", "1")

    registered, rejected = chronicle(shelf._catalogue)

    assert (registered.kind, registered.occurred_at) == ("Registered", 1_000)
    assert (rejected.kind, rejected.occurred_at) == ("Rejected", 2_000)
    assert rejected.reason.startswith("check 'hash' failed: golden.arrow")
