"""Bundles on disk: folders named by the hash of their manifest, which vouches for their files.

A folder appears whole or not at all: it is written under a temporary name, forced to disk and
renamed. What is read back is checked against the hashes before anything else looks at it.
"""

import os
import shutil
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from registry.approvals import Subject
from registry.errors import BundleRefusedError, ShelfUnavailableError
from registry.manifest import MANIFEST, FileEntry, Manifest, sha256

MANIFEST_BYTES_MAX = 64 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Bundle:
    """A bundle in memory, its files as their hashes say; nothing in them has been opened yet."""

    sha256: str
    manifest_bytes: bytes
    manifest: Manifest
    files: Mapping[str, bytes]

    @property
    def subject(self) -> Subject:
        """What approvals of it must be about."""
        return subject_of(self.manifest, self.sha256)


def subject_of(manifest: Manifest, bundle: str) -> Subject:
    return Subject(model=manifest.name, version=manifest.version, bundle=bundle, registered_by=manifest.registered_by)


def write_bundle(folder: Path, manifest: bytes, files: Mapping[str, bytes]) -> str:
    """Write a bundle below `folder` and return its hash; one that is there already is left as it is."""
    name = sha256(manifest)
    if (folder / name).is_dir():
        return name
    folder.mkdir(parents=True, exist_ok=True)
    temporary = folder / f".{name[:16]}.{uuid.uuid4().hex}"
    temporary.mkdir()
    try:
        for file, content in {**files, MANIFEST: manifest}.items():
            _write(temporary / file, content)
        _sync(temporary)
        _appear(temporary, folder / name)
        _sync(folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return name


def read_bundle(folder: Path, name: str, *, bytes_max: int) -> Bundle:
    """Read the bundle of that hash below `folder`, every file checked against its hash.

    Raises `BundleRefusedError` for the checks `hash`, `manifest` and `size`, and `OSError` when it
    can't be read.
    """
    path = folder / name
    manifest_bytes, manifest = _manifest(path)
    _check_sizes(manifest, bytes_max)
    strangers = sorted({entry.name for entry in path.iterdir()} - {MANIFEST, *(entry.name for entry in manifest.files)})
    if strangers:
        raise BundleRefusedError("hash", f"{strangers[0]} is not in the manifest")
    files = {entry.name: _checked(path, entry) for entry in manifest.files}
    return Bundle(sha256=name, manifest_bytes=manifest_bytes, manifest=manifest, files=files)


def read_manifest(folder: Path, name: str) -> Manifest:
    """The manifest of the bundle of that hash, without a look at its other files.

    Raises `BundleRefusedError` when it is not what was registered or not there, and
    `ShelfUnavailableError` when it can't be told now.
    """
    try:
        return _manifest(folder / name)[1]
    except FileNotFoundError as error:
        if not folder.is_dir():
            raise ShelfUnavailableError(f"the shelf's bundles in {folder} can't be read") from error
        raise BundleRefusedError("manifest", f"bundle {name[:16]}... is not on the shelf") from error
    except OSError as error:
        raise ShelfUnavailableError(f"bundle {name[:16]}... can't be read: {error}") from error


def sound_bundle(folder: Path, name: str, *, bytes_max: int) -> Bundle:
    """The bundle as it lies on the shelf, its hashes checked.

    Raises `BundleRefusedError` when it is not what was registered, `ShelfUnavailableError` when
    that can't be told now.
    """
    try:
        return read_bundle(folder, name, bytes_max=bytes_max)
    except FileNotFoundError as error:
        if not folder.is_dir():
            raise ShelfUnavailableError(f"the shelf's bundles in {folder} can't be read") from error
        raise BundleRefusedError("hash", f"bundle {name[:16]}... is not on the shelf") from error
    except OSError as error:
        raise ShelfUnavailableError(f"bundle {name[:16]}... can't be read: {error}") from error


def _manifest(path: Path) -> tuple[bytes, Manifest]:
    content = _read(path / MANIFEST, MANIFEST_BYTES_MAX)
    found = sha256(content)
    if found != path.name:
        raise BundleRefusedError(
            "hash", f"{MANIFEST} has sha256 {found[:16]}..., and the bundle is named {path.name[:16]}..."
        )
    return content, Manifest.decode(content)


def _check_sizes(manifest: Manifest, bytes_max: int) -> None:
    unpacked = sum(entry.unpacked_bytes for entry in manifest.files)
    packed = sum(entry.bytes for entry in manifest.files)
    if max(unpacked, packed) > bytes_max:
        detail = f"it unpacks to {max(unpacked, packed):,} bytes and registry.bundle_bytes_max is {bytes_max:,}"
        raise BundleRefusedError("size", detail)


def _checked(path: Path, entry: FileEntry) -> bytes:
    if Path(entry.name).name != entry.name:
        raise BundleRefusedError("manifest", f"{entry.name!r} is no plain file name")
    try:
        content = _read(path / entry.name, entry.bytes)
    except FileNotFoundError as error:
        raise BundleRefusedError("hash", f"{entry.name} is missing") from error
    if len(content) != entry.bytes or sha256(content) != entry.sha256:
        raise BundleRefusedError("hash", f"{entry.name} is not what was registered: its sha256 differs")
    return content


def _read(path: Path, bytes_max: int) -> bytes:
    """At most one byte more than the limit, so that no file fills the memory."""
    with path.open("rb") as file:
        return file.read(bytes_max + 1)


def _write(path: Path, content: bytes) -> None:
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _appear(temporary: Path, final: Path) -> None:
    """Rename; another process that was faster has written the same bytes under the same name."""
    try:
        temporary.rename(final)
    except OSError:
        if not final.is_dir():
            raise


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
