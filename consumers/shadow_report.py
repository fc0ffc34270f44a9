"""A shadow beside what served, request by request: agreement, scores, who flips, and errors where labels came.

Both are read in the order of request ids and met on the way, so no store has to join and memory
holds figures, not documents.
"""

from array import array
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from statistics import fmean, stdev

import numpy as np
import numpy.typing as npt

from consumers.errors import QueryLimitError
from consumers.questions import Body, Parameters, Question, Row, Store, only
from consumers.stored_collections import OUTCOMES, PREDICTIONS, PROFILES, SHADOWS, Collection

PAIRS_MAX = 2_000_000
TIME_MAX_S = 600.0
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
TOP = 10
NORMAL_97_5 = 1.959963985
_MATCHED = ("model", "version", "role")
_COLUMNS = ("request_id", "entity_id", "version", "score", "label", "event_time")
_SCORED_COLUMNS = ", ".join(_COLUMNS)
_WHERE = "model = :model AND role = :role AND (:version IS NULL OR version = :version)"
_WITHIN = "(:since IS NULL OR event_time >= :since) AND (:until IS NULL OR event_time <= :until)"


def _search(parameters: Parameters, columns: tuple[str, ...], *filters: Body) -> Body:
    within = {
        bound: parameters[name] for bound, name in (("gte", "since"), ("lte", "until")) if parameters[name] is not None
    }
    matched = only({name: parameters[name] for name in _MATCHED if parameters[name] is not None})
    times: list[Body] = [{"range": {"event_time": within}}] if within else []
    return {
        "query": {"bool": {"filter": [*matched, *times, *filters]}},
        "_source": list(columns),
        "sort": ["request_id"],
    }


def _scored(collection: Collection) -> Question:
    return Question(
        collection=collection,
        sql=f"SELECT {_SCORED_COLUMNS} FROM {collection.name} WHERE {_WHERE} AND {_WITHIN} ORDER BY request_id",  # noqa: S608
        search=lambda parameters: _search(parameters, _COLUMNS),
        complete=True,
    )


