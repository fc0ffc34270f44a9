"""Profiles of one version added up to blocks of at least so many rows, the unit in which drift is judged.

Profiles come in, in the order of their topic; a block goes out when enough rows are together. A
profile is a quarter of a block at most, so a block is never more than a quarter too long.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from registry.binning import QUANTILES, STRANGERS_MAX
from schemas.events import Profile

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """The columns of a version's profiles in order, and how many bins the widest has."""

    names: tuple[str, ...]
    widths: tuple[int, ...]

    @property
    def shape(self) -> tuple[int, int]:
        return len(self.names), max(self.widths)


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """Rows of one stretch, added up.

    `counts` (columns, bins), a column's own missing values at its own last bin. `quantiles`
    (columns, 5): the mean of the profiles' quantiles, by how many values they are of, NaN where
    there is none; `present` (columns,): how many that is. `start`: partition and offset of its
    first row, which no other block of the version has. Times in ms.
    """

    start: str
    rows: int
    profiled: int
    counts: Floats
    quantiles: Floats
    present: Floats
    strangers: tuple[Mapping[str, int], ...]
    event_times: tuple[int, int]
    append_times: tuple[int, int]


def block_of(profile: Profile, layout: Layout) -> Block | None:
    """One profile as a block; None where its columns are not those of the layout."""
    if tuple((each.name, len(each.counts)) for each in profile.columns) != tuple(
        zip(layout.names, layout.widths, strict=True)
    ):
        return None
    counts = np.zeros(layout.shape)
    quantiles = np.full((len(layout.names), len(QUANTILES)), np.nan)
    for index, column in enumerate(profile.columns):
        counts[index, : len(column.counts)] = column.counts
        if column.quantiles:
            quantiles[index] = column.quantiles
    return Block(
        start=f"{profile.cluster_id}:{profile.sources[0].partition}:{profile.sources[0].offset_first}",
        rows=profile.rows,
        profiled=profile.profiled,
        counts=counts,
        quantiles=quantiles,
        present=np.array(
            [float(sum(each.counts[:-1])) if each.quantiles else 0.0 for each in profile.columns], dtype=np.float64
        ),
        strangers=tuple(dict(each.strangers) for each in profile.columns),
        event_times=(profile.event_time_first, profile.event_time_last),
        append_times=(profile.requested_at_first, profile.requested_at_last),
    )


def joined(blocks: Sequence[Block]) -> Block:
    """Consecutive blocks as one."""
    assert blocks, "nothing is no block"
    if len(blocks) == 1:
        return blocks[0]
    present = np.stack([block.present for block in blocks])
    weights = present / np.maximum(present.sum(axis=0), 1.0)
    quantiles = np.stack([np.where(np.isnan(block.quantiles), 0.0, block.quantiles) for block in blocks])
    mean = (weights[:, :, np.newaxis] * quantiles).sum(axis=0)
    return Block(
        start=blocks[0].start,
        rows=sum(block.rows for block in blocks),
        profiled=sum(block.profiled for block in blocks),
        counts=np.sum([block.counts for block in blocks], axis=0),
        quantiles=np.where(present.sum(axis=0)[:, np.newaxis] > 0, mean, np.nan),
        present=present.sum(axis=0),
        strangers=tuple(
            _most_frequent([block.strangers[index] for block in blocks]) for index in range(len(blocks[0].strangers))
        ),
        event_times=_span([block.event_times for block in blocks]),
        append_times=_span([block.append_times for block in blocks]),
    )


def _most_frequent(strangers: Sequence[Mapping[str, int]]) -> Mapping[str, int]:
    counted: Counter[str] = Counter()
    for each in strangers:
        counted.update(each)
    return dict(sorted(counted.items(), key=lambda pair: (-pair[1], pair[0]))[:STRANGERS_MAX])


def _span(spans: Sequence[tuple[int, int]]) -> tuple[int, int]:
    return min(first for first, _ in spans), max(last for _, last in spans)
