"""Which tools real servers need and where they are: a JDK of 17 or newer, and Maven.

In: PATH and JAVA_HOME. Out: paths, or the names of what to install. Downloads and starts nothing.
"""

import os
import re
import shutil
import subprocess
from pathlib import Path

from tests.services.errors import ServiceMissingError

JAVA_MAJOR_MIN = 17
JAVA_TO_INSTALL = f"a JDK of version {JAVA_MAJOR_MIN} or newer (Debian: openjdk-17-jdk-headless)"
MAVEN_TO_INSTALL = "Apache Maven (Debian: maven)"


def missing_for_servers() -> tuple[str, ...]:
    """What to install before real servers can run here; empty when nothing is missing."""
    found = {JAVA_TO_INSTALL: find_java(), MAVEN_TO_INSTALL: find_maven()}
    return tuple(what for what, path in found.items() if path is None)


def require_java() -> Path:
    """The `java` to run servers with. Raises `ServiceMissingError`."""
    java = find_java()
    if java is None:
        raise ServiceMissingError((JAVA_TO_INSTALL,))
    return java


def require_maven() -> Path:
    """The `mvn` to fetch servers with. Raises `ServiceMissingError`."""
    maven = find_maven()
    if maven is None:
        raise ServiceMissingError((MAVEN_TO_INSTALL,))
    return maven


def find_java() -> Path | None:
    """A new enough `java` from JAVA_HOME or PATH."""
    home = os.environ.get("JAVA_HOME")
    candidates = ([Path(home, "bin", "java")] if home else []) + _on_path("java")
    return next((java for java in candidates if _java_major(java) >= JAVA_MAJOR_MIN), None)


def find_maven() -> Path | None:
    """`mvn` from PATH."""
    return next(iter(_on_path("mvn")), None)


def java_major(version_text: str) -> int:
    """The major version that `java -version` tells; 0 when it does not.

    >>> java_major('openjdk version "17.0.15" 2025-04-15')
    17
    >>> java_major('java version "1.8.0_392"')
    1
    >>> java_major("java: not found")
    0
    """
    found = re.search(r'version "(\d+)', version_text)
    return int(found.group(1)) if found else 0


def _on_path(name: str) -> list[Path]:
    found = shutil.which(name)
    return [Path(found)] if found else []


def _java_major(java: Path) -> int:
    try:
        told = subprocess.run([java, "-version"], capture_output=True, text=True, timeout=30, check=False)
    except OSError:
        return 0
    return java_major(told.stderr)
