"""A real Kafka broker for tests and for people: one KRaft node on 127.0.0.1, without Docker.

`start` formats the data folder once and waits until the broker answers; `stop` asks it to end,
`kill` does not ask; `restart` brings it back on the same port with the same data. It touches
nothing outside its folder and ends only the process that it started.
"""

import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from tests.services.errors import ServerFailedError
from tests.services.kafka_jars import kafka_jars
from tests.services.ports import free_ports
from tests.services.prerequisites import require_java
from tests.services.processes import ServerProcess

START_TIMEOUT_S = 90.0

PROPERTIES = """
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller_port}
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller_port}
advertised.listeners=PLAINTEXT://127.0.0.1:{port}
controller.listener.names=CONTROLLER
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT
log.dirs={logs}
num.partitions=1
auto.create.topics.enable=false
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=4
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
broker.heartbeat.interval.ms=500
broker.session.timeout.ms=3000
"""


@dataclass(slots=True, kw_only=True)
class KafkaServer:
    """One broker with its data under `data_dir`; `log` is what it said.

    `properties` go over those that it needs here, `format_options` to Kafka's tool that makes the
    data folder, and `client` are properties of whoever asks whether it is up.
    """

    data_dir: Path
    properties: Mapping[str, str] = field(default_factory=dict)
    format_options: Sequence[str] = ()
    client: Mapping[str, str | int | float | bool] = field(default_factory=dict)
    heap_mb: int = 1_024
    port: int = 0
    _controller_port: int = 0
    _process: ServerProcess = field(init=False, repr=False)

    def __post_init__(self) -> None:
        ports = free_ports(2)
        self.port = self.port or ports[0]
        self._controller_port = ports[1]
        self._process = ServerProcess(name="the Kafka broker", start_timeout_s=START_TIMEOUT_S)

    @property
    def controller_port(self) -> int:
        return self._controller_port

    @property
    def bootstrap_servers(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def log(self) -> Path:
        return self.data_dir / "broker.log"

    @property
    def pid(self) -> int | None:
        """The broker's process id while it runs."""
        return self._process.pid

    @property
    def running(self) -> bool:
        return self._process.running

    def start(self) -> None:
        """Start and wait until the broker answers.

        Raises `ServiceMissingError` without JDK or Maven, `ServerFailedError` when it does not get ready.
        """
        self._format_once()
        self._process.start(
            [*self._java(), "kafka.Kafka", self._properties],
            self.log,
            port=self.port,
            serves=lambda: _serves({"bootstrap.servers": self.bootstrap_servers, **self.client}),
        )

    def stop(self) -> None:
        """Ask the broker to end and wait; kill it when it does not."""
        self._process.stop(port=self.port)

    def kill(self) -> None:
        """End the broker without asking."""
        self._process.kill(port=self.port)

    def restart(self, *, down_s: float = 0.0) -> None:
        """Stop, stay down for that long, and start again on the same port with the same data."""
        self.stop()
        time.sleep(down_s)
        self.start()

    @property
    def _properties(self) -> Path:
        return self.data_dir / "server.properties"

    def _java(self) -> list[str]:
        return [
            str(require_java()),
            "-Xms256m",
            f"-Xmx{self.heap_mb}m",
            "-Dorg.slf4j.simpleLogger.showDateTime=true",
            "-Dorg.slf4j.simpleLogger.dateTimeFormat=yyyy-MM-dd HH:mm:ss.SSS",
            "-cp",
            f"{kafka_jars()}/*",
        ]

    def _format_once(self) -> None:
        logs = self.data_dir / "logs"
        if (logs / "meta.properties").exists():
            return
        self.data_dir.mkdir(parents=True, exist_ok=True)
        needed = PROPERTIES.format(port=self.port, controller_port=self._controller_port, logs=logs)
        further = "".join(f"{name}={value}\n" for name, value in self.properties.items())
        self._properties.write_text(needed + further)
        cluster = self._storage_tool("random-uuid").strip().splitlines()[-1]
        self._storage_tool("format", "-t", cluster, "-c", str(self._properties), *self.format_options)

    def _storage_tool(self, *arguments: str) -> str:
        command = [*self._java(), "kafka.tools.StorageTool", *arguments]
        ended = subprocess.run(command, capture_output=True, text=True, timeout=START_TIMEOUT_S, check=False)
        if ended.returncode != 0:
            self.log.write_text(ended.stdout + ended.stderr)
            raise ServerFailedError("Kafka's storage tool failed", self.log)
        return ended.stdout


def _serves(client: Mapping[str, str | int | float | bool]) -> bool:
    admin = AdminClient({**client, "log_level": 0})
    try:
        return bool(admin.list_topics(timeout=2).brokers)
    except KafkaException:
        return False
