"""Performance by the values of a feature, summed from the stored outcomes themselves.

What is predicted, mature and unsure is counted from the predictions, so segments without any label are there too.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from consumers.errors import QueryError
from consumers.questions import Parameters, Question, Row, Store, by, only
from consumers.segments import Segments
from consumers.sinks.shape import time_text
from consumers.stored_collections import OUTCOMES, PREDICTIONS
from schemas.performance_sums import Judged, PerformanceSums
from schemas.signature import Task

_EVER, _ANY_SCORE = "9999-12-31T23:59:59.999Z", 1e308
_JUDGED = ("label", "score", "probabilities", "truth", "truth_value", "truth_probability", "loss", "weight", "value")
_OUTCOMES = Question(
    collection=OUTCOMES,
    sql="""
SELECT label, score, probabilities, truth, truth_value, truth_probability, loss, weight, value, delay_ms, features
FROM outcomes WHERE model = :model AND role = 'live'
""",
    search=lambda parameters: {
        "query": {"bool": {"filter": only({**parameters, "role": "live"})}},
        "_source": [*_JUDGED, "delay_ms", "features"],
        "sort": [{"event_time": "asc"}, {"request_id": "asc"}],
    },
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Segmentation:
    """What is asked for: `mature_before`: the event time (ms) before which labels had time to come."""

    model: str
    feature: str
    task: Task
    classes: tuple[str, ...]
    mature_before: int
    confidence_least: float


@dataclass(slots=True)
class Segment:
    """What was added up, and how many of its predictions were old enough for their labels."""

    sums: PerformanceSums = field(default_factory=PerformanceSums)
    mature: int = 0


def segments_of(store: Store, asked: Segmentation) -> dict[str, Segment]:
    """Segments by name: ranges of numbers upwards, else those of most predictions first.

    Live predictions only. Raises `QueryError` for a feature that no outcome has.
    """
    predicted = _predicted(store, asked)
    names = Segments(predicted)
    segments: dict[str, Segment] = {name: Segment() for name in names.in_order}

    def of(value: object) -> Segment:
        return segments.setdefault(names.name(value), Segment())

    for value, count in sorted(predicted.items(), key=lambda item: (item[0] is None, -item[1], str(item[0]))):
        of(value).sums.predicted += count
    for value, count in _predicted(store, asked, before=time_text(asked.mature_before)).items():
        of(value).mature += count
    for value, count in _unsure(store, asked).items():
        of(value).sums.low_confidence += count
    found = False
    for row in store.rows(_OUTCOMES, {"model": asked.model}):
        features = row["features"]
        assert isinstance(features, Mapping), "features are stored as JSON"
        found = found or asked.feature in features
        of(features.get(asked.feature)).sums.judge(_judged(row), 1, task=asked.task, classes=asked.classes)
    if not found:
        raise QueryError(
            f"no outcome of {asked.model} has a feature {asked.feature!r}: choose version, arm, window or a feature"
        )
    for segment in segments.values():
        # An outcome may be stored a moment before its prediction is.
        segment.sums.predicted = max(segment.sums.predicted, segment.sums.labeled + segment.sums.retracted)
    return segments


def _predicted(
    store: Store, asked: Segmentation, *, before: str = _EVER, least: float = -_ANY_SCORE, most: float = _ANY_SCORE
) -> dict[object, int]:
    """How many live predictions there are of each value of the feature, of these times and scores."""
    question = Question(
        collection=PREDICTIONS,
        sql="""
SELECT json_extract(features, :path) AS segment, count(*) AS doc_count FROM predictions
WHERE model = :model AND event_time < :before AND score > :least AND score < :most GROUP BY segment
""",
        search=lambda asked_for: {
            "query": {
                "bool": {
                    "filter": [
                        *only({"model": asked_for["model"]}),
                        {"range": {"event_time": {"lt": asked_for["before"]}}},
                        {"range": {"score": {"gt": asked_for["least"], "lt": asked_for["most"]}}},
                    ]
                }
            },
            "aggs": {
                "group": {
                    "composite": by(
                        {"segment": {"terms": {"field": f"features.{asked.feature}", "missing_bucket": True}}}
                    )
                }
            },
        },
    )
    given: Parameters = {
        "model": asked.model,
        "path": f'$."{asked.feature}"',
        "before": before,
        "least": least,
        "most": most,
    }
    counts: dict[object, int] = {}
    for row in store.ask(question, given):
        count = row["doc_count"]
        assert isinstance(count, (int, float)), "counts are numbers"
        counts[row["segment"]] = counts.get(row["segment"], 0) + round(count)
    return counts


def _unsure(store: Store, asked: Segmentation) -> dict[object, int]:
    """Those whose class had too low a probability: of two classes the score is that of the second."""
    if asked.task is Task.REGRESSION:
        return {}
    most = asked.confidence_least
    return _predicted(store, asked, least=1.0 - most if asked.task is Task.BINARY else -_ANY_SCORE, most=most)


def _judged(row: Row) -> Judged:
    probabilities = row["probabilities"]
    return Judged(
        label=None if row["label"] is None else str(row["label"]),
        score=_number(row["score"]),
        probabilities=[_number(each) for each in probabilities] if isinstance(probabilities, list) else None,
        truth=None if row["truth"] is None else str(row["truth"]),
        truth_value=_given(row["truth_value"]),
        truth_probability=_given(row["truth_probability"]),
        loss=_given(row["loss"]),
        weight=_given(row["weight"]),
        value=_given(row["value"]),
        delay_ms=round(_number(row["delay_ms"])),
    )


def _given(value: object) -> float | None:
    return None if value is None else _number(value)


def _number(value: object) -> float:
    assert isinstance(value, (int, float)), f"a number was stored: {value!r}"
    return float(value)
