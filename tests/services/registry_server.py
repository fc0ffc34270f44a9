"""A real schema registry for tests and for people: Apicurio on 127.0.0.1, asked through Confluent's API.

Fetched and unpacked once by Maven. It keeps its schemas in a file below `data_dir`, so
it may be stopped, killed and started again without forgetting any.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import urllib3

from tests.services.fetching import fetched
from tests.services.ports import free_ports
from tests.services.prerequisites import require_registry_java
from tests.services.processes import ServerProcess

APICURIO_VERSION = "3.3.3"
UNPACK_GOAL = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:unpack"
ARTIFACT = f"io.apicurio:apicurio-registry-app:{APICURIO_VERSION}:tar.gz:all"
JAR = "quarkus-run.jar"
START_TIMEOUT_S = 120.0


def registry_app() -> Path:
    """The folder of the unpacked registry, fetched if it is not there yet.

    Raises `ServiceMissingError` without Maven, `ServerFailedError` when the fetch fails.
    """
    return fetched(
        f"apicurio-{APICURIO_VERSION}",
        lambda folder: [UNPACK_GOAL, f"-Dartifact={ARTIFACT}", f"-DoutputDirectory={folder}"],
        proof=JAR,
    )


@dataclass(slots=True, kw_only=True)
class RegistryServer:
    """One registry with its schemas under `data_dir`; `options` are further properties of the server."""

    data_dir: Path
    options: Mapping[str, str] = field(default_factory=dict)
    port: int = 0
    _management_port: int = 0
    _process: ServerProcess = field(init=False, repr=False)

    def __post_init__(self) -> None:
        ports = free_ports(2)
        self.port = self.port or ports[0]
        self._management_port = ports[1]
        self._process = ServerProcess(name="the schema registry", start_timeout_s=START_TIMEOUT_S)

    @property
    def url(self) -> str:
        """The base of the Confluent API."""
        return f"http://127.0.0.1:{self.port}{self.path}"

    @property
    def path(self) -> str:
        return "/apis/ccompat/v7"

    @property
    def log(self) -> Path:
        return self.data_dir / "registry.log"

    @property
    def running(self) -> bool:
        return self._process.running

    def start(self) -> None:
        """Start and wait until it answers.

        Raises `ServiceMissingError` without JDK or Maven, `ServerFailedError` when it does not get ready.
        """
        properties = {
            "quarkus.http.host": "127.0.0.1",
            "quarkus.http.port": str(self.port),
            "quarkus.management.host": "127.0.0.1",
            "quarkus.management.port": str(self._management_port),
            "apicurio.datasource.url": f"jdbc:h2:file:{self.data_dir.absolute()}/schemas",
            **self.options,
        }
        self.data_dir.mkdir(parents=True, exist_ok=True)
        self._process.start(
            [
                require_registry_java(),
                "-Xmx320m",
                *(f"-D{name}={value}" for name, value in properties.items()),
                "-jar",
                registry_app() / JAR,
            ],
            self.log,
            port=self.port,
            serves=self._serves,
        )

    def stop(self) -> None:
        """Ask the registry to end and wait; kill it when it does not."""
        self._process.stop(port=self.port)

    def kill(self) -> None:
        """End the registry without asking."""
        self._process.kill(port=self.port)

    def _serves(self) -> bool:
        """Whether it answers at all: with security switched on it may well say no."""
        try:
            answer = urllib3.request("GET", f"{self.url}/subjects", timeout=5.0, retries=False)
        except urllib3.exceptions.HTTPError:
            return False
        return answer.status in (200, 401, 403)
