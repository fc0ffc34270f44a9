"""How often a planted fault really hit; a test whose fault never hit has proved nothing."""

from dataclasses import dataclass, field

import pytest

HITS = pytest.StashKey[list[str]]()


@dataclass(slots=True)
class FaultLog:
    """Counts for the end of the test run; zero is a failure."""

    test: str
    lines: list[str] = field(default_factory=list)

    def hit(self, what: str, count: int) -> None:
        """Note that a fault hit `count` times."""
        self.lines.append(f"{self.test}: {what}: {count}")

        assert count > 0, f"the fault never hit, so this run proved nothing: {what}"
