"""Every process of a running stack serves the metrics that are declared for its role, and they move."""

import re
import subprocess
import urllib.request
from collections.abc import Mapping
from typing import Any

import orjson
import pytest
from prometheus_client import Metric as Family
from prometheus_client.parser import text_string_to_metric_families

from penstock import wiring
from penstock.roles import ROLES
from producers.publisher import Publisher
from runtime.metrics import METRICS, Metric, metrics_of
from runtime.settings import load_settings
from runtime.stack import attach, find_stack
from schemas.reasons import Reason
from schemas.topics import REQUESTS
from tests.house.promtool import promtool
from tests.penstock.conftest import MODEL, Shop, parcels
from tests.runtime.lane_parts import eventually
from tests.stack import penstock

pytestmark = pytest.mark.wire

MOVED_BY_TRAFFIC = {
    "scorer": {
        "penstock_records",
        "penstock_dead_letters",
        "penstock_batch_records",
        "penstock_stage_seconds",
        "penstock_process_seconds",
        "penstock_transaction_seconds",
        "penstock_rebalances",
        "penstock_partitions",
        "penstock_swaps",
        "penstock_model_version_info",
    },
    "controller": {"penstock_records", "penstock_batch_records", "penstock_stage_seconds", "penstock_partitions"},
    "sink": {"penstock_documents", "penstock_batch_records", "penstock_stage_seconds", "penstock_partitions"},
    "shadow": set[str](),
    "trainer": set[str](),
    "outcomes": {"penstock_partitions"},
    "monitor": {"penstock_records", "penstock_batch_records", "penstock_stage_seconds", "penstock_partitions"},
    "supervisor": {"penstock_process_up"},
    "broker": set[str](),
}
MOVED_BY_LIVING = {"penstock_ready", "penstock_build_info", "penstock_resident_bytes"}
SCORER_STAGES = {"decode", "validate", "score", "profile", "encode", "produce", "commit"}
SINK_STAGES = {"decode", "write", "commit"}


@pytest.fixture(scope="module")
def busy(shop: Shop, tmp_path_factory: pytest.TempPathFactory) -> Shop:
    """The stack after it scored some requests, refused one, and stored all of it."""
    rows = tmp_path_factory.mktemp("busy") / "rows.csv"
    frame = parcels(200).drop(columns="late")
    frame.insert(0, "id", [f"metrics-{number}" for number in range(len(frame))])
    frame.insert(1, "customer", [f"c{number % 7}" for number in range(len(frame))])
    frame.to_csv(rows, index=False)
    penstock("requests", "send", MODEL, str(rows), "--entity", "customer", "--id", "id", data_dir=shop.data_dir)
    settings = load_settings(data_dir=shop.data_dir)
    with Publisher(attach(settings)) as publisher:
        publisher.publish(wiring.topics(settings).of(REQUESTS, MODEL), b"no request", key=b"e1")
    assert eventually(lambda: value(shop, "scorer-0", "penstock_records") >= 201, timeout_s=60)
    assert eventually(lambda: value(shop, "sink-0", "penstock_documents") >= 200, timeout_s=60)
    return shop


def targets(shop: Shop) -> dict[str, str]:
    """Address by process, as Prometheus would read the list."""
    listed: list[Any] = orjson.loads((shop.data_dir / "run" / "metrics-targets.json").read_bytes())
    return {entry["labels"]["process"]: entry["targets"][0] for entry in listed}


def text(shop: Shop, process: str) -> str:
    with urllib.request.urlopen(f"http://{targets(shop)[process]}/metrics", timeout=10) as answer:
        return str(answer.read().decode())


def families(shop: Shop, process: str) -> Mapping[str, Family]:
    return {family.name: family for family in text_string_to_metric_families(text(shop, process))}


def value(shop: Shop, process: str, name: str) -> float:
    """All series of a metric added up; of a histogram the number of values."""
    wanted = {name, f"{name}_total", f"{name}_count"}
    return sum(sample.value for sample in families(shop, process)[name].samples if sample.name in wanted)


def labels(shop: Shop, process: str, name: str, label: str) -> set[str]:
    return {sample.labels[label] for sample in families(shop, process)[name].samples if label in sample.labels}


def test_every_process_is_listed(busy: Shop) -> None:
    """Those that the stack says it runs, and the supervisor; each is of a role that is looked at here."""
    stack = find_stack(load_settings(data_dir=busy.data_dir))

    assert stack is not None
    assert sorted(targets(busy)) == sorted(["supervisor-0", *stack.processes])
    assert {process.rpartition("-")[0] for process in targets(busy)} == set(MOVED_BY_TRAFFIC)


