"""The alerts ask for metrics that exist, fire when they should, and lead to a page that says what to do."""

import re
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import orjson
import pytest
import yaml

from runtime.metrics import METRICS
from tests.house.promtool import promtool
from tests.house.sources import ROOT

FOLDER = ROOT / "deploy" / "prometheus"
RULES: list[dict[str, Any]] = [
    rule
    for group in yaml.safe_load((FOLDER / "alerts.yml").read_text(encoding="utf-8"))["groups"]
    for rule in group["rules"]
]
SUFFIXES = {"counter": ("_total",), "gauge": ("",), "histogram": ("_bucket", "_sum", "_count")}
SERVED = {metric.name + suffix: metric for metric in METRICS for suffix in SUFFIXES[metric.kind]}
OF_PROMETHEUS = {"process", "instance", "job"}
REQUESTS = 'topic="flights.requests"'
EXITS = 'penstock_process_exits_total{process="scorer-0",cause='
SIGNALS = 'penstock_signals_total{model="flights",kind='
# For each alert: what Prometheus would have scraped once a minute when all is well, and when it must fire.
CASES: Mapping[str, tuple[Mapping[str, str], Mapping[str, str]]] = {
    "PenstockNoReadyScorer": (
        {'penstock_ready{role="scorer",slot="0"}': "1x60"},
        {'penstock_ready{role="scorer",slot="0"}': "0x60"},
    ),
    "PenstockNoReadyController": ({'penstock_ready{role="controller",slot="0"}': "1x60"}, {}),
    "PenstockNoReadySink": ({'penstock_ready{role="sink",slot="0"}': "1x60"}, {}),
    "PenstockNoReadyMonitor": ({'penstock_ready{role="monitor",slot="0"}': "1x60"}, {}),
    # A first signal is a series that was not there before.
    "PenstockDriftSignaled": (
        {f'{SIGNALS}"drift"}}': "1x60", f'{SIGNALS}"reference"}}': "_x50 1x10"},
        {f'{SIGNALS}"drift"}}': "_x50 1x10"},
    ),
    "PenstockProcessAway": ({'up{job="penstock"}': "1x60"}, {'up{job="penstock"}': "0x60"}),
    "PenstockProcessKeepsDying": (
        {f'{EXITS}"failed"}}': "0x40 1 1x20", f'{EXITS}"stopped"}}': "0+1x60"},
        {f'{EXITS}"failed"}}': "0x50 0+1x10"},
    ),
    "PenstockVersionHung": ({f'{EXITS}"failed"}}': "0+1x60"}, {f'{EXITS}"memory"}}': "0x55 1x5"}),
    "PenstockSlotFenced": ({f'{EXITS}"failed"}}': "0+1x60"}, {f'{EXITS}"fenced"}}': "0x55 1x5"}),
    "PenstockCallHangs": ({"penstock_watchdog_call_seconds": "0.2x60"}, {"penstock_watchdog_call_seconds": "16x60"}),
    "PenstockRequestsWait": (
        {f"penstock_lag_records{{{REQUESTS}}}": "5000x60", f"penstock_records_total{{{REQUESTS}}}": "0+60000x60"},
        {f"penstock_lag_records{{{REQUESTS}}}": "0+5000x60", f"penstock_records_total{{{REQUESTS}}}": "0x60"},
    ),
    "PenstockPartitionsWait": ({"penstock_partitions_waiting": "0x60"}, {"penstock_partitions_waiting": "2x60"}),
    "PenstockDeadLetterShare": (
        {
            f'penstock_dead_letters_total{{{REQUESTS},reason="malformed"}}': "0+5x60",
            f"penstock_records_total{{{REQUESTS}}}": "0+1000x60",
        },
        {
            f'penstock_dead_letters_total{{{REQUESTS},reason="malformed"}}': "0+50x60",
            f"penstock_records_total{{{REQUESTS}}}": "0+1000x60",
        },
    ),
    "PenstockBatchesReadAgain": (
        {"penstock_batches_read_again_total": "0x50 1 1x9"},
        {"penstock_batches_read_again_total": "0+3x60"},
    ),
    "PenstockRebalancesOften": ({"penstock_rebalances_total": "0x50 4x10"}, {"penstock_rebalances_total": "0+2x60"}),
    "PenstockSinkBehind": (
        {
            'penstock_lag_records{instance="s",topic="a.predictions"}': "400x60",
            'penstock_sink_backlog_records{instance="s"}': "100x60",
            'penstock_lag_records{instance="other",topic="a.requests"}': "900000x60",
        },
        {
            'penstock_lag_records{instance="s",topic="a.predictions"}': "30000x60",
            'penstock_lag_records{instance="s",topic="a.shadows"}': "30000x60",
            'penstock_sink_backlog_records{instance="s"}': "100x60",
        },
    ),
    "PenstockStoreAway": ({"penstock_sink_waits_total": "0x50 1x10"}, {"penstock_sink_waits_total": "0+12x60"}),
    "PenstockDocumentsRejected": (
        {"penstock_documents_rejected_total": "7x60"},
        {"penstock_documents_rejected_total": "0x55 1x5"},
    ),
    "PenstockLogLinesDropped": (
        {'penstock_log_lines_dropped_total{destination="topic"}': "0x60"},
        {'penstock_log_lines_dropped_total{destination="topic"}': "0x55 20x5"},
    ),
}


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_every_metric_and_label_of_an_alert_exists(rule: dict[str, Any]) -> None:
    """A name that nothing serves would never fire."""
    named = set(re.findall(r"\bpenstock_[a-z_]+", rule["expr"]))
    labels = {label for metric in named for label in SERVED[metric].labels} if named <= SERVED.keys() else set()
    used = set(re.findall(r"(\w+)\s*(?:=~|!=|!~|=)\s*\"", rule["expr"]))
    for group in re.findall(r"\b(?:by|on)\s*\(([^)]*)\)", rule["expr"]):
        used |= {label.strip() for label in group.split(",")}

    assert named - SERVED.keys() == set()
    assert used - labels - OF_PROMETHEUS == set()


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_every_alert_leads_to_its_page(rule: dict[str, Any]) -> None:
    """Whoever is woken up finds what to do; the page names the alert."""
    page = ROOT / rule["annotations"]["runbook"]

    assert rule["labels"]["severity"] in {"page", "ticket"}
    assert rule["annotations"]["summary"].endswith(".")
    assert page.parent == ROOT / "docs" / "runbooks"
    assert f"`{rule['alert']}`" in page.read_text(encoding="utf-8")