_SHADOW, _LIVE = _scored(SHADOWS), _scored(PREDICTIONS)
_JUDGED = Question(
    collection=OUTCOMES,
    sql=(
        f"SELECT request_id, loss FROM outcomes WHERE {_WHERE} AND {_WITHIN} "  # noqa: S608  constants
        "AND loss IS NOT NULL AND NOT retracted ORDER BY request_id"
    ),
    search=lambda parameters: _search(
        parameters, ("request_id", "loss"), {"exists": {"field": "loss"}}, {"term": {"retracted": False}}
    ),
    complete=True,
)
_ASKED = Question(
    collection=PROFILES,
    sql='SELECT "rows", rejected FROM profiles WHERE model = :model AND role = :role AND version = :version',
    search=lambda parameters: {
        "query": {"bool": {"filter": only({name: parameters[name] for name in _MATCHED})}},
        "_source": ["rows", "rejected"],
        "sort": ["event_time_first"],
    },
    complete=True,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Quantile:
    """One quantile of both versions' scores on the same requests, and of the differences between them."""

    share: float
    live: float
    shadow: float
    shift: float
    difference: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Errors:
    """Mean losses of both on requests whose truth is known; `low` and `high`: 95 % interval of the difference."""

    compared: int
    live: float
    shadow: float
    difference: float
    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ShadowReport:
    """How a shadow compares; `agreement` None for values, `errors` None while no labels of both are known.

    `flips`: live class, shadow's class and how often; `flipped`: entities with the most flips.
    """

    model: str
    version: str
    live_versions: tuple[str, ...]
    scored: int
    compared: int
    agreement: float | None
    flips: tuple[tuple[str, str, int], ...]
    entities: int
    entities_flipped: int
    flipped: tuple[tuple[str, int], ...]
    scores: tuple[Quantile, ...]
    errors: Errors | None
    asked: int
    rejected: dict[str, int]


def report_shadow(
    store: Store, model: str, version: str, *, since: str | None = None, until: str | None = None
) -> ShadowReport:
    """Compare a shadow with what served, over event times as text in ISO 8601.

    Raises `QueryLimitError` for more than two million requests.
    """
    base = {"model": model, "since": since, "until": until}
    mine: Parameters = {**base, "version": version, "role": "shadow"}
    live: Parameters = {**base, "version": None, "role": "live"}
    tally = _Tally()
    for shadow_row, live_row in met(_rows(store, _SHADOW, mine, on_each=tally.count_shadow), _rows(store, _LIVE, live)):
        tally.add(shadow_row, live_row)
    judged = met(_rows(store, _JUDGED, mine), _rows(store, _JUDGED, live))
    losses = [(float(str(one["loss"])), float(str(other["loss"]))) for one, other in judged]
    asked, rejected = _asked(store, {"model": model, "version": version, "role": "shadow"})
    return ShadowReport(
        model=model,
        version=version,
        live_versions=tuple(sorted(tally.live_versions)),
        scored=tally.scored,
        compared=len(tally.live_scores),
        agreement=tally.agreement,
        flips=tuple((was, now, count) for (was, now), count in tally.flips.most_common(TOP)),
        entities=len(tally.entities),
        entities_flipped=len(tally.flipped),
        flipped=tuple(tally.flipped.most_common(TOP)),
        scores=tally.quantiles(),
        errors=_errors(losses),
        asked=asked,
        rejected=rejected,
    )


def met(ones: Iterator[Row], others: Iterator[Row]) -> Iterator[tuple[Row, Row]]:
    """Rows of both that have the same request id; each side has an id once at most, in order.

    >>> rows = lambda *ids: iter([{"request_id": each} for each in ids])
    >>> [one["request_id"] for one, _ in met(rows("a", "c", "d"), rows("b", "c", "d", "e"))]
    ['c', 'd']
    """
    one, other = next(ones, None), next(others, None)
    while one is not None and other is not None:
        left, right = str(one["request_id"]), str(other["request_id"])
        if left == right:
            yield one, other
        if left <= right:
            one = next(ones, None)
        if right <= left:
            other = next(others, None)


@dataclass(slots=True)
class _Tally:
    """What is kept of the pairs: figures, not rows."""

    scored: int = 0
    agreed: int = 0
    labeled: int = 0
    live_versions: set[str] = field(default_factory=set)
    entities: set[str] = field(default_factory=set)
    flips: Counter[tuple[str, str]] = field(default_factory=Counter)
    flipped: Counter[str] = field(default_factory=Counter)
    live_scores: "array[float]" = field(default_factory=lambda: array("d"))
    shadow_scores: "array[float]" = field(default_factory=lambda: array("d"))

    def count_shadow(self, _row: Row) -> None:
        self.scored += 1
        if self.scored > PAIRS_MAX:
            raise QueryLimitError(
                f"more than {PAIRS_MAX:,} requests were scored: ask for less with --since and --until"
            )

    def add(self, shadow: Row, live: Row) -> None:
        entity = str(live["entity_id"])
        self.live_versions.add(str(live["version"]))
        self.entities.add(entity)
        self.live_scores.append(_number(live["score"]))
        self.shadow_scores.append(_number(shadow["score"]))
        if live["label"] is None or shadow["label"] is None:
            return
        self.labeled += 1
        if live["label"] == shadow["label"]:
            self.agreed += 1
        else:
            self.flips[str(live["label"]), str(shadow["label"])] += 1
            self.flipped[entity] += 1

    @property
    def agreement(self) -> float | None:
        return self.agreed / self.labeled if self.labeled else None

    def quantiles(self) -> tuple[Quantile, ...]:
        live, shadow = _finite(self.live_scores), _finite(self.shadow_scores)
        if not len(live) or not len(shadow):
            return ()
        differences = np.asarray(self.shadow_scores) - np.asarray(self.live_scores)
        of_live, of_shadow = np.quantile(live, QUANTILES), np.quantile(shadow, QUANTILES)
        of_difference = np.nanquantile(differences, QUANTILES)
        return tuple(
            Quantile(
                share=share,
                live=float(was),
                shadow=float(now),
                shift=float(now - was),
                difference=float(difference),
            )
            for share, was, now, difference in zip(QUANTILES, of_live, of_shadow, of_difference, strict=True)
        )


def _rows(
    store: Store, question: Question, parameters: Parameters, *, on_each: Callable[[Row], None] | None = None
) -> Iterator[Row]:
    for row in store.rows(question, parameters, time_max_s=TIME_MAX_S):
        if on_each is not None:
            on_each(row)
        yield row


def _errors(losses: list[tuple[float, float]]) -> Errors | None:
    if len(losses) < 2:
        return None
    differences = [mine - live for mine, live in losses]
    difference = fmean(differences)
    half = NORMAL_97_5 * stdev(differences) / len(differences) ** 0.5
    return Errors(
        compared=len(losses),
        live=fmean(live for _mine, live in losses),
        shadow=fmean(mine for mine, _live in losses),
        difference=difference,
        low=difference - half,
        high=difference + half,
    )


def _asked(store: Store, parameters: Parameters) -> tuple[int, dict[str, int]]:
    """How many requests the shadow was asked to score, and why it could not score some."""
    asked, rejected = 0, Counter[str]()
    for row in store.rows(_ASKED, parameters, time_max_s=TIME_MAX_S):
        asked += int(str(row["rows"]))
        reasons = row["rejected"]
        assert isinstance(reasons, dict), "stored as counts by reason"
        rejected.update({str(reason): int(str(count)) for reason, count in reasons.items()})
    return asked, dict(rejected)


def _number(score: object) -> float:
    return float("nan") if score is None else float(str(score))


def _finite(scores: "array[float]") -> npt.NDArray[np.float64]:
    found = np.asarray(scores, dtype=np.float64)
    kept: npt.NDArray[np.float64] = found[np.isfinite(found)]
    return kept
