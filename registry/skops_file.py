"""Reads an estimator from a .skops file, which is believed in nothing that it says of itself.

Bytes and limits come in, a fitted estimator or a `BundleRefusedError` that names the check goes
out: uncompressed size first, then types against the allow-list, then loading, then node bounds.
"""

import io
import warnings
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass

from skops import io as skops_io
from skops.io.exceptions import UnsupportedTypeException

from registry.allow_list import TRUSTED_TYPES
from registry.errors import BundleRefusedError, EstimatorRefusedError
from registry.loaded import Estimator
from registry.node_bounds import node_fault

BYTES_MAX = 1 << 30
MEMBERS_MAX = 200_000
SCHEMA, SCHEMA_BYTES_MAX = "schema.json", 128 << 20  # text, which takes ten times its size once it is read


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadLimits:
    """`trusted_types`: added to the allow-list by the deployment's settings."""

    trusted_types: tuple[str, ...] = ()
    bytes_max: int = BYTES_MAX


def dump_estimator(estimator: Estimator) -> bytes:
    """The estimator as .skops bytes. Raises `EstimatorRefusedError` for what the format can't hold."""
    try:
        content: bytes = skops_io.dumps(estimator, compression=zipfile.ZIP_DEFLATED, compresslevel=1)
    except (UnsupportedTypeException, TypeError, AttributeError, RecursionError) as error:
        raise EstimatorRefusedError(f"the estimator can't be saved in skops format: {_one_line(error)}") from error
    return content


def load_estimator(content: bytes, limits: LoadLimits) -> Estimator:
    """The estimator in a .skops file. Raises `BundleRefusedError`."""
    check_size(content, limits)
    check_types(content, limits)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # another scikit-learn is judged by the golden vectors
        try:
            estimator: Estimator = skops_io.loads(content, trusted=[*TRUSTED_TYPES, *limits.trusted_types])
        except Exception as error:
            raise BundleRefusedError("load", f"the estimator does not load: {_one_line(error)}") from error
    fault = node_fault(estimator)
    if fault is not None:
        raise BundleRefusedError("types", f"{fault}: the file was made or changed by hand")
    return estimator


def uncompressed_bytes(content: bytes) -> int:
    """What the file unpacks to, archives within it included. Raises `BundleRefusedError`."""
    try:
        return _unpacked(content, within=False)
    # NotImplementedError is zipfile's own: a compression or an encryption that it doesn't know.
    except (zipfile.BadZipFile, zipfile.LargeZipFile, ValueError, OSError, EOFError, NotImplementedError) as error:
        raise BundleRefusedError("size", f"not a .skops archive: {_one_line(error)}") from error


def check_size(content: bytes, limits: LoadLimits) -> None:
    """Raises `BundleRefusedError` when the file would unpack to more than the limit."""
    unpacked = uncompressed_bytes(content)
    if unpacked > limits.bytes_max:
        detail = f"it unpacks to {unpacked:,} bytes and registry.bundle_bytes_max is {limits.bytes_max:,}"
        raise BundleRefusedError("size", detail)


def check_types(content: bytes, limits: LoadLimits) -> None:
    """Raises `BundleRefusedError` when the file needs types that are not on the allow-list."""
    foreign = _foreign(_untrusted(content), limits.trusted_types)
    if foreign:
        detail = f"types outside the allow-list: {', '.join(foreign)}; name those you trust in registry.trusted_types"
        raise BundleRefusedError("types", detail)


def _untrusted(content: bytes) -> Sequence[str]:
    try:
        names: list[str] = skops_io.get_untrusted_types(data=content)
    except Exception as error:
        raise BundleRefusedError("load", f"not a .skops file: {_one_line(error)}") from error
    return names


def _foreign(names: Sequence[str], trusted_types: Sequence[str]) -> list[str]:
    allowed = {*TRUSTED_TYPES, *trusted_types}
    return sorted(name for name in names if name not in allowed)


def _unpacked(content: bytes, *, within: bool) -> int:
    """The sum of what members declare, which is also the most that is ever read of each.

    A sparse matrix is an archive of its own inside the file, and counts with what it unpacks to.
    """
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        members = archive.infolist()
        if len(members) > MEMBERS_MAX:
            raise ValueError(f"{len(members):,} members")
        if any(member.filename == SCHEMA and member.file_size > SCHEMA_BYTES_MAX for member in members):
            raise ValueError(f"its {SCHEMA} unpacks to more than {SCHEMA_BYTES_MAX:,} bytes")
        total = sum(member.file_size for member in members)
        if within or total > BYTES_MAX:
            return total
        inner = [member for member in members if member.filename.endswith(".npz")]
        return total + sum(_unpacked(archive.read(member), within=True) for member in inner)


def _one_line(error: Exception) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
