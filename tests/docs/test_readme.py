"""The README's five minutes, word for word, on a fresh data directory."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import orjson
import pytest

from tests.house.sources import ROOT, fenced_blocks
from tests.stack import PenstockProcess

TITLE = "## Five minutes to a first prediction from your own model"
BOTTLES = 50
COMMAND_TIMEOUT_S = 120.0
STORED_TIMEOUT_S = 60.0


@dataclass(frozen=True, slots=True)
class Walk:
    """What the README shows in this section: its Python file and its shell lines, `penstock up` apart."""

    file: str
    content: str
    install: tuple[str, ...]
    before: tuple[str, ...]
    after: tuple[str, ...]


@pytest.fixture(scope="module")
def walk() -> Walk:
    section = (ROOT / "README.md").read_text(encoding="utf-8").split(TITLE, 1)[1].split("\n## ", 1)[0]
    blocks = list(fenced_blocks(section))
    shell = [tuple(content.splitlines()) for language, content in blocks if language == "sh"]
    (content,) = [content for language, content in blocks if language == "python"]
    up = shell.index(("penstock up",))
    return Walk(
        file=content.splitlines()[0].removeprefix("# "),
        content=content,
        install=shell[0],
        before=tuple(line for block in shell[1:up] for line in block),
        after=tuple(line for block in shell[up + 1 :] for line in block),
    )


@pytest.fixture(scope="module")
def answers(walk: Walk, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """What each of the README's commands printed, in a folder where nothing was before."""
    folder = tmp_path_factory.mktemp("five-minutes")
    (folder / walk.file).write_text(walk.content, encoding="utf-8")
    said = {line: _run(line, folder) for line in walk.before}
    stack = PenstockProcess(arguments=("up",), data_dir=folder / ".penstock", name="up")
    stack.start()
    try:
        stack.wait_ready()
        for line in walk.after:
            said[line] = _run_when_stored(line, folder) if line.startswith("penstock query") else _run(line, folder)
        said["ledger"] = _run("penstock ledger --json", folder)
        yield said
    finally:
        stack.stop()


def test_installing_is_what_the_makefile_does(walk: Walk) -> None:
    """The first block is make's own target and the environment that it makes."""
    assert walk.install == ("make setup", ". .venv/bin/activate")


def test_every_bottle_is_judged(answers: dict[str, str]) -> None:
    """The tail prints as many predictions as requests were sent, each with its bottle."""
    (tail,) = [said for line, said in answers.items() if line.startswith("penstock predictions tail")]
    bottles = {word for line in tail.splitlines() for word in line.split("\t") if word.startswith("bottle-")}

    assert bottles == {f"bottle-{number}" for number in range(BOTTLES)}


def test_the_question_has_an_answer_for_each_grape(answers: dict[str, str]) -> None:
    """The query finds the three classes in the store."""
    (asked,) = [said for line, said in answers.items() if line.startswith("penstock query")]
    labels = [line.split()[0] for line in asked.splitlines()[2:]]

    assert labels == ["0", "1", "2"]


def test_the_ledger_balances(answers: dict[str, str]) -> None:
    """All fifty are accepted and scored, and nothing else."""
    (model,) = orjson.loads(answers["ledger"])["models"]

    counts = [model[name] for name in ("accepted", "scored", "dead_lettered", "in_flight", "lost", "duplicates")]
    assert counts == [BOTTLES, BOTTLES, 0, 0, 0, 0]
    assert model["balanced"]


def _run_when_stored(line: str, folder: Path) -> str:
    """Run a question, slower than a person would type it: once every prediction is in the store."""
    deadline = time.monotonic() + STORED_TIMEOUT_S
    count = 'penstock query "SELECT count(*) AS n FROM predictions" --json'
    while orjson.loads(_run(count, folder)) != [{"n": BOTTLES}] and time.monotonic() < deadline:
        time.sleep(0.2)
    return _run(line, folder)


def _run(line: str, folder: Path) -> str:
    """Run one line of the README in a shell, with the commands of this Python first."""
    commands = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    assert shutil.which("penstock", path=commands) is not None
    ended = subprocess.run(
        ["/bin/sh", "-c", line],
        cwd=folder,
        env={**os.environ, "PATH": commands},
        capture_output=True,
        text=True,
        timeout=COMMAND_TIMEOUT_S,
        check=False,
    )
    assert ended.returncode == 0, f"{line}: {ended.stderr}"
    return ended.stdout
