"""The reference profile: what a version's inputs, scores and losses looked like when it was added.

Typed features and scores come in; counts over bins go out, for each feature and the score, in all
and by blocks of rows in time order where the sample has a column of time and is long enough.
Drift is judged against these counts.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from registry.binning import QUANTILES, SCORE, Binning, ColumnBins, as_numbers, number_codes, text_codes

BINS = 20
CATEGORIES_MAX = 20
KNOWN_MAX = 1_000
BLOCK_ROWS = (1_000, 500, 250)
BLOCKS_MIN, BLOCKS_MAX = 100, 300
LEARNED_BLOCK_ROWS = 500
"""Rows of a block where the reference has none: a hundred of live ones are learned from."""
AS_IT_CAME = "as the sample came"
OUT_OF_FOLD = "out of fold"
LOSS_QUANTILE = 0.99
Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnProfile:
    """Counts of one column. Numbers: bins between inner `edges`, the outer ones open; text: `categories`, then others.

    The last count is of missing values. `blocks` has one row of such counts for each block.
    `quantiles`: of the finite values, as profiles have them; empty for text. `known`: the texts
    that are counted as others; None where they are personal, too many, or were not kept.
    `importance`: the feature's share of what shuffling any of them costs; None where it is not known.
    """

    name: str
    edges: tuple[float, ...]
    categories: tuple[str, ...]
    counts: tuple[int, ...]
    blocks: tuple[tuple[int, ...], ...]
    quantiles: tuple[float, ...] = ()
    known: tuple[str, ...] | None = None
    importance: float | None = None

    @property
    def bins(self) -> ColumnBins:
        """The bins alone; texts that were not kept are known all the same when there were none."""
        others = 0 if self.edges else self.counts[-2]
        known = () if self.known is None and not others else self.known
        return ColumnBins(name=self.name, edges=self.edges, categories=self.categories, known=known)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReferenceLoss:
    """The mean of losses in [0, 1] over `rows` that the version's like had not seen.

    0 or 1 for classes; for numbers the absolute error divided by `scale`, its 99th percentile, and
    cut at 1.
    """

    rows: int
    mean: float
    scale: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ReferenceProfile:
    """`rows` in all and of each block; `block_rows` None, `note` the reason: there is no time-ordered reference.

    `order`: the column that the rows are ordered by. `scores`: how they were made, or why not out
    of fold. `spans`: first and last moment of each block in ms, where the order is by dates.
    """

    rows: int
    block_rows: int | None
    blocks: int
    order: str
    scores: str
    note: str
    columns: tuple[ColumnProfile, ...]
    spans: tuple[tuple[int, int], ...] = ()
    loss: ReferenceLoss | None = None

    @property
    def binning(self) -> Binning:
        """What counts live rows in the same bins."""
        return Binning([column.bins for column in self.columns])

    @property
    def in_time_order(self) -> bool:
        """Whether its blocks tell how much the rows wobble from one stretch of time to the next."""
        return self.block_rows is not None and self.order != AS_IT_CAME

    @property
    def judged_rows(self) -> int:
        """How many live rows are judged together: a block's."""
        return self.block_rows if self.block_rows is not None and self.in_time_order else LEARNED_BLOCK_ROWS

    @property
    def error_scale(self) -> float | None:
        """The absolute error that is a loss of 1, for numbers; None where nothing tells.

        The 99th percentile of its errors; without truths the spread of its scores.
        """
        if self.loss is not None and self.loss.scale > 0:
            return self.loss.scale
        scores = next((column.quantiles for column in self.columns if column.name == SCORE), ())
        spread = max(scores) - min(scores) if scores else 0.0
        return spread if spread > 0 else None

    @property
    def summary(self) -> str:
        """What it is, or what it lacks, in one line."""
        blocks = f"{self.blocks} blocks of {self.block_rows:,} rows by {self.order}" if self.block_rows else self.note
        return f"{blocks}; scores {self.scores}"

    @classmethod
    def from_dict(cls, found: Mapping[str, Any]) -> "ReferenceProfile":
        """Read what was written as JSON; fields with a default may be missing.

        Raises `TypeError`, `KeyError` or `ValueError` for what is no profile.
        """
        loss = found.get("loss")
        nested = {
            "columns": tuple(ColumnProfile(**_tuples(column)) for column in found["columns"]),
            "spans": tuple((int(first), int(last)) for first, last in found.get("spans", ())),
            "loss": None if loss is None else ReferenceLoss(**loss),
        }
        return cls(**{**found, **nested})


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfileOrder:
    """What the rows are ordered by: a column of time, with moments in ms where it holds dates; None: nothing."""

    time: str | None = None
    moments: Ints | None = None


