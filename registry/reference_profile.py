"""The reference profile: what a version's inputs and scores looked like when it was added.

Typed features and scores come in; counts over bins go out, for each feature and the score, and
by blocks of rows in time order where the sample is long enough to have them. Drift is judged
against these counts.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from registry.binning import SCORE, Binning, ColumnBins, as_numbers, number_codes, text_codes

BINS = 20
CATEGORIES_MAX = 20
BLOCK_ROWS = (1_000, 500, 250)
BLOCKS_MIN, BLOCKS_MAX = 100, 300
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnProfile:
    """Counts of one column. Numbers: bins between inner `edges`, the outer ones open; text: `categories`, then others.

    The last count is of missing values. `blocks` has one row of such counts for each block.
    """

    name: str
    edges: tuple[float, ...]
    categories: tuple[str, ...]
    counts: tuple[int, ...]
    blocks: tuple[tuple[int, ...], ...]

    @property
    def bins(self) -> ColumnBins:
        """The bins alone; texts that are counted as others are not kept, and so are known only when there are none."""
        others = self.counts[-2] if self.categories or not self.edges else 0
        return ColumnBins(name=self.name, edges=self.edges, categories=self.categories, known=None if others else ())


@dataclass(frozen=True, slots=True, kw_only=True)
class ReferenceProfile:
    """`rows` in all and of each block; `block_rows` None, `note` the reason: there is no time-ordered reference."""

    rows: int
    block_rows: int | None
    blocks: int
    order: str
    scores: str
    note: str
    columns: tuple[ColumnProfile, ...]

    @property
    def binning(self) -> Binning:
        """What counts live rows in the same bins."""
        return Binning([column.bins for column in self.columns])


def reference_profile(
    features: pa.RecordBatch, scores: npt.NDArray[np.float64], *, order: str, keep_text_of: Sequence[str]
) -> ReferenceProfile:
    """Profile features and scores of rows in time order.

    Categories are kept by name for the features in `keep_text_of` only: personal ones are counted as one.
    """
    rows = features.num_rows
    block_rows = next((size for size in BLOCK_ROWS if rows >= size * BLOCKS_MIN), None)
    blocks = 0 if block_rows is None else min(rows // block_rows, BLOCKS_MAX)
    cut = _Cut(first=rows - blocks * (block_rows or 0), block_rows=block_rows or 0, blocks=blocks)
    columns = [
        _column(name, column, cut, keep_text=name in keep_text_of)
        for name, column in zip(features.schema.names, features.columns, strict=True)
    ]
    enough = BLOCK_ROWS[-1] * BLOCKS_MIN
    return ReferenceProfile(
        rows=rows,
        block_rows=block_rows,
        blocks=blocks,
        order=order,
        scores="of the sample, not out of fold",
        note="" if block_rows else f"no time-ordered reference: {rows:,} rows, and {enough:,} are needed",
        columns=(*columns, _column(SCORE, pa.array(scores, from_pandas=True), cut, keep_text=False)),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Cut:
    """The newest `blocks` blocks, which begin at row `first`."""

    first: int
    block_rows: int
    blocks: int


def _column(name: str, column: pa.Array, cut: _Cut, *, keep_text: bool) -> ColumnProfile:
    edges: tuple[float, ...] = ()
    categories: tuple[str, ...] = ()
    if pa.types.is_string(column.type):
        categories = _top(column) if keep_text else ()
        codes = text_codes(column, pa.array(categories, type=pa.string()))
        width = len(categories) + 2
    else:
        numbers = as_numbers(column)
        edges = _edges(numbers)
        codes = number_codes(numbers, np.array(edges, dtype=np.float64))
        width = len(edges) + 2
    return ColumnProfile(
        name=name,
        edges=edges,
        categories=categories,
        counts=tuple(np.bincount(codes, minlength=width).tolist()),
        blocks=_blocks(codes, cut, width=width),
    )


def _edges(numbers: npt.NDArray[np.float64]) -> tuple[float, ...]:
    """Inner edges of bins of equal frequency, each once; a bin holds (edge before, edge]."""
    present = numbers[np.isfinite(numbers)]
    if not len(present):
        return ()
    quantiles = np.quantile(present, np.linspace(0, 1, BINS + 1)[1:-1], method="lower")
    return tuple(np.unique(quantiles).tolist())


def _top(column: pa.Array) -> tuple[str, ...]:
    """The most frequent values, the alphabet deciding between equals."""
    counted = column.drop_null().value_counts()
    pairs = zip(counted.field("values").to_pylist(), counted.field("counts").to_pylist(), strict=True)
    return tuple(value for value, _ in sorted(pairs, key=lambda pair: (-pair[1], pair[0]))[:CATEGORIES_MAX])


def _blocks(codes: Ints, cut: _Cut, *, width: int) -> tuple[tuple[int, ...], ...]:
    if not cut.blocks:
        return ()
    blocks = codes[cut.first :].reshape(cut.blocks, cut.block_rows)
    return tuple(tuple(np.bincount(block, minlength=width).tolist()) for block in blocks)
