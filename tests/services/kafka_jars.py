"""The broker's jars: fetched once by Maven, kept outside the repository.

In: `pom.xml` and the machine's own Maven settings. Out: a folder of jars under the user's
cache. A fetch goes to a folder of its own that is renamed when it is whole, so a fetch that
was interrupted, or two at once, leave nothing half done.
"""

import hashlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from tests.services.errors import ServerFailedError
from tests.services.prerequisites import require_maven

KAFKA_VERSION = "4.1.0"
POM = Path(__file__).with_name("pom.xml")
FETCH_TIMEOUT_S = 600.0


def kafka_jars() -> Path:
    """The folder of the broker's jars, fetched if it is not there yet.

    Raises `ServiceMissingError` without Maven, `ServerFailedError` when the fetch fails.
    """
    recipe = hashlib.sha256(POM.read_bytes()).hexdigest()[:8]
    home = cache_dir() / f"kafka-{KAFKA_VERSION}-{recipe}"
    if not home.is_dir():
        _fetch(home)
    return home


def cache_dir() -> Path:
    """Where downloads of penstock's tests are kept: the user's cache folder."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "penstock"


def _fetch(home: Path) -> None:
    maven = require_maven()
    home.parent.mkdir(parents=True, exist_ok=True)
    staging = Path(tempfile.mkdtemp(prefix=f"{home.name}.", dir=home.parent))
    try:
        _copy_dependencies(maven, staging, log=home.parent / f"{home.name}.fetch.log")
        _move_into_place(staging, home)
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _copy_dependencies(maven: Path, folder: Path, *, log: Path) -> None:
    command = [
        str(maven),
        "--batch-mode",
        f"--file={POM}",
        "dependency:copy-dependencies",
        "-DincludeScope=runtime",
        f"-DoutputDirectory={folder}",
    ]
    with log.open("wb") as out:
        ended = subprocess.run(command, stdout=out, stderr=subprocess.STDOUT, timeout=FETCH_TIMEOUT_S, check=False)
    if ended.returncode != 0 or not any(folder.glob("kafka_*.jar")):
        raise ServerFailedError(f"Maven could not fetch Kafka {KAFKA_VERSION}", log)


def _move_into_place(staging: Path, home: Path) -> None:
    try:
        staging.rename(home)
    except OSError:
        # Another process was faster; its folder is as good as ours.
        if not home.is_dir():
            raise
