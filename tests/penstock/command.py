"""One `penstock` command run inside this process, as the `penstock` script runs it."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pytest

from penstock.cli.boundary import run_command


@dataclass(frozen=True, slots=True)
class Ended:
    """How a command ended: exit code, what went to stdout and what to stderr."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Stdout, parsed."""
        return json.loads(self.out)


def run(capsys: pytest.CaptureFixture[str], arguments: Sequence[object]) -> Ended:
    """Run one command to its end."""
    capsys.readouterr()
    code = run_command([str(argument) for argument in arguments])
    said = capsys.readouterr()
    return Ended(code, said.out, said.err)
