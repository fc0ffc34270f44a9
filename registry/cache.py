"""Copies of bundles beside a worker, so that it can start again while the shelf is away.

Only bundles that the catalogue approved get here; whoever reads them checks their hashes again.
"""

import os
from pathlib import Path

from registry.bundles import Bundle, read_bundle, write_bundle
from registry.skops_file import LoadLimits

_NAMES = "versions"


class BundleCache:
    """Bundles in one directory of this machine, and which version is which bundle."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def keep(self, bundle: Bundle) -> None:
        """Store a copy. One that is damaged, or was changed, is replaced by what the shelf has."""
        folder = self._directory / bundle.sha256
        if folder.is_dir() and not _is_copy(folder, bundle):
            for file in folder.iterdir():
                file.unlink()
            folder.rmdir()
        write_bundle(self._directory, bundle.manifest_bytes, bundle.files)
        pointer = self._pointer(bundle.manifest.name, bundle.manifest.version)
        pointer.parent.mkdir(parents=True, exist_ok=True)
        # Workers share the cache, so each writes under a name of its own.
        temporary = pointer.with_name(f".{pointer.name}.{os.getpid()}")
        temporary.write_text(bundle.sha256, encoding="ascii")
        temporary.replace(pointer)

    def find(self, name: str, version: str, bundle: str | None, *, limits: LoadLimits) -> Bundle | None:
        """A copy with sound hashes, or None. Raises `BundleRefusedError` when the copy is damaged."""
        try:
            known = self._pointer(name, version).read_text(encoding="ascii")
            if bundle is not None and bundle != known:
                return None
            return read_bundle(self._directory, known, bytes_max=limits.bytes_max)
        except FileNotFoundError:
            return None

    def _pointer(self, name: str, version: str) -> Path:
        return self._directory / _NAMES / name / version


def _is_copy(folder: Path, bundle: Bundle) -> bool:
    expected = {"manifest.json": bundle.manifest_bytes, **bundle.files}
    found = {file.name for file in folder.iterdir()}
    return found == set(expected) and all((folder / name).read_bytes() == content for name, content in expected.items())
