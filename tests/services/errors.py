"""What can go wrong with real servers.

ServicesError
├── ServiceMissingError  this machine lacks what a server needs; says what to install
└── ServerFailedError    a server did not start, or ended by itself; carries the end of its log
"""

from pathlib import Path


class ServicesError(Exception):
    """Anything wrong with a server that tests or a person asked for."""


class ServiceMissingError(ServicesError):
    """This machine lacks something that a real server needs."""

    def __init__(self, missing: tuple[str, ...]) -> None:
        super().__init__(f"no real servers on this machine: install {' and '.join(missing)}")
        self.missing = missing


class ServerFailedError(ServicesError):
    """A server did not get ready; `log` is where it says why."""

    def __init__(self, what: str, log: Path) -> None:
        tail = log.read_text(errors="replace").splitlines()[-20:] if log.exists() else []
        super().__init__("\n".join([f"{what}; its log is {log} and ends with:", *tail]))
        self.log = log
