"""One model's records in, predictions and rejections out: the pure middle of the scoring and shadow lanes.

Decode, validate, route, then one estimator call per version on all of its rows. A row that
can't be scored is rejected alone. No client, clock, thread or randomness is used here; how long
a stage took is told by the timer that is passed in.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from registry.loaded import LoadedVersion, Scores
from runtime.batch import RecordColumns
from schemas.columns import PredictionColumns, Rejection, RequestColumns
from schemas.reasons import Reason
from streams.scoring.bisection import Part, score_span
from streams.scoring.roles import ARM_PINNED, ROLE_LIVE
from streams.scoring.routing import NOBODY, Routes, Routing
from streams.scoring.serving import Serving
from streams.scoring.validation import EventTimeBounds, validate

Guard = Callable[[str, str], AbstractContextManager[None]]
Timer = Callable[[], float]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionRows:
    """The n rows of a batch that one of the deployment's versions was asked to score, in the batch's order.

    `index`: of the version in the deployment. `rows` (n,): indices into the batch's records.
    `event_times` (n,) in ms. `scores` (n,), NaN where there is none. `rejected`: position among
    these rows and reason. `durations_us`: what they took by stage, decoding shared with others.
    """

    index: int
    rows: Ints
    features: pa.RecordBatch
    event_times: Ints
    scores: npt.NDArray[np.float64]
    rejected: Sequence[tuple[int, Reason]]
    durations_us: Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoredRecords:
    """Predictions and rejections, which together name every record once, the routed rows by version, and times."""

    predictions: PredictionColumns
    rejections: list[Rejection]
    versions: Sequence[VersionRows]
    stage_seconds: Mapping[str, float]


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
    records: RecordColumns,
    serving: Serving,
    *,
    bounds: EventTimeBounds,
    now: int,
    guard: Guard,
    timer: Timer,
    role: str = ROLE_LIVE,
    routing: Routing | None = None,
) -> ScoredRecords:
    """Score what can be scored, and what the routing, by default the deployment's own, gives to a version.

    `guard(model, version)` is entered around each estimator call; `timer` gives seconds that only rise.
    """
    started = timer()
    requests, rejections = serving.decoder.decode(records.values)
    decoded = timer()
    decode_s = decoded - started
    valid, invalid = validate(requests, records.keys, records.append_times, bounds)
    rejections += invalid
    if not valid.all():
        requests = requests.take(np.flatnonzero(valid))
    routes = (routing or serving.router).route(requests)
    routed = timer()
    answers = _Answers.empty(len(requests.rows))
    parts = []
    for index, version in enumerate(serving.versions):
        members = np.flatnonzero(routes.versions == index)
        if not len(members):
            continue
        part = requests if len(members) == len(requests.rows) else requests.take(members)
        stages = {"decode": decode_s * len(members) / len(records)}
        refused = (
            _quarantined(part, serving, index)
            if version is None
            else _score_version(part, members, version, answers, guard=guard, timer=timer, stages=stages)
        )
        rejections += refused
        parts.append(_version_rows(index, part, refused, answers.scores[members], stages))
    stage_seconds = {"decode": decode_s, "validate": routed - decoded, "score": timer() - routed}
    kept = np.flatnonzero(answers.scored)
    left = int(np.count_nonzero(routes.versions == NOBODY))
    assert len(kept) + len(rejections) + left == len(records), (len(kept), len(rejections), left, len(records))
    predictions = _predictions(
        records, requests, kept, serving=serving, answers=answers, routes=routes, now=now, role=role
    )
    return ScoredRecords(predictions=predictions, rejections=rejections, versions=parts, stage_seconds=stage_seconds)


def _version_rows(
    index: int,
    part: RequestColumns,
    refused: Sequence[Rejection],
    scores: npt.NDArray[np.float64],
    stages: Mapping[str, float],
) -> VersionRows:
    places = np.searchsorted(part.rows, [rejection.row for rejection in refused]).tolist()
    scores[places] = np.nan
    return VersionRows(
        index=index,
        rows=part.rows,
        features=part.features,
        event_times=part.event_times,
        scores=scores,
        rejected=[(place, rejection.reason) for place, rejection in zip(places, refused, strict=True)],
        durations_us={stage: round(seconds * 1e6) for stage, seconds in stages.items()},
    )


def _score_version(
    part: RequestColumns,
    members: Ints,
    version: LoadedVersion,
    answers: _Answers,
    *,
    guard: Guard,
    timer: Timer,
    stages: dict[str, float],
) -> list[Rejection]:
    started = timer()
    frame, unfit = version.fit(part.features)
    rejections = [part.refuse(fault.row, fault.reason, fault.detail, version=version.version) for fault in unfit]
    fitting = np.delete(np.arange(len(members)), [fault.row for fault in unfit]) if unfit else np.arange(len(members))
    fitted = timer()

    def score(start: int, stop: int) -> Scores:
        with guard(version.name, version.version):
            return version.score(frame if stop - start == len(fitting) else frame[start:stop])

    scored, faults = score_span(score, len(fitting))
    stages |= {"fit": fitted - started, "score": timer() - fitted}
    for span in scored:
        answers.put(members[fitting[span.start : span.stop]], span.scores)
        rejections += _not_finite(part, fitting, span, version.version)
    for fault in faults:
        index = int(fitting[fault.index])
        rejections.append(part.refuse(index, fault.error.reason, fault.error.detail, version=version.version))
    return rejections


def _not_finite(requests: RequestColumns, fitting: Ints, part: Part, version: str) -> list[Rejection]:
    return [
        requests.refuse(
            int(fitting[part.start + index]),
            Reason.SCORE_NOT_FINITE,
            f"the estimator answered {part.scores.scores[index]}",
            version=version,
        )
        for index in np.flatnonzero(~np.isfinite(part.scores.scores)).tolist()
    ]


def _quarantined(part: RequestColumns, serving: Serving, index: int) -> list[Rejection]:
    version = serving.state.versions[index].version
    detail = f"version {version} is quarantined: {serving.quarantined[version]}"
    return [part.refuse(place, Reason.VERSION_QUARANTINED, detail, version=version) for place in range(len(part.rows))]


def _predictions(
    records: RecordColumns,
    requests: RequestColumns,
    kept: Ints,
    *,
    serving: Serving,
    answers: _Answers,
    routes: Routes,
    now: int,
    role: str,
) -> PredictionColumns:
    whole = len(kept) == len(requests.rows)
    scored = requests if whole else requests.take(kept)
    rows = scored.rows
    served = serving.state.versions
    kept_rows = kept.tolist()
    return PredictionColumns(
        model=serving.state.model,
        role=role,
        generation=serving.state.generation,
        scored_at=now,
        requests=scored,
        versions=_each([entry.version for entry in served], routes.versions[kept]),
        arms=_arms([entry.arm for entry in served], routes, kept),
        buckets=routes.buckets[kept],
        scores=answers.scores[kept],
        labels=answers.labels if whole else [answers.labels[row] for row in kept_rows],
        probabilities=answers.probabilities if whole else [answers.probabilities[row] for row in kept_rows],
        requested_at=np.asarray(records.append_times, dtype=np.int64)[rows],
        partitions=np.asarray(records.partitions, dtype=np.int64)[rows],
        offsets=np.asarray(records.offsets, dtype=np.int64)[rows],
    )


def _arms(names: list[str], routes: Routes, kept: Ints) -> list[str]:
    """The arm of each row; what a rule has routed is in none of them, so that it is no evidence either."""
    arms = _each(names, routes.versions[kept])
    if routes.pinned is None:
        return arms
    return [ARM_PINNED if pinned else arm for arm, pinned in zip(arms, routes.pinned[kept].tolist(), strict=True)]


def _each(names: list[str], indices: Ints) -> list[str]:
    return names * len(indices) if len(names) == 1 else [names[index] for index in indices.tolist()]