@pytest.mark.parametrize("role", [*ROLES, "supervisor"])
def test_every_role_declares_what_it_serves(role: str) -> None:
    """A role that no metric names would serve nothing."""
    assert {metric.name for metric in metrics_of(role)} >= MOVED_BY_LIVING


@pytest.mark.parametrize("role", sorted(MOVED_BY_TRAFFIC))
def test_each_process_serves_what_is_declared_for_its_role(busy: Shop, role: str) -> None:
    """Neither more nor less, each of the declared kind and with the declared meaning."""
    served = {name: each for name, each in families(busy, f"{role}-0").items() if name.startswith("penstock_")}
    declared = {metric.name: metric for metric in metrics_of(role)}

    assert sorted(served) == sorted(declared)
    assert {name: each.type for name, each in served.items()} == {name: each.kind for name, each in declared.items()}
    assert {name: each.documentation for name, each in served.items()} == {
        name: each.doc for name, each in declared.items()
    }


@pytest.mark.parametrize("role", sorted(MOVED_BY_TRAFFIC))
def test_what_happened_is_counted(busy: Shop, role: str) -> None:
    """Traffic moves the metrics that it should."""
    still = {name for name in MOVED_BY_TRAFFIC[role] | MOVED_BY_LIVING if value(busy, f"{role}-0", name) <= 0}

    assert still == set()


@pytest.mark.parametrize(("process", "stages"), [("scorer-0", SCORER_STAGES), ("sink-0", SINK_STAGES)])
def test_every_stage_is_timed(busy: Shop, process: str, stages: set[str]) -> None:
    """So that it can be seen where the time of a batch goes."""
    assert labels(busy, process, "penstock_stage_seconds", "stage") == stages


def test_dead_letters_are_counted_by_reason(busy: Shop) -> None:
    """The reason is a label, from the closed set."""
    reasons = labels(busy, "scorer-0", "penstock_dead_letters", "reason")

    assert "bad_magic_byte" in reasons
    assert reasons <= set(Reason)


def test_the_version_that_serves_is_named(busy: Shop) -> None:
    """With its bundle and the deployment's generation."""
    samples = families(busy, "scorer-0")["penstock_model_version_info"].samples
    (sample,) = (each for each in samples if each.labels["model"] == MODEL)

    assert sample.labels["version"] == "1"
    assert int(sample.labels["generation"]) >= 1
    assert len(sample.labels["bundle"]) >= 16


def test_lag_falls_to_nothing_once_all_is_read(busy: Shop) -> None:
    """Of requests by the scorer, of what is stored by the sink; by topic."""
    requests = f"{MODEL}.requests"

    def read(process: str, topic: str) -> bool:
        samples = families(busy, process)["penstock_lag_records"].samples
        return any(sample.labels["topic"] == topic and sample.value == 0 for sample in samples)

    assert eventually(lambda: read("scorer-0", requests), timeout_s=60)
    assert eventually(lambda: read("sink-0", f"{MODEL}.predictions"), timeout_s=60)


@pytest.mark.parametrize("role", sorted(MOVED_BY_TRAFFIC))
def test_prometheus_takes_the_page(request: pytest.FixtureRequest, busy: Shop, role: str) -> None:
    """Judged by Prometheus's own tool, names included."""
    tool = promtool(request.config)
    page = text(busy, f"{role}-0")
    ended = subprocess.run(
        [tool, "check", "metrics"], input=page, capture_output=True, text=True, timeout=60, check=False
    )

    assert (ended.returncode, ended.stdout + ended.stderr) == (0, "")


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.name)
def test_names_follow_prometheus(metric: Metric) -> None:
    """Prefix, characters, base units; `_total` is added where counters are served, and labels are plain words."""
    units = ("_seconds", "_bytes", "_records", "_info")

    assert re.fullmatch(r"penstock(_[a-z]+)+", metric.name)
    assert not metric.name.endswith(("_total", "_count", "_sum", "_bucket", "_ms", "_mb"))
    assert metric.kind != "histogram" or metric.name.endswith(units)
    assert all(
        re.fullmatch(r"[a-z]+", label) and label not in {"le", "quantile", "job", "instance"} for label in metric.labels
    )
    assert metric.doc.endswith(".")
