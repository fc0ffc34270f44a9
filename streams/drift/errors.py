"""What can go wrong while versions are watched.

DriftError
└── VersionsUnavailableError   the shelf can't be asked now; ask again later
"""


class DriftError(Exception):
    """Anything wrong with the monitor."""


class VersionsUnavailableError(DriftError):
    """What the shelf says of a version can't be had now."""
