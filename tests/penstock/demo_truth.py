"""What is true of the demo's replay, from the flights and the versions, whatever it ran on."""

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime

import numpy as np
import pandas as pd

from consumers.questions import Question, Store
from consumers.stored_collections import PREDICTIONS
from penstock import wiring
from penstock.demo.questions import Answer
from penstock.demo.scene import MODEL
from producers.sources.flight_table import FEATURES, load_flights
from runtime.settings import Settings

REPLAYED_FROM_MONTH = 4
SCORE_DIFFERENCE_MAX = 1e-9
SCORES = Question(
    collection=PREDICTIONS,
    sql="SELECT request_id, version, score FROM predictions ORDER BY request_id",
    search=lambda _parameters: {
        "query": {"match_all": {}},
        "_source": ["request_id", "version", "score"],
        "sort": [{"request_id": "asc"}],
    },
)


def flown(requests: int) -> pd.DataFrame:
    """The flights that a demo of that length replays."""
    flights = load_flights()
    return flights[flights["month"] >= REPLAYED_FROM_MONTH].iloc[:requests]


def assert_answers_true(answers: Sequence[Answer], flights: pd.DataFrame) -> None:
    """Flights per day and per route are those that were flown, and each kind of poison has its dead letters."""
    per_day, per_route, per_reason = (answer.rows for answer in answers)
    days, routes = Counter[str](), Counter[tuple[str, str]]()
    for row in per_day:
        days[str(row["day"])] += int(str(row["doc_count"]))
    for row in per_route:
        routes[str(row["origin"]), str(row["dest"])] += int(str(row["doc_count"]))

    assert days == Counter(datetime.fromtimestamp(ms / 1_000, UTC).date().isoformat() for ms in flights["departed_at"])
    assert routes == Counter(zip(flights["origin"], flights["dest"], strict=True))
    assert len({row["reason"] for row in per_reason}) >= 10


def assert_scores_true(store: Store, settings: Settings, flights: pd.DataFrame) -> None:
    """Every flight has one score, which is what its version says of it; both versions have served."""
    rows = store.ask(SCORES)
    shelf, by_id = wiring.shelf(settings), flights.set_index("request_id")[list(FEATURES)]
    versions = np.array([row["version"] for row in rows])

    assert [row["request_id"] for row in rows] == sorted(by_id.index)
    assert set(versions) == {"1", "2"}
    for version in ("1", "2"):
        served = [row for row in rows if row["version"] == version]
        frame = by_id.loc[[str(row["request_id"]) for row in served]]
        scores = shelf.open(MODEL, version, bundle=None).score(frame).scores
        difference = np.abs(scores - np.array([row["score"] for row in served], dtype=np.float64))

        assert float(difference.max()) <= SCORE_DIFFERENCE_MAX, version
