"""What analysts ask first: predictions per version and day, errors by reason, dead letters, latency.

Each report is one or two bounded questions to the store and gives plain rows.
"""

from dataclasses import dataclass

from consumers.errors import QueryError
from consumers.questions import Body, Parameters, Question, Row, Store, by, by_day, only
from consumers.sinks.base import FieldValue
from consumers.stored_collections import DEAD_LETTERS, PREDICTIONS
from schemas.reasons import REMEDIES, Reason

LETTERS_LIMIT = 50

_PREDICTIONS = Question(
    collection=PREDICTIONS,
    sql="""
SELECT version, date(event_time) AS day, count(*) AS doc_count, avg(score) AS mean_score
FROM predictions WHERE model = :model GROUP BY version, day
""",
    search=lambda parameters: {
        "query": {"bool": {"filter": only(parameters)}},
        "aggs": {
            "group": {
                "composite": by("version", by_day("day", "event_time")),
                "aggs": {"mean_score": {"avg": {"field": "score"}}},
            }
        },
    },
)
_LABELS = Question(
    collection=PREDICTIONS,
    sql="""
SELECT version, date(event_time) AS day, label, count(*) AS doc_count
FROM predictions WHERE model = :model AND label IS NOT NULL GROUP BY version, day, label
""",
    search=lambda parameters: {
        "query": {"bool": {"filter": only(parameters)}},
        "aggs": {"group": {"composite": by("version", by_day("day", "event_time"), "label")}},
    },
)
_ERRORS = Question(
    collection=DEAD_LETTERS,
    sql="""
SELECT reason, stage, count(*) AS doc_count, max(failed_at) AS last_failed_at
FROM dead_letters WHERE model = :model GROUP BY reason, stage
""",
    search=lambda parameters: {
        "query": {"bool": {"filter": only(parameters)}},
        "aggs": {
            "group": {
                "composite": by("reason", "stage"),
                "aggs": {"last_failed_at": {"max": {"field": "failed_at"}}},
            }
        },
    },
)
_LETTER_COLUMNS = ("reason", "stage", "model", "topic", "partition", "offset", "detail", "failed_at")
_LETTERS = Question(
    collection=DEAD_LETTERS,
    sql="""
SELECT id, reason, stage, model, topic, "partition", "offset", detail, failed_at
FROM dead_letters WHERE (:reason IS NULL OR reason = :reason) AND (:model IS NULL OR model = :model)
ORDER BY failed_at DESC, topic DESC, "partition" DESC, "offset" DESC LIMIT :limit
""",
    search=lambda parameters: {
        "size": parameters["limit"],
        "query": {"bool": {"filter": only(_given(parameters, "reason", "model"))}},
        "_source": list(_LETTER_COLUMNS),
        "sort": [{name: "desc"} for name in ("failed_at", "topic", "partition", "offset")],
    },
)
_LETTER = Question(
    collection=DEAD_LETTERS,
    sql="SELECT * FROM dead_letters WHERE id = :id",
    search=lambda parameters: {"size": 1, "query": {"ids": {"values": [parameters["id"]]}}},
)
_LATENCY = Question(
    collection=PREDICTIONS,
    sql="""
WITH durations AS (
    SELECT CAST(round((julianday(scored_at) - julianday(requested_at)) * 86400000.0) AS INTEGER) AS ms
    FROM predictions WHERE model = :model
), ranked AS (SELECT ms, row_number() OVER (ORDER BY ms) AS place, count(*) OVER () AS n FROM durations)
SELECT n AS predictions, max(CASE WHEN place = (n * 50 + 99) / 100 THEN ms END) AS p50_ms,
    max(CASE WHEN place = (n * 99 + 99) / 100 THEN ms END) AS p99_ms, max(ms) AS max_ms
FROM ranked GROUP BY n
""",
    search=lambda parameters: {
        "query": {"bool": {"filter": only(parameters)}},
        "aggs": {
            "predictions": {"value_count": {"field": "latency_ms"}},
            "p50_ms": _percentile("latency_ms", 50),
            "p99_ms": _percentile("latency_ms", 99),
            "max_ms": {"max": {"field": "latency_ms"}},
        },
    },
)
_REASONS = frozenset(reason.value for reason in Reason)


