"""What can go wrong on the shelf.

RegistryError
├── VersionRefusedError            a model can't be added as it is
│   ├── SampleError                a column of the sample has no type that can travel
│   ├── EstimatorRefusedError      the estimator is of a kind that can't be served
│   └── VersionExistsError         that version number is taken
├── VersionNotFoundError           no such model or version
├── BundleRefusedError             a bundle failed a check; which one, and what was found
├── ShelfUnavailableError          the shelf's directory can't be read now; ask again later
├── KeyFileError                   a file is no private key that can be used
├── StatementError                 what should be a signed statement is none
└── EstimatorError                 the estimator raised on these rows
"""

from pathlib import Path

from schemas.reasons import Reason


class RegistryError(Exception):
    """Anything wrong with a model version."""


class VersionRefusedError(RegistryError):
    """A model can't be added as it is; the message says what to change."""


class SampleError(VersionRefusedError):
    """A column of the sample has no type that can travel, or is not there."""

    def __init__(self, column: str, problem: str, remedy: str) -> None:
        super().__init__(f"column {column!r} {problem}: {remedy}")
        self.column = column
        self.problem = problem
        self.remedy = remedy


class EstimatorRefusedError(VersionRefusedError):
    """The estimator is of a kind that can't be served, or is not fitted."""


class VersionExistsError(VersionRefusedError):
    """That version number is taken; versions never change."""

    def __init__(self, name: str, version: str) -> None:
        super().__init__(f"model {name!r} has a version {version!r} already: versions never change, choose another one")
        self.name = name
        self.version = version


class VersionNotFoundError(RegistryError):
    """The shelf was read, and it has no such model or version."""

    def __init__(self, name: str, version: str | None = None) -> None:
        what = f"model {name!r}" if version is None else f"version {version!r} of model {name!r}"
        super().__init__(f"there is no {what} on the shelf: `penstock models list` shows what there is")
        self.name = name
        self.version = version


class BundleRefusedError(RegistryError):
    """A bundle failed a check."""

    def __init__(self, check: str, detail: str) -> None:
        super().__init__(f"check {check!r} failed: {detail}")
        self.check = check
        self.detail = detail


class ShelfUnavailableError(RegistryError):
    """The shelf's directory can't be read now, and the cache has no copy; the call may be repeated."""


class KeyFileError(RegistryError):
    """A file can't be used as a private key, or can't be made one."""

    def __init__(self, path: Path, problem: str) -> None:
        super().__init__(f"the key file {path} {problem}")
        self.path = path


class StatementError(RegistryError):
    """What should be a signed statement is none."""


class EstimatorError(RegistryError):
    """The estimator raised on these rows; `reason` is that of the dead letters."""

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail
