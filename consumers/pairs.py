"""Two versions on the same requests: what each shadow prediction says beside the live one, by the version that served.

Both kinds of predictions come out of the store in the order of their request ids and are paired as
they come, so that any number of them takes constant memory but for the differences themselves.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from consumers.questions import Question, Row, Store
from consumers.sinks.shape import time_text
from consumers.stored_collections import PREDICTIONS, SHADOWS, Collection


@dataclass(frozen=True, slots=True, kw_only=True)
class PairsOfVersion:
    """Requests that one live version and the other version both scored.

    `difference_*`: of the score, the other's minus the live one's; those with `abs` without its sign.
    `same_label`: share of requests with the same predicted class; None for regression.
    """

    live_version: str
    requests: int
    difference_mean: float
    difference_abs_p50: float
    difference_abs_p99: float
    difference_abs_max: float
    same_label: float | None


@dataclass(slots=True)
class _Pairs:
    differences: list[float] = field(default_factory=list)
    labels: int = 0
    same: int = 0

    def add(self, live: Row, other: Row) -> None:
        if isinstance(live["score"], float) and isinstance(other["score"], float):
            self.differences.append(other["score"] - live["score"])
        if live["label"] is not None:
            self.labels += 1
            self.same += live["label"] == other["label"]


def pairs(store: Store, model: str, version: str, *, since: int, until: int) -> list[PairsOfVersion]:
    """By live version, over requests of event times in [since, until) ms.

    Raises `StoreNotFoundError`, `StoreUnavailableError`.
    """
    span = {"model": model, "since": time_text(since), "until": time_text(until)}
    found: dict[str, _Pairs] = {}
    others = _Peekable(store.rows(_OTHERS, {**span, "version": version}))
    for live in store.rows(_LIVE, span):
        other = others.at(str(live["request_id"]))
        if other is not None:
            found.setdefault(str(live["version"]), _Pairs()).add(live, other)
    return [_summary(name, each) for name, each in sorted(found.items()) if each.differences]


def shadow_count(store: Store, model: str, version: str, *, since: int, until: int) -> int:
    """How many shadow predictions of a version are stored of that time."""
    span = {"model": model, "version": version, "since": time_text(since), "until": time_text(until)}
    return sum(1 for _row in store.rows(_OTHERS, span))


class _Peekable:
    """Rows in the order of their request ids, asked for one id after the other, also in that order."""

    def __init__(self, rows: Iterator[Row]) -> None:
        self._rows = rows
        self._next = next(rows, None)

    def at(self, request_id: str) -> Row | None:
        while self._next is not None and str(self._next["request_id"]) < request_id:
            self._next = next(self._rows, None)
        return self._next if self._next is not None and self._next["request_id"] == request_id else None


def _in_order(collection: Collection, *equal: str) -> Question:
    """Score and label by request id."""
    conditions = " AND ".join(f"{name} = :{name}" for name in equal)
    return Question(
        collection=collection,
        sql=(
            f"SELECT request_id, version, score, label FROM {collection.name} "  # noqa: S608  names are declared
            f"WHERE {conditions} AND event_time >= :since AND event_time < :until ORDER BY request_id"
        ),
        search=lambda parameters: {
            "query": {
                "bool": {
                    "filter": [
                        *({"term": {name: parameters[name]}} for name in equal),
                        {"range": {"event_time": {"gte": parameters["since"], "lt": parameters["until"]}}},
                    ]
                }
            },
            "_source": ["request_id", "version", "score", "label"],
            "sort": [{"request_id": "asc"}],
        },
        complete=True,
    )


_LIVE = _in_order(PREDICTIONS, "model")
_OTHERS = _in_order(SHADOWS, "model", "version")


def _summary(version: str, found: _Pairs) -> PairsOfVersion:
    differences = np.array(found.differences)
    absolute = np.abs(differences)
    return PairsOfVersion(
        live_version=version,
        requests=len(differences),
        difference_mean=float(differences.mean()),
        difference_abs_p50=float(np.quantile(absolute, 0.5)),
        difference_abs_p99=float(np.quantile(absolute, 0.99)),
        difference_abs_max=float(absolute.max()),
        same_label=found.same / found.labels if found.labels else None,
    )
