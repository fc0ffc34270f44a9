"""Rows of one version since its last profile: added batch by batch, cut into profiles of so many rows each.

Rows come in with a mark for those that are profiled; profiles go out, and the stretch that is
left. Pure: a stretch is a value, so a batch that is aborted leaves none behind.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from registry.binning import Binning
from schemas.events import ColumnCounts, Profile, SourceRange

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class StretchKey:
    """Whose rows they are: rows of another version, arm or generation are never in one profile with them."""

    model: str
    version: str
    bundle: str
    arm: str
    role: str
    generation: int


@dataclass(frozen=True, slots=True, kw_only=True)
class NewRows:
    """Rows of one batch, each array of shape (n,); `kept`: ascending positions of those that are profiled.

    `features` and `scores` are of the kept rows alone. `rejected`: positions by reason.
    """

    partitions: Ints
    offsets: Ints
    event_times: Ints
    append_times: Ints
    rejected: Mapping[str, Ints]
    durations_us: Mapping[str, int]
    kept: Ints
    features: pa.RecordBatch
    scores: Floats


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """What adds up over rows, profiled or not; times as (earliest, latest)."""

    rows: int
    sources: Mapping[int, tuple[int, int]]
    event_times: tuple[int, int]
    append_times: tuple[int, int]
    rejected: Mapping[str, int]
    durations_us: Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """Rows that wait for their profile since `opened_at` (ms): fewer than a profile's worth of kept ones."""

    opened_at: int
    totals: Totals
    features: pa.RecordBatch
    scores: Floats


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """When a profile is made: of so many profiled rows, or of what there is after so long."""

    rows: int
    age_ms: int
    cluster_id: str


def extended(
    stretch: Stretch | None, new: NewRows, key: StretchKey, *, binning: Binning | None, cut: Cut, now: int
) -> tuple[list[Profile], Stretch | None]:
    """The profiles that the rows complete, and the stretch that is left, if any row is."""
    waiting = 0 if stretch is None else stretch.features.num_rows
    pieces = (waiting + len(new.kept)) // cut.rows
    ends = [int(new.kept[cut.rows * piece - waiting - 1]) + 1 for piece in range(1, pieces + 1)]
    bounds = [0, *ends] if ends[-1:] == [len(new.offsets)] else [0, *ends, len(new.offsets)]
    totals = [_totals(new, start, stop) for start, stop in pairwise(bounds)]
    if stretch is not None:
        totals[0] = _added(stretch.totals, totals[0])
    features = new.features if stretch is None else pa.concat_batches([stretch.features, new.features])
    scores = new.scores if stretch is None else np.concatenate([stretch.scores, new.scores])
    counted = pieces * cut.rows
    profiles = []
    if pieces:
        columns = _columns(binning, features.slice(0, counted), scores[:counted], pieces)
        profiles = [
            profile_of(key, each, profiled=cut.rows, columns=counts, cluster_id=cut.cluster_id)
            for each, counts in zip(totals, columns, strict=False)
        ]
    if len(totals) == pieces:
        return profiles, None
    left = Stretch(
        opened_at=now if stretch is None or pieces else stretch.opened_at,
        totals=totals[-1],
        features=features.slice(counted),
        scores=scores[counted:],
    )
    if not is_due(left, cut, now):
        return profiles, left
    return [*profiles, closed(left, key, binning=binning, cut=cut)], None


def is_due(stretch: Stretch, cut: Cut, now: int) -> bool:
    """Whether the stretch has waited for as long as it may."""
    return now - stretch.opened_at >= cut.age_ms


def closed(stretch: Stretch, key: StretchKey, *, binning: Binning | None, cut: Cut) -> Profile:
    """The profile of what there is."""
    (columns,) = _columns(binning, stretch.features, stretch.scores, 1)
    profiled = stretch.features.num_rows
    return profile_of(key, stretch.totals, profiled=profiled, columns=columns, cluster_id=cut.cluster_id)


def profile_of(
    key: StretchKey, totals: Totals, *, profiled: int, columns: tuple[ColumnCounts, ...], cluster_id: str
) -> Profile:
    """The event; its identity is where its rows begin, so that the same rows make the same one."""
    sources = tuple(
        SourceRange(partition=partition, offset_first=first, offset_last=last)
        for partition, (first, last) in sorted(totals.sources.items())
    )
    start = f"{cluster_id}:{sources[0].partition}:{sources[0].offset_first}"
    return Profile(
        profile_id=f"{key.model}:{key.version}:{key.arm}:{key.role}:{start}",
        model=key.model,
        version=key.version,
        bundle=key.bundle,
        arm=key.arm,
        role=key.role,
        generation=key.generation,
        cluster_id=cluster_id,
        sources=sources,
        rows=totals.rows,
        profiled=profiled,
        rejected=dict(totals.rejected),
        durations_us=dict(totals.durations_us),
        event_time_first=totals.event_times[0],
        event_time_last=totals.event_times[1],
        requested_at_first=totals.append_times[0],
        requested_at_last=totals.append_times[1],
        columns=columns,
    )


def _columns(
    binning: Binning | None, features: pa.RecordBatch, scores: Floats, pieces: int
) -> list[tuple[ColumnCounts, ...]]:
    """Nothing is counted where no version was loaded: there are no bins then."""
    return [()] * pieces if binning is None else binning.count(features, scores, pieces=pieces)


def _totals(new: NewRows, start: int, stop: int) -> Totals:
    """Of the rows from `start` up to, not including, `stop`; what took time is shared out evenly."""
    partitions, offsets = new.partitions[start:stop], new.offsets[start:stop]
    rows = len(new.offsets)
    return Totals(
        rows=stop - start,
        sources={
            int(partition): (int(offsets[partitions == partition].min()), int(offsets[partitions == partition].max()))
            for partition in np.unique(partitions)
        },
        event_times=_span(new.event_times[start:stop]),
        append_times=_span(new.append_times[start:stop]),
        rejected={
            reason: count
            for reason, places in new.rejected.items()
            if (count := int(np.count_nonzero((places >= start) & (places < stop))))
        },
        durations_us={stage: total * stop // rows - total * start // rows for stage, total in new.durations_us.items()},
    )


def _span(times: Ints) -> tuple[int, int]:
    return int(times.min()), int(times.max())


def _added(one: Totals, other: Totals) -> Totals:
    return Totals(
        rows=one.rows + other.rows,
        sources={
            partition: _outer([each.sources[partition] for each in (one, other) if partition in each.sources])
            for partition in one.sources.keys() | other.sources.keys()
        },
        event_times=_outer([one.event_times, other.event_times]),
        append_times=_outer([one.append_times, other.append_times]),
        rejected=_sums(one.rejected, other.rejected),
        durations_us=_sums(one.durations_us, other.durations_us),
    )


def _outer(spans: Sequence[tuple[int, int]]) -> tuple[int, int]:
    return min(first for first, _ in spans), max(last for _, last in spans)


def _sums(one: Mapping[str, int], other: Mapping[str, int]) -> Mapping[str, int]:
    return {name: one.get(name, 0) + other.get(name, 0) for name in one.keys() | other.keys()}
