"""The reports that analysts ask for first."""

from pathlib import Path

import pytest

from consumers.errors import QueryError
from consumers.questions import Store
from consumers.reports import (
    ErrorsOfReason,
    Latency,
    PredictionsOfDay,
    latency,
    list_dead_letters,
    report_errors,
    report_predictions,
    show_dead_letter,
)
from tests.consumers.stored import BOTH, both_stores, dead_letter, fill, prediction


@pytest.fixture(params=BOTH)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    """Two days of two versions, and three dead letters, in each kind of store."""
    predictions = [prediction(number) for number in range(24)]
    predictions += [prediction(number, label="1", score=0.75) for number in range(24, 30)]
    predictions += [prediction(number, version="2", label=None, score=0.5) for number in range(30, 40)]
    letters = [
        dead_letter(1),
        dead_letter(2),
        dead_letter(3, reason="no_key", stage="validate", model="other"),
    ]
    sink, store, let_be_found = both_stores(request.param, request, tmp_path)
    fill(sink, predictions, letters)
    let_be_found()
    return store


def test_predictions_by_version_and_day(store: Store) -> None:
    """Days are of event time; shares are of the version's predictions that day."""
    assert report_predictions(store, "flights") == [
        PredictionsOfDay(version="1", day="2013-04-01", predictions=24, mean_score=0.25, label_shares={"0": 1.0}),
        PredictionsOfDay(version="1", day="2013-04-02", predictions=6, mean_score=0.75, label_shares={"1": 1.0}),
        PredictionsOfDay(version="2", day="2013-04-02", predictions=10, mean_score=0.5, label_shares={}),
    ]
    assert report_predictions(store, "unknown") == []


def test_errors_by_reason_with_the_remedy(store: Store) -> None:
    """Another model's dead letters stay out."""
    assert report_errors(store, "flights") == [
        ErrorsOfReason(
            reason="truncated",
            stage="decode",
            records=2,
            last_failed_at="2013-04-01T00:00:00.002Z",
            remedy="send the whole record: the value ends before its schema does",
        )
    ]


def test_dead_letters_newest_first_and_filtered(store: Store) -> None:
    """Filters combine, the limit cuts the old ones."""
    newest = [row["offset"] for row in list_dead_letters(store)]
    of_model = [row["offset"] for row in list_dead_letters(store, model="flights", limit=1)]
    of_reason = [row["offset"] for row in list_dead_letters(store, reason="no_key")]

    assert (newest, of_model, of_reason) == ([3, 2, 1], [2], [3])


def test_an_unknown_reason_is_told_with_the_known_ones(store: Store) -> None:
    """A typing mistake does not look like an empty list."""
    with pytest.raises(QueryError, match=r"reasons are: .*truncated"):
        list_dead_letters(store, reason="truncatd")


def test_a_dead_letter_is_shown_whole(store: Store) -> None:
    """Bytes, headers and remedy."""
    shown = show_dead_letter(store, "cluster:flights.requests:0:1")

    assert (shown["value"], shown["key"]) == (b"\x00\x01", b"N1")
    assert shown["headers"] == [
        {"name": "a", "value": "text"},
        {"name": "b", "value_base64": "/w=="},
        {"name": "c", "value": None},
    ]
    assert (shown["id"], shown["value_truncated"]) == ("cluster:flights.requests:0:1", False)
    assert str(shown["remedy"]).startswith("send the whole record")
    with pytest.raises(QueryError, match="no dead letter"):
        show_dead_letter(store, "elsewhere")


def test_latency_percentiles_are_nearest_rank(store: Store) -> None:
    """The n-th prediction took n ms, n from 0 to 39."""
    assert latency(store, "flights") == Latency(predictions=40, p50_ms=19, p99_ms=39, max_ms=39)
    assert latency(store, "unknown") == Latency(predictions=0, p50_ms=None, p99_ms=None, max_ms=None)