@dataclass(frozen=True, slots=True, kw_only=True)
class PredictionsOfDay:
    """One version's predictions of one day of event time; `label_shares`: predicted classes, summing to 1."""

    version: str
    day: str
    predictions: int
    mean_score: float | None
    label_shares: dict[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorsOfReason:
    """Dead letters of one model with one reason at one stage, and what to do about them."""

    reason: str
    stage: str
    records: int
    last_failed_at: str
    remedy: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Latency:
    """Milliseconds from Kafka's taking a request to its being scored; None where nothing was scored."""

    predictions: int
    p50_ms: int | None
    p99_ms: int | None
    max_ms: int | None


def report_predictions(store: Store, model: str) -> list[PredictionsOfDay]:
    """Per day and version: how many, the mean score and the share of each predicted class."""
    labels: dict[tuple[FieldValue, FieldValue], dict[str, int]] = {}
    for row in sorted(store.ask(_LABELS, {"model": model}), key=lambda row: str(row["label"])):
        labels.setdefault((row["version"], row["day"]), {})[str(row["label"])] = _whole(row["doc_count"])
    rows = sorted(store.ask(_PREDICTIONS, {"model": model}), key=lambda row: (str(row["day"]), str(row["version"])))
    return [_of_day(row, labels.get((row["version"], row["day"]), {})) for row in rows]


def report_errors(store: Store, model: str) -> list[ErrorsOfReason]:
    """Dead letters by reason and stage, most frequent first, each with its remedy."""
    errors = [
        ErrorsOfReason(
            reason=str(row["reason"]),
            stage=str(row["stage"]),
            records=_whole(row["doc_count"]),
            last_failed_at=str(row["last_failed_at"]),
            remedy=remedy_of(str(row["reason"])),
        )
        for row in store.ask(_ERRORS, {"model": model})
    ]
    return sorted(errors, key=lambda error: (-error.records, error.reason, error.stage))


def list_dead_letters(
    store: Store, *, reason: str | None = None, model: str | None = None, limit: int = LETTERS_LIMIT
) -> list[Row]:
    """Dead letters, newest first, without their bytes.

    Raises `QueryError` for a reason that does not exist.
    """
    if reason is not None and reason not in _REASONS:
        raise QueryError(f"there is no reason {reason!r}; reasons are: {', '.join(sorted(_REASONS))}")
    return store.ask(_LETTERS, {"reason": reason, "model": model, "limit": limit})


def show_dead_letter(store: Store, letter_id: str) -> Row:
    """One dead letter whole: bytes, headers, and the remedy. Raises `QueryError` when there is none."""
    found = store.ask(_LETTER, {"id": letter_id})
    if not found:
        raise QueryError(f"there is no dead letter {letter_id!r}: `penstock dead-letters list` shows their ids")
    return {**found[0], "remedy": remedy_of(str(found[0]["reason"]))}


def latency(store: Store, model: str) -> Latency:
    """Percentiles from request to prediction, over everything stored of the model.

    They are exact in the embedded store, and in Elasticsearch to three digits.
    """
    found = store.ask(_LATENCY, {"model": model})
    if not found or not found[0]["predictions"]:
        return Latency(predictions=0, p50_ms=None, p99_ms=None, max_ms=None)
    row = found[0]
    return Latency(
        predictions=_whole(row["predictions"]),
        p50_ms=_whole(row["p50_ms"]),
        p99_ms=_whole(row["p99_ms"]),
        max_ms=_whole(row["max_ms"]),
    )


def remedy_of(reason: str) -> str:
    """What to do about a reason; empty for one that this version does not know.

    >>> remedy_of("no_key")
    'set the message key to the entity_id'
    """
    return REMEDIES[Reason(reason)] if reason in _REASONS else ""


def _given(parameters: Parameters, *names: str) -> Parameters:
    return {name: parameters[name] for name in names if parameters[name] is not None}


def _percentile(field: str, percent: int) -> Body:
    return {"percentiles": {"field": field, "percents": [percent], "hdr": {"number_of_significant_value_digits": 3}}}


def _of_day(row: Row, labels: dict[str, int]) -> PredictionsOfDay:
    predictions = _whole(row["doc_count"])
    score = row["mean_score"]
    return PredictionsOfDay(
        version=str(row["version"]),
        day=str(row["day"]),
        predictions=predictions,
        mean_score=score if isinstance(score, float) else None,
        label_shares={label: count / predictions for label, count in labels.items()},
    )


def _whole(value: FieldValue) -> int:
    """A count or a number of milliseconds; Elasticsearch tells some of them as doubles."""
    assert isinstance(value, (int, float)), f"the store counts in numbers: {value!r}"
    return round(value)
