"""The containers start what exists: every command, setting and file that they name is there."""

import re
import shlex

import orjson
import pytest

from docs.pages.settings import setting_names, variable_of
from penstock.roles import ROLES
from tests.house.command_lines import fault_of
from tests.house.sources import ROOMS, ROOT

COMPOSE = (ROOT / "docker-compose.yml").read_text(encoding="utf-8")
DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")
COMMANDS = [orjson.loads(found) for found in re.findall(r"^\s+command: (\[.*\])$", COMPOSE, re.MULTILINE)]


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_every_command_exists(command: list[str]) -> None:
    """The command line understands what each container runs."""
    assert fault_of(f"penstock {shlex.join(command)}") is None


def test_every_role_has_a_container() -> None:
    """All that `penstock up` would start on real servers is started."""
    started = {command[1] for command in COMMANDS if command[0] == "run"}

    assert started == set(ROLES) - {"broker"}


def test_each_slot_has_one_owner() -> None:
    """Two scorers in one slot would fence each other for ever."""
    slots = [command[-1] for command in COMMANDS if command[:2] == ["run", "scorer"]]

    assert sorted(slots) == sorted(set(slots))


def test_every_setting_exists() -> None:
    """Each environment variable of penstock is one that is read."""
    named = set(re.findall(r"\bPENSTOCK_\w+", COMPOSE + DOCKERFILE))

    assert named - {variable_of(name) for name in setting_names()} == set()


def test_the_image_is_built_from_files_that_are_there() -> None:
    """Every room is copied, and nothing that is missing or ignored."""
    copied = [
        word for line in re.findall(r"^COPY (?!--from)(.*)$", DOCKERFILE, re.MULTILINE) for word in line.split()[:-1]
    ]
    let_through = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()

    assert [name for name in copied if not (ROOT / name).exists()] == []
    assert [name for name in copied if f"!{name}" not in let_through] == []
    assert set(ROOMS) <= set(copied)


def test_what_runs_is_not_root_and_has_no_build_tools() -> None:
    """The last stage takes the environment from the first and gives up root before it starts anything."""
    _, *stages = DOCKERFILE.split("\nFROM ")

    assert len(stages) == 2
    assert stages[-1].index("\nUSER penstock") < stages[-1].index("\nENTRYPOINT")


def test_images_name_no_host() -> None:
    """Where images come from is the machine's affair."""
    images = re.findall(r"^\s*(?:image:|FROM) (\S+)", f"{COMPOSE}\n{DOCKERFILE}", re.MULTILINE)

    assert len(images) == 4
    assert [image for image in images if re.match(r"[^/]*[.:][^/]*/", image)] == []
