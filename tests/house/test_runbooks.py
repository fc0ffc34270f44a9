"""Whoever is woken up finds the page: for each serious log line, each alert and each broken hop."""

import re
from pathlib import Path

import pytest

from penstock.doctor.probes import Probes
from runtime.metrics import METRICS, Metric
from runtime.settings import Settings
from schemas.reasons import Reason
from tests.house.log_lines import LogCall, log_calls
from tests.house.sources import ROOT

FOLDER = ROOT / "docs" / "runbooks"
RUNBOOKS = sorted(path for path in FOLDER.glob("*.md") if path.name != "README.md")
OPERATORS = (ROOT / "docs" / "operators.md").read_text(encoding="utf-8")
HEADINGS = ["## Symptom", "## Confirm", "## Cause", "## What to do", "## Over when"]
METRIC = re.compile(r"`(penstock_[a-z_]+)(?:\{[^`]*)?`")
CALLS = sorted(log_calls(), key=lambda call: call.event)


def test_log_calls_are_found() -> None:
    """The rule below would hold for none."""
    assert {"critical", "exception", "error", "warning"} <= {call.level for call in CALLS}
    assert "process ended by its watchdog" in {call.event for call in CALLS}


@pytest.mark.parametrize("call", CALLS, ids=lambda call: call.event)
def test_every_serious_line_is_explained(call: LogCall) -> None:
    """Its words stand in the operators' table of log lines, with what it means."""
    assert f"| `{_quoted(call.event)}` |" in OPERATORS, (
        f"{call.place} says {call.event!r}: give it a line in docs/operators.md, 'What the log says', "
        "and a runbook where somebody has to act"
    )


def test_no_line_is_explained_that_nothing_says() -> None:
    """The table of log lines has no line of another time."""
    table = OPERATORS.split("## What the log says when")[1].split("\n## ")[0]
    explained = re.findall(r"^\| `(.+?)` \|", table, re.MULTILINE)

    assert sorted(set(explained) - {_quoted(call.event) for call in CALLS}) == []


@pytest.mark.parametrize("page", RUNBOOKS, ids=lambda page: page.stem)
def test_a_runbook_has_its_parts_in_order(page: Path) -> None:
    """Symptom, how to be sure, cause, what to do, when it is over."""
    text = page.read_text(encoding="utf-8")

    assert re.findall(r"^## .+$", text, re.MULTILINE) == HEADINGS
    assert f"]({page.name})" in (FOLDER / "README.md").read_text(encoding="utf-8")


def test_the_index_names_nothing_else() -> None:
    """Each line of the index leads to a page that is there."""
    named = re.findall(r"\]\(([a-z-]+\.md)\)", (FOLDER / "README.md").read_text(encoding="utf-8"))

    assert sorted(named) == [page.name for page in RUNBOOKS]


def test_every_failure_has_its_runbook() -> None:
    """Each line of the operators' table of what dies ends with a page that is there."""
    table = OPERATORS.split("## What happens when something dies")[1].split("\n\n")[1]
    failures = table.splitlines()[2:]
    pages = [re.search(r"\(runbooks/([a-z-]+\.md)\) \|$", failure) for failure in failures]

    assert len(failures) >= 15
    assert [failure for failure, page in zip(failures, pages, strict=True) if page is None] == []
    assert {page[1] for page in pages if page is not None} <= {path.name for path in RUNBOOKS}


def test_every_hop_has_its_runbook(tmp_path: Path) -> None:
    """The doctor points to a page that is there."""
    hops = Probes(settings=Settings(data_dir=tmp_path), timeout_s=1.0).hops()

    assert [hop.name for hop in hops if not (ROOT / hop.runbook).is_file()] == []


@pytest.mark.parametrize("reason", list(Reason))
def test_every_reason_is_somebodys_fault(reason: Reason) -> None:
    """The page about dead letters says whose."""
    assert f"`{reason.value}`" in (FOLDER / "dead-letters.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("page", [*RUNBOOKS, ROOT / "docs" / "operators.md"], ids=lambda page: page.stem)
def test_metrics_in_pages_exist(page: Path) -> None:
    """Under the names that are served."""
    served = {metric.name + ("_total" if metric.kind == "counter" else "") for metric in METRICS}

    assert set(METRIC.findall(page.read_text(encoding="utf-8"))) - served == set()


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.name)
def test_every_metric_says_when_to_look(metric: Metric) -> None:
    """The operators' table of metrics says what it means when it moves."""
    table = OPERATORS.split("## What the metrics say when")[1].split("\n## ")[0]
    served = metric.name + ("_total" if metric.kind == "counter" else "")

    assert f"`{served}`" in table


def _quoted(event: str) -> str:
    """An event as it stands in a table: backticks inside would end the code."""
    return event.replace("`", "'")
