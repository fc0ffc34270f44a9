"""A real schema registry for tests and for people: Apicurio on 127.0.0.1, asked through Confluent's API.

Fetched and unpacked once by Maven. It keeps its schemas in a file below `data_dir`, so
it may be stopped, killed and started again without forgetting any.
"""

import signal
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import urllib3

from tests.services.errors import ServerFailedError
from tests.services.fetching import fetched
from tests.services.ports import answers, free_ports
from tests.services.prerequisites import require_registry_java
from tests.services.processes import dies_with_us

APICURIO_VERSION = "3.3.3"
UNPACK_GOAL = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:unpack"
ARTIFACT = f"io.apicurio:apicurio-registry-app:{APICURIO_VERSION}:tar.gz:all"
JAR = "quarkus-run.jar"
START_TIMEOUT_S = 120.0
STOP_TIMEOUT_S = 30.0
POLL_S = 0.1


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
    _process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        ports = free_ports(2)
        self.port = self.port or ports[0]
        self._management_port = ports[1]

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
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start and wait until it answers.

        Raises `ServiceMissingError` without JDK or Maven, `ServerFailedError` when it does not get ready.
        """
        assert not self.running, "a registry is started once at a time"
        properties = {
            "quarkus.http.host": "127.0.0.1",
            "quarkus.http.port": str(self.port),
            "quarkus.management.host": "127.0.0.1",
            "quarkus.management.port": str(self._management_port),
            "apicurio.datasource.url": f"jdbc:h2:file:{self.data_dir.absolute()}/schemas",
            **self.options,
        }
        self.data_dir.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as out:
            self._process = subprocess.Popen(
                [
                    *dies_with_us(),
                    str(require_registry_java()),
                    "-Xmx320m",
                    *(f"-D{name}={value}" for name, value in properties.items()),
                    "-jar",
                    str(registry_app() / JAR),
                ],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._wait_until_ready()

    def stop(self) -> None:
        """Ask the registry to end and wait; kill it when it does not."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End the registry without asking."""
        self._end(signal.SIGKILL)

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + START_TIMEOUT_S
        while time.monotonic() < deadline:
            if not self.running:
                raise ServerFailedError("the schema registry ended while it started", self.log)
            if answers(self.port) and self._serves():
                return
            time.sleep(POLL_S)
        self.kill()
        raise ServerFailedError(f"the schema registry was not ready within {START_TIMEOUT_S:.0f} s", self.log)

    def _serves(self) -> bool:
        """Whether it answers at all: with security switched on it may well say no."""
        try:
            answer = urllib3.request("GET", f"{self.url}/subjects", timeout=5.0, retries=False)
        except urllib3.exceptions.HTTPError:
            return False
        return answer.status in (200, 401, 403)

    def _end(self, how: signal.Signals) -> None:
        if self._process is None:
            return
        if self.running:
            self._process.send_signal(how)
        try:
            self._process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(STOP_TIMEOUT_S)
        self._process = None
