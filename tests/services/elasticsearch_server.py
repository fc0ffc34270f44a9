"""A real Elasticsearch for tests and for people: one node on 127.0.0.1, without Docker.

The distribution is the one that plugins are tested with: the real server with few modules, fetched
once by Maven. It lacks `GET /`, scripts, ILM, reindexing and ES|QL. It refuses to run as root, so
there it runs as nobody, in a folder that is nobody's; `remove` takes that folder away.
"""

import os
import shutil
import tempfile
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from elasticsearch import ApiError, Elasticsearch, TransportError

from runtime.settings import StoreSettings
from tests.services.fetching import fetched
from tests.services.ports import free_ports
from tests.services.prerequisites import require_java
from tests.services.processes import ServerProcess

ELASTICSEARCH_VERSION = "8.19.21"
COPY_GOAL = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy"
ARTIFACT = f"org.elasticsearch.distribution.integ-test-zip:elasticsearch:{ELASTICSEARCH_VERSION}:zip"
NOBODY = 65_534
START_TIMEOUT_S = 120.0

SETTINGS: Mapping[str, str] = {
    "cluster.name": "penstock-tests",
    "discovery.type": "single-node",
    "network.host": "127.0.0.1",
    "xpack.security.enabled": "false",
    "cluster.routing.allocation.disk.threshold_enabled": "false",
}


def elasticsearch_zip() -> Path:
    """The distribution, fetched if it is not there yet.

    Raises `ServiceMissingError` without Maven, `ServerFailedError` when the fetch fails.
    """
    name = f"elasticsearch-{ELASTICSEARCH_VERSION}"
    folder = fetched(
        name, lambda folder: [COPY_GOAL, f"-Dartifact={ARTIFACT}", f"-DoutputDirectory={folder}"], proof="*.zip"
    )
    return folder / f"{name}.zip"


@dataclass(slots=True, kw_only=True)
class ElasticsearchServer:
    """One node; `settings` go over those of elasticsearch.yml that it needs here.

    `files` are copied beside that one, and `access` is how the tests' own clients get in.
    """

    settings: Mapping[str, str] = field(default_factory=dict)
    files: Sequence[Path] = ()
    access: Mapping[str, Any] = field(default_factory=dict)
    heap_mb: int = 512
    port: int = 0
    _transport_port: int = 0
    _folder: Path | None = field(default=None, repr=False)
    _process: ServerProcess = field(init=False, repr=False)

    def __post_init__(self) -> None:
        ports = free_ports(2)
        self.port = self.port or ports[0]
        self._transport_port = ports[1]
        self._process = ServerProcess(name="Elasticsearch", start_timeout_s=START_TIMEOUT_S)

    @property
    def url(self) -> str:
        scheme = "https" if "ca_certs" in self.access else "http"
        return f"{scheme}://127.0.0.1:{self.port}"

    @property
    def home(self) -> Path:
        """Where the server is unpacked, with its configuration and data."""
        if self._folder is None:
            self._folder = self._unpack()
        return self._folder / f"elasticsearch-{ELASTICSEARCH_VERSION}"

    @property
    def log(self) -> Path:
        return self.home.parent / "server.log"

    @property
    def running(self) -> bool:
        return self._process.running

    def start(self) -> None:
        """Start and wait until the node answers.

        Raises `ServiceMissingError` without JDK or Maven, `ServerFailedError` when it does not get ready.
        """
        user = NOBODY if os.geteuid() == 0 else None
        with Elasticsearch(self.url, request_timeout=5.0, max_retries=0, **self.access) as client:
            self._process.start(
                [self.home / "bin" / "elasticsearch"],
                self.log,
                port=self.port,
                serves=lambda: _serves(client),
                cwd=self.home,
                env=self._environment(),
                user=user,
                group=user,
                extra_groups=None if user is None else [],
            )

    def stop(self) -> None:
        """Ask the server to end and wait; kill it when it does not."""
        self._process.stop(port=self.port)

    def kill(self) -> None:
        """End the launcher and the server that it started, without asking."""
        self._process.kill(port=self.port)

    def remove(self) -> None:
        """Take the folder with its data away."""
        assert not self.running, "a folder in use is not removed"
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None

    def client(self) -> Elasticsearch:
        """A client as tests use it, to look behind penstock's back."""
        return Elasticsearch(self.url, request_timeout=60.0, **self.access)

    def store_settings(self, prefix: str, **changes: Any) -> StoreSettings:
        """Settings of a store here whose indices begin with that prefix; what earlier tests left there is gone."""
        with self.client() as client:
            for index in client.indices.get(index=f"{prefix}-*"):
                client.indices.delete(index=index)
        return StoreSettings(elasticsearch_urls=self.url, index_prefix=prefix, **changes)

    def refresh(self, prefix: str) -> None:
        """Let everything that was written under that prefix be found."""
        with self.client() as client:
            client.indices.refresh(index=f"{prefix}-*")

    def _unpack(self) -> Path:
        """The distribution in a folder of its own, which the server's user may read and write.

        Not below pytest's folders, which nobody but their owner may enter.
        """
        folder = Path(tempfile.mkdtemp(prefix="penstock-elasticsearch-"))
        with zipfile.ZipFile(elasticsearch_zip()) as archive:
            archive.extractall(folder)
        (folder / "tmp").mkdir()
        home = folder / f"elasticsearch-{ELASTICSEARCH_VERSION}"
        for program in (home / "bin").iterdir():
            program.chmod(0o755)
        wanted = {
            **SETTINGS,
            "http.port": str(self.port),
            "transport.port": str(self._transport_port),
            **self.settings,
        }
        lines = [f"{name}: {value}\n" for name, value in wanted.items()]
        (home / "config" / "elasticsearch.yml").write_text("".join(lines), encoding="utf-8")
        for file in self.files:
            shutil.copy(file, home / "config")
        if os.geteuid() == 0:
            for path in (folder, *folder.rglob("*")):
                os.chown(path, NOBODY, NOBODY)
        return folder

    def _environment(self) -> dict[str, str]:
        return {
            "PATH": os.environ["PATH"],
            "ES_JAVA_HOME": str(require_java().resolve().parents[1]),
            "ES_JAVA_OPTS": f"-Xms{self.heap_mb}m -Xmx{self.heap_mb}m",
            # Its own choice is a new folder in the system's, which a server that is killed leaves behind.
            "ES_TMPDIR": str(self.home.parent / "tmp"),
        }


def _serves(client: Elasticsearch) -> bool:
    """Whether the cluster has its state; one that asks who we are serves too."""
    try:
        client.cluster.health(wait_for_status="yellow", timeout="1s")
    except ApiError as error:
        return error.status_code in (401, 403)
    except TransportError:
        return False
    return True
