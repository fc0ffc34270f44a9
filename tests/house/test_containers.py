"""The containers start what exists: every command, setting, port, path and address that they name is there."""

import re
import shlex
from typing import Any

import pytest
import yaml

from docs.pages.settings import setting_names, variable_of
from penstock.roles import ROLES
from runtime.settings import Settings
from tests.house.command_lines import fault_of
from tests.house.sources import ROOMS, ROOT
from tests.services.elasticsearch_server import ELASTICSEARCH_VERSION
from tests.services.registry_server import APICURIO_VERSION

TEXT = (ROOT / "docker-compose.yml").read_text(encoding="utf-8")
DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")
COMPOSE: dict[str, Any] = yaml.safe_load(TEXT)
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = {name: service for name, service in SERVICES.items() if service["image"] == "penstock"}
RUNNING = {name: service for name, service in OURS.items() if service["command"][0] == "run"}
SCRAPED: list[dict[str, Any]] = yaml.safe_load(
    (ROOT / "deploy" / "prometheus" / "prometheus.yml").read_text(encoding="utf-8")
)["scrape_configs"][0]["static_configs"]
ADDRESS = re.compile(r"\b([a-z][a-z0-9-]*):(\d{4,5})\b")
# What listens where inside: of Kafka the listeners below, of the others what their images document.
INSIDE = {"kafka": 9092, "schema-registry": 8080, "elasticsearch": 9200, "kibana": 5601, "prometheus": 9090}
SECRET = re.compile(r"(password|passphrase|secret|token|api_?key)\s*[:=]", re.IGNORECASE)


@pytest.mark.parametrize("name", sorted(OURS))
def test_every_command_exists(name: str) -> None:
    """The command line understands what each container runs, and what its health is judged by."""
    commands = [OURS[name]["command"]]
    if "healthcheck" in OURS[name]:
        kind, program, *words = OURS[name]["healthcheck"]["test"]
        assert (kind, program) == ("CMD", "penstock")
        commands.append(words)

    assert [fault_of(f"penstock {shlex.join(words)}") for words in commands] == [None] * len(commands)


def test_every_role_has_a_container() -> None:
    """All that `penstock up` would start on real servers is started."""
    assert {service["command"][1] for service in RUNNING.values()} == set(ROLES) - {"broker"}


@pytest.mark.parametrize("name", sorted(RUNNING))
def test_health_is_asked_of_the_process_that_runs(name: str) -> None:
    """The same role and the same slot; another's answer would hide its death."""
    _run, role, *slot = RUNNING[name]["command"]

    assert RUNNING[name]["healthcheck"]["test"][2:] == ["health", role, *slot]
    assert name == "-".join([role, *slot[1:]])


def test_each_slot_has_one_owner() -> None:
    """Two processes in one slot would fence each other for ever."""
    slots = [tuple(service["command"]) for service in RUNNING.values()]

    assert sorted(slots) == sorted(set(slots))


def test_every_setting_exists_and_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each environment variable of penstock is one that is read, and all of them together are valid."""
    named = set(re.findall(r"\bPENSTOCK_\w+", TEXT + DOCKERFILE))
    for variable, value in OURS["sink"]["environment"].items():
        monkeypatch.setenv(variable, value)
    settings = Settings()

    assert named - {variable_of(name) for name in setting_names()} == set()
    assert settings.guarantee == "exactly_once"
    assert not settings.store.embedded
    assert settings.schema_registry.url


def test_addresses_lead_to_services() -> None:
    """Each `name:port` that a setting or Prometheus names is a service and a port that it listens on."""
    metrics_port = int(OURS["sink"]["environment"]["PENSTOCK_METRICS__PORT"])
    listening = INSIDE | dict.fromkeys(RUNNING, metrics_port)
    settings = [value for service in SERVICES.values() for value in service.get("environment", {}).values()]
    targets = [target for entry in SCRAPED for target in entry["targets"]]
    named = {(name, int(port)) for text in [*settings, *targets] for name, port in ADDRESS.findall(text)}

    assert {(name, port) for name, port in named if name != "localhost"} <= set(listening.items())
    assert {name for name, _port in named} >= {"kafka", "elasticsearch", "schema-registry"}


def test_prometheus_asks_every_process() -> None:
    """Those that run, each with the label that `penstock up` would give it."""
    labels = {entry["targets"][0].partition(":")[0]: entry["labels"]["process"] for entry in SCRAPED}

    assert set(labels) == set(RUNNING)
    assert all(label == (name if name[-1].isdigit() else f"{name}-0") for name, label in labels.items())


def test_ports_are_open_to_this_machine_alone() -> None:
    """What is published listens on the loopback, leads to what listens inside, and no port is given twice."""
    published = {name: service["ports"] for name, service in SERVICES.items() if "ports" in service}
    outside = []
    for name, ports in published.items():
        for port in ports:
            host, outer, inner = port.split(":")
            outside.append(outer)
            assert host == "127.0.0.1", port
            assert int(inner) == (19092 if name == "kafka" else INSIDE[name]), port

    assert len(outside) == len(set(outside))
    assert [port for port in outside if f"localhost:{port}" not in TEXT.partition("\nx-penstock")[0]] == []


def test_what_depends_on_a_healthy_service_has_one() -> None:
    """A condition on a service without a health check would wait for ever."""
    for service in SERVICES.values():
        for needed, terms in service.get("depends_on", {}).items():
            assert terms["condition"] != "service_healthy" or "healthcheck" in SERVICES[needed], needed


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_memory_is_bounded(name: str) -> None:
    """One that runs away takes nothing from the others."""
    assert re.fullmatch(r"\d+[mg]", SERVICES[name]["mem_limit"])


def test_the_watchdog_comes_before_the_kernel() -> None:
    """A process is ended with a reason before its container's limit ends it without."""
    limit = int(OURS["sink"]["mem_limit"].removesuffix("g")) << 30

    assert int(OURS["sink"]["environment"]["PENSTOCK_SCORING__MEMORY_BYTES_MAX"]) <= limit * 0.8


