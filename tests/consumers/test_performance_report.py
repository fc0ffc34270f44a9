"""Reports add windows up, say whether a figure is well and why, and agree with the stored outcomes."""

from pathlib import Path

import pytest

from consumers.documents import outcome_document, prediction_document
from consumers.errors import QueryError
from consumers.performance import merged, performance_document
from consumers.performance_report import Baseline, Group, Health, judge_group, report_performance
from consumers.queries import SqliteStore
from consumers.sinks.base import FieldValue
from consumers.sinks.sqlite import SqliteSink
from penstock.cli.drawing import draw_performance
from schemas.performance_sums import PerformanceSums
from schemas.signature import Task
from tests.consumers.stored import APRIL, outcome, part, prediction

HOUR_MS = 3_600_000


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> SqliteStore:
    """Three days of hourly windows of two versions and a shadow, and two hundred outcomes of two carriers."""
    path = tmp_path_factory.mktemp("report") / "store.sqlite"
    sink = SqliteSink(path)
    sink.setup()
    windows = [
        part(0, start=APRIL + hour * HOUR_MS, end=APRIL + (hour + 1) * HOUR_MS, version=version, arm=arm, role=role)
        for hour in range(72)
        for version, arm, role in (("1", "stable", "live"), ("2", "canary", "live"), ("3", "shadow", "shadow"))
    ]
    documents = [performance_document(merged([each]), 1) for each in windows]
    for number in range(200):
        features = {"carrier": "UA" if number % 4 else "AA", "seats": number % 2, "miles": number * 0.5}
        said: dict[str, FieldValue] = {"features": features, "event_time": APRIL + number}
        score: dict[str, FieldValue] = {"score": 0.5} if number < 20 else {}
        documents.append(prediction_document(prediction(number, **said, **score), cluster_id="c", personal=frozenset()))
        if number % 10:
            truth: dict[str, FieldValue] = (
                {"truth": "1", "loss": 1.0, "truth_probability": 0.25} if number % 5 == 1 else {}
            )
            document = outcome_document(outcome(number, **said, **truth), cluster_id="c", personal=frozenset())
            documents.append(document)
    unlabeled: dict[str, FieldValue] = {"features": {"carrier": "new"}, "event_time": APRIL + 72 * HOUR_MS}
    documents += [
        prediction_document(prediction(number, **unlabeled), cluster_id="c", personal=frozenset())
        for number in range(200, 210)
    ]
    assert sink.write(documents) == []
    sink.close()
    return SqliteStore(path)


def test_versions_and_arms_are_added_up(store: SqliteStore) -> None:
    """Seventy-two hours make one row, and a shadow has a row of its own."""
    versions, arms = (_report(store, "flights", what) for what in ("version", "arm"))

    assert list(versions) == ["1", "2", "3 (shadow)"]
    assert list(arms) == ["stable", "canary", "shadow (shadow)"]
    assert (versions["1"].sums.predicted, versions["1"].sums.labeled) == (3 * 72, 2 * 72)
    assert versions["1"].measures["accuracy"].value == 0.5


def test_windows_are_put_together_until_they_can_be_read(store: SqliteStore) -> None:
    """Three days by the hour are shown by six hours; live versions alone."""
    windows = _report(store, "flights", "window")

    assert len(windows) == 12
    assert list(windows)[:2] == ["2013-04-01T00:00:00.000Z", "2013-04-01T06:00:00.000Z"]
    assert all(group.versions == {"1": 18, "2": 18} for group in windows.values())


def test_a_feature_is_summed_from_outcomes(store: SqliteStore) -> None:
    """Each value has its own figures, one without labels too; of many numbers, each tenth of the predictions has."""
    carriers = _report(store, "flights", "carrier")
    seats = _report(store, "flights", "seats")
    miles = _report(store, "flights", "miles")

    assert {name: group.sums.predicted for name, group in carriers.items()} == {"UA": 150, "AA": 50, "new": 10}
    assert {name: group.coverage for name, group in carriers.items()} == {"UA": 140 / 150, "AA": 0.8, "new": 0.0}
    assert {name: group.sums.low_confidence for name, group in carriers.items()} == {"UA": 15, "AA": 5, "new": 0}
    assert sum(group.sums.labeled for group in carriers.values()) == 180
    assert sum(group.sums.sums.get("loss", 0.0) for group in carriers.values()) == 40.0
    assert list(seats) == ["0", "1", "(missing)"]
    assert list(miles)[:2] == ["0 to 9.5", "10 to 19.5"]
    assert [group.sums.predicted for group in miles.values()] == [20] * 10 + [10]
    assert [group.sums.labeled for group in miles.values()] == [18] * 10 + [0]
    with pytest.raises(QueryError, match="has a feature 'origin'"):
        _report(store, "flights", "origin")
    assert _report(store, "trains", "version") == {}


@pytest.mark.parametrize(
    ("losses", "baseline", "health", "words"),
    [
        (50, 0.05, Health.HEALTHY, "no worse than the baseline 0.050"),
        (72, 0.05, Health.WARNING, "may be above the baseline 0.050 by more than 0.02"),
        (120, 0.05, Health.CRITICAL, "above the baseline 0.050 by more than 0.02"),
        (50, None, Health.UNKNOWN, "no baseline"),
    ],
)
def test_a_loss_is_judged_by_its_interval(losses: int, baseline: float | None, health: Health, words: str) -> None:
    """Critical only where chance can't explain it, and always with a word on what to do."""
    verdict = judge_group(_group(losses=losses, labeled=1_000, predicted=1_000), Baseline(baseline))

    assert verdict.health is health
    assert words in verdict.reason
    assert verdict.next


def test_few_labels_and_missing_ones_are_told_apart() -> None:
    """Too few to judge, and too few of those that had time to come."""
    few = judge_group(_group(losses=0, labeled=50, predicted=60), Baseline(0.1))
    missing = judge_group(_group(losses=50, labeled=1_000, predicted=2_000), Baseline(0.1))

    assert (few.health, missing.health) == (Health.UNKNOWN, Health.WARNING)
    assert "only 50% of the predictions are labeled" in missing.reason


def test_a_report_is_drawn(store: SqliteStore, tmp_path: Path) -> None:
    """A picture, and a page that needs nothing but itself and escapes what it shows."""
    groups = _report(store, "flights", "carrier") | {"<b>": _group(losses=1, labeled=200, predicted=200)}
    picture, page = draw_performance(
        tmp_path / "made" / "plot", "flights", "carrier", groups, dict.fromkeys(groups, Baseline(0.1))
    )

    assert picture.read_bytes().startswith(b"\x89PNG")
    text = page.read_text(encoding="utf-8")
    assert "<svg" in text
    assert "&lt;b&gt;" in text
    assert "http://" not in text.replace("http://www.w3.org", "").replace("http://purl.org", "").replace(
        "http://creativecommons.org", ""
    )


def _report(store: SqliteStore, model: str, by_what: str) -> dict[str, Group]:
    return report_performance(store, model, by_what, confidence_least=0.7)


def _group(*, losses: int, labeled: int, predicted: int) -> Group:
    amounts = {"weight": float(labeled), "weight_squared": float(labeled)}
    amounts |= {"loss": float(losses), "loss_squared": float(losses)}
    sums = PerformanceSums(predicted=predicted, labeled=labeled, sums=amounts)
    return Group(Task.BINARY, ("0", "1"), sums=sums, mature=float(predicted))
