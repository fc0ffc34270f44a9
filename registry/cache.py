"""Copies of bundles and their approvals beside a worker, so that it can start again while the shelf is away.

Only versions that a worker opened get here; whoever reads them checks hashes and signatures again.
"""

import os
from collections.abc import Sequence
from pathlib import Path

from registry.bundles import Bundle, read_bundle, write_bundle
from registry.skops_file import LoadLimits
from registry.statements import SignedStatement, read_statements

_NAMES, _APPROVALS = "versions", "approvals"


class BundleCache:
    """Bundles in one directory of this machine, and which version is which bundle."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def keep(self, bundle: Bundle, approvals: Sequence[SignedStatement]) -> None:
        """Store copies. What is damaged, or was changed, is replaced by what the shelf has."""
        folder = self._directory / bundle.sha256
        if folder.is_dir() and not _is_copy(folder, bundle):
            for file in folder.iterdir():
                file.unlink()
            folder.rmdir()
        write_bundle(self._directory, bundle.manifest_bytes, bundle.files)
        name, version = bundle.manifest.name, bundle.manifest.version
        # The approvals first: a version that the cache names has them.
        _put(self._place(_APPROVALS, name, version), "\n".join(signed.as_text() for signed in approvals))
        _put(self._place(_NAMES, name, version), bundle.sha256)

    def find(self, name: str, version: str, bundle: str | None, *, limits: LoadLimits) -> Bundle | None:
        """A copy with sound hashes, or None. Raises `BundleRefusedError` when the copy is damaged."""
        try:
            known = self._place(_NAMES, name, version).read_text(encoding="ascii")
            if bundle is not None and bundle != known:
                return None
            return read_bundle(self._directory, known, bytes_max=limits.bytes_max)
        except (FileNotFoundError, UnicodeDecodeError):
            return None

    def approvals(self, name: str, version: str) -> list[SignedStatement]:
        """The copied statements, which nobody has checked; none where there is no copy."""
        try:
            lines = self._place(_APPROVALS, name, version).read_text(encoding="utf-8").splitlines()
        except (FileNotFoundError, UnicodeDecodeError):
            return []
        return read_statements(lines)

    def _place(self, kind: str, name: str, version: str) -> Path:
        return self._directory / kind / name / version


def _put(path: Path, text: str) -> None:
    """Write in one step. Workers share the cache, so each writes under a name of its own."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(path)


def _is_copy(folder: Path, bundle: Bundle) -> bool:
    expected = {"manifest.json": bundle.manifest_bytes, **bundle.files}
    found = {file.name for file in folder.iterdir()}
    return found == set(expected) and all((folder / name).read_bytes() == content for name, content in expected.items())
