"""One bit changed anywhere: in a bundle, its manifest, its approvals, the catalogue or the cache.

A version opens as it was registered and approved, or not at all; and where bytes are vouched for
by a hash or a signature, the refusal names that check.
"""

import random
import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from registry.errors import BundleRefusedError, ShelfUnavailableError
from registry.loaded import LoadedVersion
from registry.manifest import ESTIMATOR, GOLDEN, MANIFEST
from registry.sampling import as_features
from registry.shelf import Shelf
from runtime.settings import PolicySettings
from schemas.directory_registry import DirectoryRegistry
from tests.registry.people import People
from tests.registry.samples import flights, late_model

FLIPS = 40
SEED = 20_261_125


class Scene:
    """A shelf with two versions of which one is approved, in a folder that each flip starts anew from."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        self.people = People.of(folder, "ann", "bob")
        self.policy = self.people.policy(1)
        shelf = self.shelf(self.policy)
        self.record = shelf.add("late", late_model(), flights(), registered_by="ann")
        shelf.add("late", late_model(flights(seed=9)), flights(), registered_by="ann")
        shelf._catalogue.record_approval(self.people.sign("bob", "1", self.record.bundle))
        self.features = as_features(flights(), shelf.manifest("late", "1").signature)
        self.expected = self.scores(shelf.open("late", "1", bundle=self.record.bundle))
        self.sound = folder.with_name(f"{folder.name}-sound")
        shutil.copytree(folder, self.sound)

    def shelf(self, policy: PolicySettings) -> Shelf:
        schemas = DirectoryRegistry(self.folder / "schemas.sqlite")
        return Shelf(self.folder / "registry", schemas=schemas, cache=self.folder / "cache", policy=policy)

    def scores(self, version: LoadedVersion) -> "np.ndarray[tuple[int], np.dtype[np.float64]]":
        return version.score(version.fit(self.features)[0]).scores

    def reset(self, *, without: str = "") -> None:
        """As it was, but for a part that is away."""
        shutil.rmtree(self.folder)
        shutil.copytree(self.sound, self.folder)
        if without:
            shutil.rmtree(self.folder / without)

    def opened(self) -> str:
        """What became of opening the approved version: "opened", the check that failed, or "unavailable"."""
        try:
            version = self.shelf(self.policy).open("late", "1", bundle=self.record.bundle)
        except BundleRefusedError as refused:
            return refused.check
        except ShelfUnavailableError:
            return "unavailable"
        assert version.bundle == self.record.bundle
        assert np.array_equal(self.scores(version), self.expected)
        return "opened"

    def bundle(self, place: str, name: str) -> Path:
        return self.folder / place / self.record.bundle / name


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    return Scene(tmp_path_factory.mktemp("scene") / "deployment")


def flips(size: int) -> Iterator[tuple[int, int]]:
    """Places over the whole of a file, the first and the last byte among them, each with a bit."""
    chance = random.Random(SEED)
    places = {0, size - 1, *(chance.randrange(size) for _ in range(FLIPS))}
    return ((place, 1 << chance.randrange(8)) for place in sorted(places))


def flip(path: Path, place: int, bit: int) -> None:
    content = bytearray(path.read_bytes())
    content[place] ^= bit
    path.write_bytes(bytes(content))


@pytest.mark.parametrize("name", [MANIFEST, ESTIMATOR, GOLDEN])
def test_a_bundle_on_the_shelf(scene: Scene, name: str) -> None:
    """Every flip is refused by its hash, before anything in the file is looked at."""
    scene.reset(without="cache")
    path = scene.bundle("registry/bundles", name)
    found = set()
    for place, bit in flips(path.stat().st_size):
        flip(path, place, bit)
        found.add(scene.opened())
        flip(path, place, bit)

    assert found == {"hash"}
    assert scene.opened() == "opened"


@pytest.mark.parametrize("name", [MANIFEST, ESTIMATOR, GOLDEN])
def test_a_bundle_in_the_cache_of_a_worker_whose_shelf_is_away(scene: Scene, name: str) -> None:
    """The copy is believed no more than the original."""
    scene.reset(without="registry")
    path = scene.bundle("cache", name)
    found = set()
    for place, bit in flips(path.stat().st_size):
        flip(path, place, bit)
        found.add(scene.opened())
        flip(path, place, bit)

    assert found == {"hash"}
    assert scene.opened() == "opened"


def test_the_signature_and_the_statement_in_the_cache(scene: Scene) -> None:
    """No bit of what bob signed can be changed, nor of his signature."""
    scene.reset(without="registry")
    path = scene.folder / "cache" / "approvals" / "late" / "1"
    content = path.read_bytes()
    found = set()
    for place in range(len(content)):
        flip(path, place, 1 << (place % 8))
        found.add(scene.opened())
        path.write_bytes(content)

    assert found == {"approvals"}
    assert scene.opened() == "opened"


def test_the_statement_in_the_catalogue(scene: Scene) -> None:
    """Wherever a bit of the row's text is changed, the approval does not count any more."""
    scene.reset(without="cache")
    path = _alone(scene)
    content = path.read_bytes()
    text = scene.shelf(scene.policy)._catalogue.approvals("late", "1")[0].as_text().encode()
    found = set()
    for place in range(0, len(text), 7):
        changed = bytearray(text)
        changed[place] ^= 1
        path.write_bytes(content.replace(text, bytes(changed)))  # the table and its index
        found.add(scene.opened())
    path.write_bytes(content)

    assert found == {"approvals"}
    assert scene.opened() == "opened"


def test_the_catalogue(scene: Scene) -> None:
    """A flip may close the shelf, or mean nothing; it never lets in what was not approved."""
    scene.reset(without="cache")
    path = _alone(scene)
    content = path.read_bytes()
    found = set()
    for place, bit in flips(len(content)):
        flip(path, place, bit)
        found.add(scene.opened())
        for name in ("catalogue.sqlite-wal", "catalogue.sqlite-shm"):
            path.with_name(name).unlink(missing_ok=True)
        path.write_bytes(content)

    assert found <= {"opened", "unavailable", "state", "hash", "approvals"}
    assert "unavailable" in found


def test_another_version_is_not_let_in_by_pointing_at_it(scene: Scene) -> None:
    """The cache's pointer names the approved version's bundle, or none that opens."""
    scene.reset(without="registry")
    pointer = scene.folder / "cache" / "versions" / "late" / "1"
    content = pointer.read_bytes()
    found = set()
    for place in range(0, len(content), 5):
        flip(pointer, place, 1 << (place % 8))
        found.add(scene.opened())
        pointer.write_bytes(content)

    assert found == {"unavailable"}


def test_rows_that_say_more_than_was_validated(scene: Scene) -> None:
    """A record that is damaged in its meaning closes the shelf for that version and says so."""
    scene.reset(without="cache")
    path = _alone(scene)
    content = path.read_bytes()
    assert content.count(b"validated") >= 2
    path.write_bytes(content.replace(b"validated", b"validates"))

    with pytest.raises(ShelfUnavailableError, match="the catalogue's row of version 1 of late is damaged"):
        scene.shelf(scene.policy).open("late", "1", bundle=scene.record.bundle)


def _alone(scene: Scene) -> Path:
    """The catalogue as one file: what is in its write-ahead log is put where it belongs."""
    path = scene.folder / "registry" / "catalogue.sqlite"
    connection = sqlite3.connect(path)
    connection.execute("pragma wal_checkpoint(truncate)")
    connection.execute("pragma journal_mode = delete")
    connection.close()
    return path
