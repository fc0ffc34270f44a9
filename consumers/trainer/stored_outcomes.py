"""Outcomes for a retrain, as the store has them: the newest first, row by row, in any store.

What has matured is told by the closed cohorts: labels before the newest closed stretch have had
time to arrive. Partitions close a stretch one after the other, so the stretch itself does not count.
"""

from collections.abc import Iterator
from itertools import islice

from consumers.questions import Question, Row, Store, only
from consumers.sinks.shape import ms_of, time_text
from consumers.stored_collections import COHORTS, OUTCOMES
from consumers.trainer.window import OutcomeRow, Stretch

_LIVE = "live"
_NEWEST_COHORT = Question(
    collection=COHORTS,
    sql="SELECT max(start) AS start FROM cohorts WHERE model = :model AND role = :role",
    search=lambda parameters: {
        "query": {"bool": {"filter": only(parameters)}},
        "aggs": {"start": {"max": {"field": "start"}}},
    },
)
_OUTCOMES = Question(
    collection=OUTCOMES,
    sql="""
SELECT request_id, event_time, truth, truth_value, label_revision, features FROM outcomes
WHERE model = :model AND role = :role AND retracted = 0 AND event_time >= :since AND event_time < :until
ORDER BY event_time DESC, request_id DESC
""",
    search=lambda parameters: {
        "query": {
            "bool": {
                "filter": [
                    *only({"model": parameters["model"], "role": parameters["role"], "retracted": False}),
                    {"range": {"event_time": {"gte": parameters["since"], "lt": parameters["until"]}}},
                ]
            }
        },
        "_source": ["request_id", "event_time", "truth", "truth_value", "label_revision", "features"],
        "sort": [{"event_time": "desc"}, {"request_id": "desc"}],
    },
)


class StoredOutcomes:
    """The analysts' store, asked for what a retrain needs."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def matured_until(self, model: str) -> int | None:
        """The event time (ms) before which labels have had time to arrive; None while no cohort has closed."""
        # A store that has no cohorts yet may have no place for them, and then answers with nothing at all.
        rows = self._store.ask(_NEWEST_COHORT, {"model": model, "role": _LIVE})
        start = rows[0]["start"] if rows else None
        return None if start is None else ms_of(str(start))

    def newest(self, model: str, stretch: Stretch, *, rows_max: int) -> Iterator[OutcomeRow]:
        """Live outcomes of the stretch that have a label, newest first, at most `rows_max`."""
        parameters = {
            "model": model,
            "role": _LIVE,
            "since": time_text(stretch.since),
            "until": time_text(stretch.until),
        }
        return map(_outcome, islice(self._store.rows(_OUTCOMES, parameters), rows_max))


def _outcome(row: Row) -> OutcomeRow:
    truth, value, revision, features = row["truth"], row["truth_value"], row["label_revision"], row["features"]
    assert isinstance(features, dict), "features are stored as JSON"
    assert isinstance(revision, int), "revisions are stored as integers"
    return OutcomeRow(
        request_id=str(row["request_id"]),
        event_time=ms_of(str(row["event_time"])),
        label=str(truth) if truth is not None else value if isinstance(value, float) else None,
        revision=revision,
        features=features,
    )
