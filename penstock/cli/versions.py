"""Versions by name, as the catalogue lists them; where nothing was ever registered there are none."""

from registry.catalogue import Catalogue, VersionRecord
from registry.errors import VersionNotFoundError


def find_version(catalogue: Catalogue, name: str, version: str) -> VersionRecord:
    """One version. Raises `VersionNotFoundError`."""
    found = [record for record in catalogue.records(name) if record.version == version]
    if not found:
        raise VersionNotFoundError(name, version)
    return found[0]


def newest_version(catalogue: Catalogue, name: str) -> VersionRecord:
    """The version of a model that was added last. Raises `VersionNotFoundError`."""
    records = catalogue.records(name)
    if not records:
        raise VersionNotFoundError(name)
    return records[-1]
