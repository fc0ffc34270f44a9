"""The wheel holds what it should, imports in isolation, and shares no name with a dependency."""

import subprocess
import sys
import sysconfig
import zipfile
from importlib import metadata
from pathlib import Path

import orjson
import pytest
from hatchling.builders.wheel import WheelBuilder

from schemas.events import EVENT_TYPES
from tests.house.sources import ROOMS, ROOT

IMPORT_TIMEOUT_S = 300.0
IMPORT_ALL = """
import importlib, json, pkgutil, sys, threading
target, libraries, *rooms = sys.argv[1:]
sys.path[:0] = [target]
sys.path.append(libraries)
found = {}
for room in rooms:
    package = importlib.import_module(room)
    found[room] = package.__file__
    for module in pkgutil.walk_packages(package.__path__, f"{room}."):
        found[module.name] = importlib.import_module(module.name).__file__
threads = [thread.name for thread in threading.enumerate() if thread is not threading.main_thread()]
print(json.dumps({"modules": found, "threads": threads}))
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel as a release would build it."""
    folder = tmp_path_factory.mktemp("wheel")
    (built,) = WheelBuilder(str(ROOT)).build(directory=str(folder), versions=["standard"])
    return Path(built)


def test_the_wheel_holds_the_rooms_and_nothing_else(wheel: Path) -> None:
    """Tests, documents and benchmarks stay at home."""
    names = {name.split("/", 1)[0] for name in zipfile.ZipFile(wheel).namelist()}

    assert {name for name in names if not name.endswith(".dist-info")} == set(ROOMS)


def test_the_wheel_holds_schemas_and_marks_of_types(wheel: Path) -> None:
    """What is no Python is in the wheel too: a schema for each event, and py.typed for each room."""
    names = set(zipfile.ZipFile(wheel).namelist())
    wanted = {f"schemas/avro/{event.avro_name}.avsc" for event in EVENT_TYPES} | {f"{room}/py.typed" for room in ROOMS}

    assert wanted - names == set()


def test_the_wheel_can_not_be_uploaded(wheel: Path) -> None:
    """The classifier keeps a public index from taking it."""
    archive = zipfile.ZipFile(wheel)
    (name,) = [name for name in archive.namelist() if name.endswith(".dist-info/METADATA")]

    assert "Classifier: Private :: Do Not Upload" in archive.read(name).decode()


def test_every_module_imports_from_the_wheel_and_does_nothing(wheel: Path, tmp_path: Path) -> None:
    """Installed beside its dependencies alone, every module imports, from there, and starts no thread."""
    target = tmp_path / "installed"
    _run([sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--no-index", "--target", str(target), str(wheel)])

    libraries = sysconfig.get_path("purelib")
    said = _run(
        [sys.executable, "-I", "-S", "-W", "ignore", "-c", IMPORT_ALL, str(target), libraries, *ROOMS], tmp_path
    )

    found = orjson.loads(said)
    modules = {path.relative_to(ROOT).as_posix() for room in ROOMS for path in (ROOT / room).rglob("*.py")}
    assert len(found["modules"]) == len(modules)
    assert [name for name, path in found["modules"].items() if not path.startswith(str(target))] == []
    assert found["threads"] == []


@pytest.mark.parametrize("room", ROOMS)
def test_no_dependency_owns_our_names(room: str) -> None:
    """No installed distribution but ours brings a package of a room's name, and neither does Python."""
    owners = set(metadata.packages_distributions().get(room, ()))

    assert owners <= {"penstock"}
    assert room not in sys.stdlib_module_names


def _run(command: list[str], folder: Path = ROOT) -> str:
    ended = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=IMPORT_TIMEOUT_S, check=False)
    assert ended.returncode == 0, ended.stderr
    return ended.stdout
