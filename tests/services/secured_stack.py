"""penstock on a broker that asks who is there: every process and every person with a user and rights of its own.

Rights are given and topics made with penstock's own commands, as docs/operators.md says. What the
processes and commands say, and how they were started, is kept, to be searched for secrets.
"""

import base64
import os
import subprocess
import urllib.parse
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from confluent_kafka.admin import AdminClient

from penstock import wiring
from penstock.roles import ROLES
from runtime.access import PROCESSES
from runtime.settings import Settings, load_settings
from runtime.status import read_status
from tests.services.scoring_model import ScoringModel
from tests.services.secured_kafka import SecuredKafka, User
from tests.services.topic_records import read_topic
from tests.services.waiting import wait_for
from tests.stack import ROOT, PenstockProcess, command, command_line

MODEL = "boxes"
PEOPLE = ("producers", "consumers", "operators")
COMMAND_S = 120.0
READY_S = 120.0


@dataclass(slots=True)
class SecuredStack:
    """One deployment; `secrets` are planted wherever a setting takes one."""

    secured: SecuredKafka
    folder: Path
    prefix: str
    registry_url: str
    registry_token: str
    users: dict[str, User]
    said: list[str] = field(default_factory=list)
    started: list[str] = field(default_factory=list)
    processes: dict[str, PenstockProcess] = field(default_factory=dict)

    @classmethod
    def of(cls, secured: SecuredKafka, folder: Path, *, prefix: str, registry_url: str, token: str) -> "SecuredStack":
        """Users for every role, with no rights yet, and the settings that all share."""
        users = {role: secured.add_user(f"penstock-{role}") for role in (*PROCESSES, *PEOPLE)}
        made = cls(secured, folder, prefix, registry_url, token, {**users, "admin": secured.admin})
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "token").write_text(token)
        made.config.write_text(
            f'[kafka]\nbootstrap_servers = "{secured.server.bootstrap_servers}"\n'
            f'security_protocol = "SASL_SSL"\nssl_ca_file = "{secured.authority.ca}"\n'
            f'[topics]\nprefix = "{prefix}"\npartitions = 4\n'
            f'[schema_registry]\nurl = "{registry_url}"\ntoken_file = "{folder}/token"\n'
        )
        return made

    @property
    def config(self) -> Path:
        return self.folder / "penstock.toml"

    @property
    def data_dir(self) -> Path:
        return self.folder / "data"

    @property
    def secrets(self) -> tuple[str, ...]:
        return (self.registry_token, *(user.password for user in self.users.values()))

    def settings(self, role: str) -> Settings:
        """What a program of that role would load."""
        return load_settings(self.config, data_dir=self.data_dir, kafka=self.secured.settings(self.users[role]))

    def run(
        self, role: str, *arguments: str, ends_with: int = 0, further: Mapping[str, str] = MappingProxyType({})
    ) -> str:
        """A command as the user of that role; what it prints is kept, and returned."""
        ended = subprocess.run(
            command(*arguments, data_dir=self.data_dir, config=self.config),
            cwd=ROOT,
            env={**os.environ, **self.environment(role), **further},
            capture_output=True,
            text=True,
            timeout=COMMAND_S,
            check=False,
        )
        self.said += [ended.stdout, ended.stderr]
        assert ended.returncode == ends_with, ended.stderr
        return ended.stdout if ends_with == 0 else ended.stderr

    def process(self, role: str, slot: int = 0, *, user: str | None = None) -> PenstockProcess:
        """A process of that role as its own user, or as somebody else's; not started yet."""
        return PenstockProcess(
            arguments=("run", role, "--slot", str(slot)),
            data_dir=self.data_dir,
            config=self.config,
            name=f"{role}-{slot}",
            environment=self.environment(user or role),
        )

    def start(self, *scorers: int) -> None:
        """Every role there is, each as its own user, and wait until all serve."""
        slots = {role: scorers if role == "scorer" else (0,) for role in ROLES if role != "broker"}
        for role, numbers in slots.items():
            for slot in numbers:
                process = self.process(role, slot)
                self.processes[process.name] = process
                process.start()
        for role, numbers in slots.items():
            for slot in numbers:
                self._await_ready(role, slot)
        self.started += [command_line(process.pid) for process in self.processes.values()]

    def stop(self) -> dict[str, int]:
        """Stop all at once and return how each ended."""
        with ThreadPoolExecutor() as pool:
            return dict(zip(self.processes, pool.map(PenstockProcess.stop, self.processes.values()), strict=True))

    def add_versions(self, model: ScoringModel) -> None:
        """The versions on the shelf, which asks the schema registry and no broker."""
        for version, estimator in model.estimators.items():
            record = wiring.shelf(self.settings("operators")).add(MODEL, estimator, model.sample(), version=version)
            assert record.state == "validated", record.failure

    def everything_said(self) -> Iterator[tuple[str, bytes]]:
        """Where it was found, and every byte that was printed, logged, stored or published."""
        yield "what commands printed", "\n".join(self.said).encode()
        yield "command lines", "\n".join(self.started).encode()
        for path in sorted(self.data_dir.rglob("*")):
            if path.is_file():
                yield str(path), path.read_bytes()
        client = self.secured.client(self.users["admin"])
        topics = AdminClient(client).list_topics(timeout=30).topics
        for topic in sorted(topics):
            if topic.startswith(self.prefix):
                servers = self.secured.server.bootstrap_servers
                records = read_topic(servers, topic, isolation="read_uncommitted", client=client)
                yield topic, b"\n".join(part for record in records for part in (record.key or b"", record.value))

    def _await_ready(self, role: str, slot: int) -> None:
        name = f"{role}-{slot}"

        def ready() -> bool:
            assert self.processes[name].running, self.processes[name].said()
            status = read_status(self.settings("operators").run_dir, role, slot)
            return status is not None and status.state == "ready" and status.pid == self.processes[name].pid

        wait_for(ready, f"{name} serves", timeout_s=READY_S)

    def environment(self, role: str) -> Mapping[str, str]:
        """The user of a role: the password of scorers from the environment, everybody else's from a file."""
        user = self.users[role]
        name = {"PENSTOCK_KAFKA__SASL_USERNAME": user.name}
        if role == "scorer":
            return {**name, "PENSTOCK_KAFKA__SASL_PASSWORD": user.password}
        return {**name, "PENSTOCK_KAFKA__SASL_PASSWORD_FILE": str(user.password_file)}


def disguises(secret: str, users: Mapping[str, User]) -> list[bytes]:
    """A secret as it is, and as it would look in an address, in a header and on its own in base64."""
    pairs = [f"{user.name}:{secret}" for user in users.values() if user.password == secret]
    encoded = [base64.b64encode(text.encode()).rstrip(b"=")[:-1] for text in (secret, *pairs)]
    return [secret.encode(), urllib.parse.quote(secret, safe="").encode(), *encoded]