def test_every_alert_has_its_case() -> None:
    """An alert that nobody has seen fire is none."""
    assert sorted(CASES) == sorted(rule["alert"] for rule in RULES)


def test_prometheus_takes_the_configuration(request: pytest.FixtureRequest) -> None:
    """Judged by Prometheus's own tool, rules included."""
    tool = promtool(request.config)
    ended = subprocess.run(
        [tool, "check", "config", "prometheus.yml"], cwd=FOLDER, capture_output=True, text=True, timeout=60, check=False
    )

    assert ended.returncode == 0, ended.stdout + ended.stderr


@pytest.mark.parametrize("alert", sorted(CASES))
def test_an_alert_fires_when_it_should_and_not_before(
    request: pytest.FixtureRequest, tmp_path: Path, alert: str
) -> None:
    """Prometheus evaluates the rule on an hour in which all is well, and on one in which it is not."""
    tool = promtool(request.config)
    well, wrong = (_unit_test(alert, series, fires=fires) for series, fires in zip(CASES[alert], (0, 1), strict=True))
    tests = {"rule_files": [str(FOLDER / "alerts.yml")], "evaluation_interval": "1m", "tests": [well, wrong]}
    (tmp_path / "test.yml").write_bytes(orjson.dumps(tests))
    ended = subprocess.run(
        [tool, "test", "rules", str(tmp_path / "test.yml")], capture_output=True, text=True, timeout=60, check=False
    )

    assert ended.returncode == 0, ended.stdout + ended.stderr


def _unit_test(alert: str, series: Mapping[str, str], *, fires: int) -> dict[str, object]:
    firing = f'count(ALERTS{{alertname="{alert}",alertstate="firing"}}) or vector(0)'
    return {
        "interval": "1m",
        "input_series": [{"series": _placed(name), "values": values} for name, values in series.items()],
        "promql_expr_test": [
            {"expr": f"clamp_max({firing}, 1)", "eval_time": "58m", "exp_samples": [{"labels": "{}", "value": fires}]}
        ],
    }


def _placed(series: str) -> str:
    """The series with what Prometheus adds when it scrapes."""
    name, _, labels = series.rstrip("}").partition("{")
    given = dict(re.findall(r'(\w+)="([^"]*)"', labels))
    placed = {"job": "penstock", "instance": "host:1", "process": "scorer-0", **given}
    return name + "{" + ",".join(f'{key}="{value}"' for key, value in placed.items()) + "}"