@pytest.mark.parametrize("name", sorted(OURS))
def test_our_containers_may_do_little(name: str) -> None:
    """They write in their volume and in /tmp, and hold no right that they do not need."""
    service = OURS[name]

    assert service["read_only"] is True
    assert service["tmpfs"] == ["/tmp"]
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]


def test_every_volume_is_declared_and_every_path_is_there() -> None:
    """What is mounted is a named volume, or a folder of the repository, read only."""
    mounts = [mount for service in SERVICES.values() for mount in service.get("volumes", [])]
    sources = [mount.split(":")[0] for mount in mounts]
    folders = [source for source in sources if source.startswith(".")]

    assert {source for source in sources if not source.startswith(".")} == set(COMPOSE["volumes"])
    assert [folder for folder in folders if not (ROOT / folder).is_dir()] == []
    assert all(mount.endswith(":ro") for mount in mounts if mount.startswith("."))
    assert f"penstock:{_image_variable('PENSTOCK_DATA_DIR')}" in mounts


def test_no_secret_is_inside() -> None:
    """Neither the image nor the composition holds one; their files are mounted."""
    lines = [line for line in f"{TEXT}\n{DOCKERFILE}".splitlines() if SECRET.search(line)]

    assert lines == []


def test_the_image_is_built_from_files_that_are_there() -> None:
    """Every room is copied, and nothing that is missing or ignored."""
    copied = [
        word for line in re.findall(r"^COPY (?!--from)(.*)$", DOCKERFILE, re.MULTILINE) for word in line.split()[:-1]
    ]
    let_through = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()

    assert [name for name in copied if not (ROOT / name).exists()] == []
    assert [name for name in copied if f"!{name}" not in let_through] == []
    assert set(ROOMS) <= set(copied)


def test_what_runs_is_not_root_and_has_no_build_tools() -> None:
    """The last stage takes the environment from the first and gives up root before it starts anything."""
    _, *stages = DOCKERFILE.split("\nFROM ")

    assert len(stages) == 2
    assert "\nCOPY --from=build /opt/penstock /opt/penstock\n" in stages[-1]
    assert "--uid 10001" in stages[-1]
    assert stages[-1].index("\nUSER 10001\n") < stages[-1].index("\nENTRYPOINT")


def test_images_name_no_host_and_are_of_the_versions_that_tests_run() -> None:
    """Where images come from is the machine's affair; what was never tried is not prescribed."""
    images = {service["image"] for service in SERVICES.values()}
    images |= set(re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE))

    assert [image for image in images if re.match(r"[^/]*[.:][^/]*/", image)] == []
    assert {f"elasticsearch:{ELASTICSEARCH_VERSION}", f"kibana:{ELASTICSEARCH_VERSION}"} <= images
    assert f"apicurio/apicurio-registry:{APICURIO_VERSION}" in images


def _image_variable(name: str) -> str:
    found = re.search(rf"\b{name}=(\S+)", DOCKERFILE)
    assert found is not None, name
    return found[1]