def reference_profile(
    features: pa.RecordBatch,
    scores: Floats,
    *,
    order: ProfileOrder,
    keep_text_of: Collection[str],
    scores_of: str,
    loss: ReferenceLoss | None = None,
    importance: Mapping[str, float] | None = None,
) -> ReferenceProfile:
    """Profile features and scores of rows, which have blocks where they are in time order.

    Categories are kept by name for the features in `keep_text_of` only: personal ones are counted as one.
    """
    rows = features.num_rows
    block_rows = None
    if order.time is not None:
        block_rows = next((size for size in BLOCK_ROWS if rows >= size * BLOCKS_MIN), None)
    blocks = 0 if block_rows is None else min(rows // block_rows, BLOCKS_MAX)
    cut = _Cut(first=rows - blocks * (block_rows or 0), block_rows=block_rows or 0, blocks=blocks)
    columns = [
        replace(_column(name, column, cut, keep_text=name in keep_text_of), importance=(importance or {}).get(name))
        for name, column in zip(features.schema.names, features.columns, strict=True)
    ]
    return ReferenceProfile(
        rows=rows,
        block_rows=block_rows,
        blocks=blocks,
        order=order.time or AS_IT_CAME,
        scores=scores_of,
        note="" if block_rows else _note(rows, order),
        columns=(*columns, _column(SCORE, pa.array(scores, from_pandas=True), cut, keep_text=False)),
        spans=_spans(order.moments, cut),
        loss=loss,
    )


def reference_loss(errors: npt.NDArray[np.bool_] | Floats) -> ReferenceLoss:
    """The losses of some rows: of classes whether each was wrong, of numbers the absolute errors."""
    if errors.dtype == np.bool_:
        return ReferenceLoss(rows=len(errors), mean=float(errors.mean()), scale=1.0)
    scale = float(np.quantile(errors, LOSS_QUANTILE)) or 1.0
    return ReferenceLoss(rows=len(errors), mean=float(np.minimum(errors / scale, 1.0).mean()), scale=scale)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Cut:
    """The newest `blocks` blocks, which begin at row `first`."""

    first: int
    block_rows: int
    blocks: int


def _note(rows: int, order: ProfileOrder) -> str:
    if order.time is None:
        return "no time-ordered reference: no column of time was named; it is learned from the first live blocks"
    enough = BLOCK_ROWS[-1] * BLOCKS_MIN
    return (
        f"no time-ordered reference: {rows:,} rows, and {enough:,} are needed; it is learned from the first live blocks"
    )


def _column(name: str, column: pa.Array, cut: _Cut, *, keep_text: bool) -> ColumnProfile:
    edges: tuple[float, ...] = ()
    categories: tuple[str, ...] = ()
    known: tuple[str, ...] | None = None
    quantiles: tuple[float, ...] = ()
    if pa.types.is_string(column.type):
        categories, known = _top(column) if keep_text else ((), None)
        codes = text_codes(column, pa.array(categories, type=pa.string()))
        width = len(categories) + 2
    else:
        numbers = as_numbers(column)
        edges = _edges(numbers)
        codes = number_codes(numbers, np.array(edges, dtype=np.float64))
        width = len(edges) + 2
        quantiles = _quantiles(numbers)
    return ColumnProfile(
        name=name,
        edges=edges,
        categories=categories,
        counts=tuple(np.bincount(codes, minlength=width).tolist()),
        blocks=_blocks(codes, cut, width=width),
        quantiles=quantiles,
        known=known,
    )


def _edges(numbers: Floats) -> tuple[float, ...]:
    """Inner edges of bins of equal frequency, each once; a bin holds (edge before, edge]."""
    present = numbers[np.isfinite(numbers)]
    if not len(present):
        return ()
    quantiles = np.quantile(present, np.linspace(0, 1, BINS + 1)[1:-1], method="lower")
    return tuple(np.unique(quantiles).tolist())


def _quantiles(numbers: Floats) -> tuple[float, ...]:
    present = numbers[np.isfinite(numbers)]
    return tuple(np.quantile(present, QUANTILES, method="nearest").tolist()) if len(present) else ()


def _top(column: pa.Array) -> tuple[tuple[str, ...], tuple[str, ...] | None]:
    """The most frequent values, the alphabet deciding between equals, and the others where they are not too many."""
    counted = column.drop_null().value_counts()
    pairs = zip(counted.field("values").to_pylist(), counted.field("counts").to_pylist(), strict=True)
    ranked = [value for value, _ in sorted(pairs, key=lambda pair: (-pair[1], pair[0]))]
    others = ranked[CATEGORIES_MAX:]
    return tuple(ranked[:CATEGORIES_MAX]), tuple(sorted(others)) if len(others) <= KNOWN_MAX else None


def _blocks(codes: Ints, cut: _Cut, *, width: int) -> tuple[tuple[int, ...], ...]:
    if not cut.blocks:
        return ()
    blocks = codes[cut.first :].reshape(cut.blocks, cut.block_rows)
    return tuple(tuple(np.bincount(block, minlength=width).tolist()) for block in blocks)


def _spans(moments: Ints | None, cut: _Cut) -> tuple[tuple[int, int], ...]:
    if moments is None or not cut.blocks:
        return ()
    blocks = moments[cut.first :].reshape(cut.blocks, cut.block_rows)
    return tuple((int(block[0]), int(block[-1])) for block in blocks)


def _tuples(value: Any) -> Any:
    """JSON's lists as tuples, at any depth."""
    if isinstance(value, dict):
        return {name: _tuples(item) for name, item in value.items()}
    return tuple(_tuples(item) for item in value) if isinstance(value, list) else value
