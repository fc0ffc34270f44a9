"""What analysts ask first: predictions per version and day, errors by reason, dead letters, latency.

Each report is one or two bounded questions to the store and gives plain rows.
"""

from dataclasses import dataclass

from consumers.errors import QueryError
from consumers.queries import Row, Store, Value
from schemas.reasons import REMEDIES, Reason

LETTERS_LIMIT = 50

_PREDICTIONS = """
SELECT version, date(event_time) AS day, count(*) AS predictions, avg(score) AS mean_score
FROM predictions WHERE model = ? GROUP BY version, day ORDER BY day, version
"""
_LABELS = """
SELECT version, date(event_time) AS day, label, count(*) AS predictions
FROM predictions WHERE model = ? AND label IS NOT NULL GROUP BY version, day, label ORDER BY label
"""
_ERRORS = """
SELECT reason, stage, count(*) AS records, max(failed_at) AS last_failed_at
FROM dead_letters WHERE model = ? GROUP BY reason, stage ORDER BY records DESC, reason, stage
"""
_LETTERS = """
SELECT id, reason, stage, model, topic, "partition", "offset", detail, failed_at
FROM dead_letters WHERE (:reason IS NULL OR reason = :reason) AND (:model IS NULL OR model = :model)
ORDER BY failed_at DESC, id DESC LIMIT :limit
"""
_LATENCY = """
WITH durations AS (
    SELECT CAST(round((julianday(scored_at) - julianday(requested_at)) * 86400000.0) AS INTEGER) AS ms
    FROM predictions WHERE model = ?
), ranked AS (SELECT ms, row_number() OVER (ORDER BY ms) AS place, count(*) OVER () AS n FROM durations)
SELECT n, max(CASE WHEN place = (n * 50 + 99) / 100 THEN ms END) AS p50_ms,
    max(CASE WHEN place = (n * 99 + 99) / 100 THEN ms END) AS p99_ms, max(ms) AS max_ms
FROM ranked GROUP BY n
"""
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
    labels: dict[tuple[Value, Value], dict[str, int]] = {}
    for row in store.query(_LABELS, (model,)):
        labels.setdefault((row["version"], row["day"]), {})[str(row["label"])] = _whole(row["predictions"])
    return [_of_day(row, labels.get((row["version"], row["day"]), {})) for row in store.query(_PREDICTIONS, (model,))]


def report_errors(store: Store, model: str) -> list[ErrorsOfReason]:
    """Dead letters by reason and stage, most frequent first, each with its remedy."""
    return [
        ErrorsOfReason(
            reason=str(row["reason"]),
            stage=str(row["stage"]),
            records=_whole(row["records"]),
            last_failed_at=str(row["last_failed_at"]),
            remedy=remedy_of(str(row["reason"])),
        )
        for row in store.query(_ERRORS, (model,))
    ]


def list_dead_letters(
    store: Store, *, reason: str | None = None, model: str | None = None, limit: int = LETTERS_LIMIT
) -> list[Row]:
    """Dead letters, newest first, without their bytes.

    Raises `QueryError` for a reason that does not exist.
    """
    if reason is not None and reason not in _REASONS:
        raise QueryError(f"there is no reason {reason!r}; reasons are: {', '.join(sorted(_REASONS))}")
    return store.query(_LETTERS, {"reason": reason, "model": model, "limit": limit})


def show_dead_letter(store: Store, letter_id: str) -> Row:
    """One dead letter whole: bytes, headers, and the remedy. Raises `QueryError` when there is none."""
    found = store.query("SELECT * FROM dead_letters WHERE id = ?", (letter_id,))
    if not found:
        raise QueryError(f"there is no dead letter {letter_id!r}: `penstock dead-letters list` shows their ids")
    return {**found[0], "remedy": remedy_of(str(found[0]["reason"]))}


def latency(store: Store, model: str) -> Latency:
    """Percentiles from request to prediction, over everything stored of the model."""
    found = store.query(_LATENCY, (model,))
    if not found:
        return Latency(predictions=0, p50_ms=None, p99_ms=None, max_ms=None)
    row = found[0]
    return Latency(
        predictions=_whole(row["n"]),
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


def _of_day(row: Row, labels: dict[str, int]) -> PredictionsOfDay:
    predictions = _whole(row["predictions"])
    score = row["mean_score"]
    return PredictionsOfDay(
        version=str(row["version"]),
        day=str(row["day"]),
        predictions=predictions,
        mean_score=score if isinstance(score, float) else None,
        label_shares={label: count / predictions for label, count in labels.items()},
    )


def _whole(value: Value) -> int:
    assert type(value) is int, f"the store counts in integers: {value!r}"
    return value
