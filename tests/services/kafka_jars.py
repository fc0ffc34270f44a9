"""The broker's jars: fetched once by Maven, kept outside the repository.

In: `pom.xml` and the machine's own Maven settings. Out: a folder of jars under the user's cache.
"""

import hashlib
from pathlib import Path

from tests.services.fetching import fetched

KAFKA_VERSION = "4.1.0"
POM = Path(__file__).with_name("pom.xml")


def kafka_jars() -> Path:
    """The folder of the broker's jars, fetched if it is not there yet.

    Raises `ServiceMissingError` without Maven, `ServerFailedError` when the fetch fails.
    """
    recipe = hashlib.sha256(POM.read_bytes()).hexdigest()[:8]
    return fetched(f"kafka-{KAFKA_VERSION}-{recipe}", _goals, proof="kafka_*.jar")


def _goals(folder: Path) -> list[str]:
    return [
        f"--file={POM}",
        "dependency:copy-dependencies",
        "-DincludeScope=runtime",
        f"-DoutputDirectory={folder}",
    ]
