"""The image's own steps, in a clean folder and without Docker; what they build runs a stack whose health is asked.

Differences to a build: folders of the image lie below the test's, pip may use its cache, and the
step that adds a user to the system is left out.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.house.sources import ROOT
from tests.services.waiting import wait_for

DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")
SERVICES = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))["services"]
IMAGE_FOLDERS = ("/opt/penstock", "/var/lib/penstock")
STEP_S = 280
READY_S = 120.0


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the build stage's steps were carried out, as if it were the root of the image."""
    root = tmp_path_factory.mktemp("image")
    source = root / "src"
    source.mkdir()
    for kind, words in steps(DOCKERFILE.split("\nFROM ")[1]):
        if kind == "COPY":
            *names, target = words.split()
            for name in names:
                copy_from_context(name, source / target.rstrip("/") / ("" if not target.endswith("/") else name))
        elif kind == "RUN":
            run_step(words, root=root, source=source)
    return root


def steps(stage: str) -> list[tuple[str, str]]:
    """Instructions of one stage, in their order, with their lines joined."""
    joined = re.sub(r"\\\n\s*", "", stage)
    return re.findall(r"^(COPY|RUN|ENV|WORKDIR) (.+)$", joined, re.MULTILINE)


def copy_from_context(name: str, target: Path) -> None:
    """What the builder would be given: what .dockerignore lets through."""
    allowed = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    assert f"!{name}" in allowed, f"{name} is not in the build context"
    path = ROOT / name
    if path.is_dir():
        shutil.copytree(path, target, ignore=shutil.ignore_patterns("__pycache__"))
    else:
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, target)


def run_step(command: str, *, root: Path, source: Path) -> None:
    for folder in IMAGE_FOLDERS:
        command = command.replace(folder, f"{root}{folder}")
    command = command.replace("--no-cache-dir", "").replace("python -m venv", f"{sys.executable} -m venv")
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "VIRTUAL_ENV"))}
    ended = subprocess.run(
        command, shell=True, cwd=source, env=clean, capture_output=True, text=True, timeout=STEP_S, check=False
    )
    assert ended.returncode == 0, f"{command}\n{ended.stdout[-2_000:]}\n{ended.stderr[-2_000:]}"


def health_commands() -> list[list[str]]:
    """What the containers are judged by, for the processes that `penstock up` has: one of each role."""
    tests = [
        service["healthcheck"]["test"][1:]
        for service in SERVICES.values()
        if service["image"] == "penstock" and "healthcheck" in service
    ]
    return [words for words in tests if words[-1] in ("0", words[2])]


def test_the_steps_build_what_the_containers_run(image: Path, tmp_path: Path) -> None:
    """The command starts from the built environment alone, and every health check says what is so."""
    program = image / "opt" / "penstock" / "bin" / "penstock"
    environment = {
        "PATH": f"{program.parent}:/usr/bin:/bin",
        "PENSTOCK_DATA_DIR": str(tmp_path / "data"),
        "HOME": "/nonexistent",
    }
    commands = health_commands()
    before = healthy(commands[0], environment, tmp_path)
    with (tmp_path / "out").open("wb") as out:
        stack = subprocess.Popen(
            [program, "up"],
            cwd=tmp_path,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            start_new_session=True,
        )
    try:
        wait_for(lambda: b"ready {" in (tmp_path / "out").read_bytes(), "the stack serves", timeout_s=READY_S)
        after = [healthy(words, environment, tmp_path) for words in commands]
    finally:
        stack.terminate()
        returncode = stack.wait(60)
    stopped = [healthy(words, environment, tmp_path) for words in commands]

    assert len(commands) >= 5
    assert (before, after, stopped) == (1, [0] * len(commands), [1] * len(commands))
    assert returncode == 0


def test_nothing_but_penstock_and_what_it_needs_is_inside(image: Path) -> None:
    """The rooms are there, tests and tools are not."""
    packages = image / "opt" / "penstock" / "lib"
    names = {path.name for path in packages.glob("python*/site-packages/*")}

    assert {"penstock", "runtime", "schemas", "streams"} <= names
    assert names & {"tests", "pytest", "mypy", "ruff", "docs", "benchmarks"} == set()


def healthy(words: list[str], environment: dict[str, str], folder: Path) -> int:
    """The exit code of a health check, found by the image's path alone."""
    program = shutil.which(words[0], path=environment["PATH"])
    assert program is not None, words
    return subprocess.run(
        [program, *words[1:]], cwd=folder, env=environment, capture_output=True, timeout=60, check=False
    ).returncode
