"""The commands that runbooks tell to give are given, on a running stack."""

import shlex
from pathlib import Path

import pytest

from tests.house.command_lines import commands_in
from tests.house.sources import ROOT
from tests.penstock.command import run
from tests.penstock.conftest import MODEL, Shop

pytestmark = pytest.mark.wire

PAGES = sorted((ROOT / "docs" / "runbooks").glob("*.md"))
CHANGING = {("activate",), ("losses",), ("models", "bar"), ("models", "retire")}
COMMANDS = sorted({line for page in PAGES for line in commands_in(page.read_text(encoding="utf-8"))})


def test_runbooks_have_commands() -> None:
    """The rule below would hold for none."""
    assert len(COMMANDS) > 15


@pytest.mark.parametrize("line", COMMANDS)
def test_a_command_of_a_runbook_works(capsys: pytest.CaptureFixture[str], shop: Shop, line: str) -> None:
    """It exits with 0 on a stack that is well; versions that only an example names need not be there."""
    words = [word.replace("flights", MODEL) for word in shlex.split(line)[1:]]
    assert tuple(words[:1]) not in CHANGING
    assert tuple(words[:2]) not in CHANGING
    if words[:2] == ["models", "verify"]:
        words = ["models", "verify", MODEL, "1"]
    ended = run(capsys, [*words, "--data-dir", Path(shop.data_dir)])

    assert ended.code == 0, ended.err
