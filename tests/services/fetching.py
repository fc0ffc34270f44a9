"""What Maven fetches once and the user's cache keeps, outside the repository.

In: a recipe that fills a folder. Out: that folder, whole. A fetch goes to a folder of its own
that is renamed when it is done, so one that was interrupted, or two at once, leave nothing half done.
"""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from tests.services.errors import ServerFailedError
from tests.services.prerequisites import require_maven

FETCH_TIMEOUT_S = 600.0

Goals = Callable[[Path], Sequence[str]]


def fetched(name: str, goals: Goals, *, proof: str) -> Path:
    """The folder `name` of the cache, filled by Maven if it is not there yet.

    `goals`: Maven's arguments, given the folder to fill. `proof`: a pattern that some file in it
    has to match. Raises `ServiceMissingError` without Maven, `ServerFailedError` when the fetch fails.
    """
    home = cache_dir() / name
    if not home.is_dir():
        _fetch(home, goals, proof=proof)
    return home


def cache_dir() -> Path:
    """Where downloads of penstock's tests are kept: the user's cache folder."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "penstock"


def _fetch(home: Path, goals: Goals, *, proof: str) -> None:
    maven = require_maven()
    home.parent.mkdir(parents=True, exist_ok=True)
    staging = Path(tempfile.mkdtemp(prefix=f"{home.name}.", dir=home.parent))
    log = home.parent / f"{home.name}.fetch.log"
    command = [str(maven), "--batch-mode", *goals(staging)]
    try:
        # Outside a project Maven's plugins take `${project.basedir}` by its letters, as a folder below the present one.
        with log.open("wb") as out, tempfile.TemporaryDirectory(dir=home.parent) as scratch:
            ended = subprocess.run(
                command, cwd=scratch, stdout=out, stderr=subprocess.STDOUT, timeout=FETCH_TIMEOUT_S, check=False
            )
        if ended.returncode != 0 or not any(staging.glob(proof)):
            raise ServerFailedError(f"Maven could not fetch {home.name}", log)
        _move_into_place(staging, home)
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _move_into_place(staging: Path, home: Path) -> None:
    try:
        staging.rename(home)
    except OSError:
        # Another process was faster; its folder is as good as ours.
        if not home.is_dir():
            raise
