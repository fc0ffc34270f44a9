"""Strikes against versions whose predict calls hung or ran out of memory; two are a quarantine.

The strike is written by the watchdog in the moment it ends the process, and read by the
process that takes its place. Strikes count within one generation of the deployment, so
activating the version anew gives it a new chance.
"""

from dataclasses import dataclass
from pathlib import Path

from schemas.events import DeploymentState

STRIKES_MAX = 2


@dataclass(frozen=True, slots=True)
class Strikes:
    """Strike files in one folder, a line each."""

    folder: Path

    def add(self, model: str, version: str, generation: int, why: str) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        with self._path(model, version, generation).open("a", encoding="utf-8") as lines:
            lines.write(f"{why}\n")

    def quarantined(self, state: DeploymentState) -> dict[str, str]:
        """The deployment's versions that have struck out, with the last reason."""
        found = {}
        for served in state.versions:
            lines = self._lines(state.model, served.version, state.generation)
            if len(lines) >= STRIKES_MAX:
                found[served.version] = lines[-1]
        return found

    def _lines(self, model: str, version: str, generation: int) -> list[str]:
        try:
            return self._path(model, version, generation).read_text(encoding="utf-8").splitlines()
        except FileNotFoundError:
            return []

    def _path(self, model: str, version: str, generation: int) -> Path:
        return self.folder / f"{model}@{version}@{generation}.strikes"
