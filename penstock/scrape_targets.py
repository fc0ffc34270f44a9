"""The list of targets for Prometheus: where each process of a running stack serves its metrics.

Written in the form of its `file_sd_configs`, in one step, whenever a port has changed: a process
that is started again takes another free one.
"""

import os
from collections.abc import Mapping
from pathlib import Path

import orjson
import structlog

_ANY_ADDRESS = {"0.0.0.0": "127.0.0.1", "::": "[::1]", "": "127.0.0.1"}  # noqa: S104  an address to look up, not to bind
_log = structlog.get_logger("penstock.supervisor")


class ScrapeTargets:
    """Keeps one file true; a process that is dead stays listed, so that its absence is seen."""

    def __init__(self, path: Path, *, host: str) -> None:
        self._path = path
        self._host = _ANY_ADDRESS.get(host, host)
        self._written: Mapping[str, int] = {}

    def keep(self, ports: Mapping[str, int]) -> None:
        """Write the file if these ports, by process, are others than were written."""
        if ports == self._written:
            return
        targets = [
            {"targets": [f"{self._host}:{port}"], "labels": {"process": process}} for process, port in ports.items()
        ]
        temporary = self._path.with_suffix(f".{os.getpid()}")
        try:
            temporary.write_bytes(orjson.dumps(targets))
            temporary.replace(self._path)
        except OSError as error:
            _log.warning("the list of targets can't be written", path=str(self._path), detail=str(error))
            return
        self._written = dict(ports)
