"""Strikes against versions whose predict calls hung or ran out of memory; two are a quarantine.

The strike is written by the watchdog in the moment it ends the process, and read by the
process that takes its place. Where the call held the interpreter the watchdog could not write
either, and what `faulthandler` left in the file kept for that is the strike. Strikes count within
one generation of the deployment, so activating the version anew gives it a new chance.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from schemas.events import DeploymentState

STRIKES_MAX = 2
_HELD = "Timeout ("
"""What `faulthandler` begins with."""


@dataclass(frozen=True, slots=True)
class Strikes:
    """Strike files in one folder, a line each."""

    folder: Path
    _held: dict[tuple[str, str], tuple[int, IO[str]]] = field(default_factory=dict, repr=False)

    def add(self, model: str, version: str, generation: int, why: str) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        with self._path(model, version, generation).open("a", encoding="utf-8") as lines:
            lines.write(f"{why}\n")

    def held(self, model: str, version: str, generation: int) -> IO[str] | None:
        """The open file for a call that holds the interpreter, and can be told of in no other way.

        None where it can't be opened: a full disk stops no scoring.
        """
        known = self._held.get((model, version))
        if known is not None and known[0] == generation:
            return known[1]
        if known is not None:
            known[1].close()
            del self._held[model, version]
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            file = self._path(model, version, generation).with_suffix(".held").open("a", encoding="utf-8")
        except OSError:
            return None
        self._held[model, version] = (generation, file)
        return file

    def quarantined(self, state: DeploymentState) -> dict[str, str]:
        """The deployment's versions that have struck out, with the last reason."""
        found = {}
        for served in state.versions:
            lines = self._lines(state.model, served.version, state.generation)
            if len(lines) >= STRIKES_MAX:
                found[served.version] = lines[-1]
        return found

    def _lines(self, model: str, version: str, generation: int) -> list[str]:
        path = self._path(model, version, generation)
        held = path.with_suffix(".held")
        times = sum(line.startswith(_HELD) for line in _lines_of(held))
        return _lines_of(path) + times * [f"{model} {version} predict held the interpreter beyond its time: see {held}"]

    def _path(self, model: str, version: str, generation: int) -> Path:
        return self.folder / f"{model}@{version}@{generation}.strikes"


def _lines_of(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8", errors="replace").splitlines()
    except FileNotFoundError:
        return []
