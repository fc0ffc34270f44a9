"""One model's records in, predictions and rejections out: the pure middle of the scoring lane.

Decode, validate, route, then one estimator call per version on all of its rows. A row that
can't be scored is rejected alone. No client, clock, thread or randomness is used here.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from registry.loaded import LoadedVersion, Scores
from runtime.batch import RecordColumns
from schemas.columns import PredictionColumns, Rejection, RequestColumns
from schemas.reasons import Reason
from streams.scoring.bisection import Part, score_span
from streams.scoring.routing import Routes, route
from streams.scoring.serving import Serving
from streams.scoring.validation import EventTimeBounds, validate

Guard = Callable[[str, str], AbstractContextManager[None]]
Ints = npt.NDArray[np.int64]
ROLE_LIVE = "live"


@dataclass(slots=True)
class _Answers:
    """Scores by row of the valid requests; `scored` says which rows have one."""

    scored: npt.NDArray[np.bool_]
    scores: npt.NDArray[np.float64]
    labels: list[str | None]
    probabilities: list[npt.NDArray[np.float64] | None]

    @classmethod
    def empty(cls, rows: int) -> "_Answers":
        return cls(np.zeros(rows, dtype=np.bool_), np.empty(rows), [None] * rows, [None] * rows)

    def put(self, indices: Ints, scores: Scores) -> None:
        self.scores[indices] = scores.scores
        self.scored[indices] = np.isfinite(scores.scores)
        if len(indices) == len(self.labels):
            self.labels = list(scores.labels or self.labels)
            self.probabilities = self.probabilities if scores.probabilities is None else list(scores.probabilities)
            return
        rows = indices.tolist()
        if scores.labels is not None:
            for row, label in zip(rows, scores.labels, strict=True):
                self.labels[row] = label
        if scores.probabilities is not None:
            for row, probabilities in zip(rows, scores.probabilities, strict=True):
                self.probabilities[row] = probabilities


def score_records(
    records: RecordColumns, serving: Serving, *, bounds: EventTimeBounds, now: int, guard: Guard
) -> tuple[PredictionColumns, list[Rejection]]:
    """Score what can be scored; predictions and rejections together name every record once.

    `guard(model, version)` is entered around each estimator call.
    """
    requests, rejections = serving.decoder.decode(records.values)
    valid, invalid = validate(requests, records.keys, records.append_times, bounds)
    rejections += invalid
    if not valid.all():
        requests = requests.take(np.flatnonzero(valid))
    routes = route(
        requests.entity_ids.to_pylist() if len(serving.versions) > 1 else requests.rows.tolist(), serving.state
    )
    answers = _Answers.empty(len(requests.rows))
    for index, version in enumerate(serving.versions):
        members = np.flatnonzero(routes.versions == index)
        if version is None:
            rejections += _quarantined(requests, members, serving, index)
        elif len(members):
            rejections += _score_version(requests, members, version, answers, guard)
    kept = np.flatnonzero(answers.scored)
    assert len(kept) + len(rejections) == len(records), (len(kept), len(rejections), len(records))
    return _predictions(records, requests, kept, serving=serving, answers=answers, routes=routes, now=now), rejections


def _score_version(
    requests: RequestColumns, members: Ints, version: LoadedVersion, answers: _Answers, guard: Guard
) -> list[Rejection]:
    whole = len(members) == len(requests.rows)
    features = requests.features if whole else requests.take(members).features
    frame, unfit = version.fit(features)
    rejections = [
        Rejection(row=int(requests.rows[members[fault.row]]), reason=fault.reason, detail=fault.detail)
        for fault in unfit
    ]
    fitting = np.delete(members, [fault.row for fault in unfit]) if unfit else members

    def score(start: int, stop: int) -> Scores:
        with guard(version.name, version.version):
            return version.score(frame if stop - start == len(fitting) else frame[start:stop])

    parts, faults = score_span(score, len(fitting))
    for part in parts:
        answers.put(fitting[part.start : part.stop], part.scores)
        rejections += _not_finite(requests, fitting, part)
    for fault in faults:
        row = int(requests.rows[fitting[fault.index]])
        rejections.append(Rejection(row=row, reason=fault.error.reason, detail=fault.error.detail))
    return rejections


def _not_finite(requests: RequestColumns, fitting: Ints, part: Part) -> list[Rejection]:
    return [
        Rejection(
            row=int(requests.rows[fitting[part.start + index]]),
            reason=Reason.SCORE_NOT_FINITE,
            detail=f"the estimator answered {part.scores.scores[index]}",
        )
        for index in np.flatnonzero(~np.isfinite(part.scores.scores)).tolist()
    ]


def _quarantined(requests: RequestColumns, members: Ints, serving: Serving, index: int) -> list[Rejection]:
    version = serving.state.versions[index].version
    detail = f"version {version} is quarantined: {serving.quarantined[version]}"
    return [Rejection(row=int(row), reason=Reason.VERSION_QUARANTINED, detail=detail) for row in requests.rows[members]]


def _predictions(
    records: RecordColumns,
    requests: RequestColumns,
    kept: Ints,
    *,
    serving: Serving,
    answers: _Answers,
    routes: Routes,
    now: int,
) -> PredictionColumns:
    whole = len(kept) == len(requests.rows)
    scored = requests if whole else requests.take(kept)
    rows = scored.rows
    served = serving.state.versions
    kept_rows = kept.tolist()
    return PredictionColumns(
        model=serving.state.model,
        role=ROLE_LIVE,
        generation=serving.state.generation,
        scored_at=now,
        requests=scored,
        versions=_each([entry.version for entry in served], routes.versions[kept]),
        arms=_each([entry.arm for entry in served], routes.versions[kept]),
        buckets=routes.buckets[kept],
        scores=answers.scores[kept],
        labels=answers.labels if whole else [answers.labels[row] for row in kept_rows],
        probabilities=answers.probabilities if whole else [answers.probabilities[row] for row in kept_rows],
        requested_at=np.asarray(records.append_times, dtype=np.int64)[rows],
        partitions=np.asarray(records.partitions, dtype=np.int64)[rows],
        offsets=np.asarray(records.offsets, dtype=np.int64)[rows],
    )


def _each(names: list[str], indices: Ints) -> list[str]:
    return names * len(indices) if len(names) == 1 else [names[index] for index in indices.tolist()]
