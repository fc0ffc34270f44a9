"""Bins of a version's features and score: rows go in, counts that can be added up and quantiles come out.

The reference of a bundle and the profiles of the lane count with the same code, so that a
difference between them is one of the data. Pure; a whole batch is a few numpy calls a column.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from schemas.events import ColumnCounts

SCORE = "(score)"
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
STRANGERS_MAX = 5
STRANGER_CHARACTERS_MAX = 60
Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnBins:
    """Bins of one column, of which a value is in exactly one.

    Numbers: between inner `edges`, each bin without its lower and with its upper edge, the outer
    ones open. Text: one for each of `categories`, then one for all others. The last bin, of
    numbers and text alike, is of missing values. `known`: other texts that the reference holds;
    None where not all of them are kept.
    """

    name: str
    edges: tuple[float, ...] = ()
    categories: tuple[str, ...] = ()
    known: tuple[str, ...] | None = None

    @property
    def width(self) -> int:
        """How many bins there are."""
        return len(self.edges) + len(self.categories) + 2


class Binning:
    """Counts rows in the bins of every column of a version, in the order of `columns`, the score last."""

    def __init__(self, columns: Sequence[ColumnBins]) -> None:
        assert columns[-1].name == SCORE, "the score is the last column"
        self.columns = tuple(columns)
        self._texts = {each.name: _Texts(each) for each in columns}
        self._edges = {each.name: np.array(each.edges, dtype=np.float64) for each in columns}
        self._width = max(each.width for each in columns)

    def count(self, features: pa.RecordBatch, scores: Floats, *, pieces: int = 1) -> list[tuple[ColumnCounts, ...]]:
        """Count consecutive pieces of equal length; a feature that the batch lacks is missing in every row.

        `scores` has NaN where there is none. The number of rows is a multiple of `pieces`.
        """
        rows = features.num_rows
        assert rows == len(scores), (rows, len(scores))
        assert rows % pieces == 0, (rows, pieces)
        columns = [self._column(features, bins) for bins in self.columns[:-1]] + [pa.array(scores, from_pandas=True)]
        numbers = {
            bins.name: as_numbers(column)
            for bins, column in zip(self.columns, columns, strict=True)
            if not pa.types.is_string(column.type)
        }
        codes = [
            self._texts[bins.name].codes(column)
            if bins.name not in numbers
            else number_codes(numbers[bins.name], self._edges[bins.name])
            for bins, column in zip(self.columns, columns, strict=True)
        ]
        counts = self._counts(codes, pieces)
        quantiles = _quantiles(numbers, pieces)
        strangers = {
            bins.name: self._texts[bins.name].strangers(column, codes[index], pieces)
            for index, (bins, column) in enumerate(zip(self.columns, columns, strict=True))
            if bins.name not in numbers
        }
        return [
            tuple(
                ColumnCounts(
                    name=bins.name,
                    counts=tuple(counts[index, piece, : bins.width].tolist()),
                    quantiles=quantiles[bins.name][piece] if bins.name in quantiles else (),
                    strangers=strangers[bins.name][piece] if bins.name in strangers else {},
                )
                for index, bins in enumerate(self.columns)
            )
            for piece in range(pieces)
        ]

    def _column(self, features: pa.RecordBatch, bins: ColumnBins) -> pa.Array:
        index = features.schema.get_field_index(bins.name)
        if index >= 0:
            return features.column(index)
        return pa.nulls(features.num_rows, pa.string() if bins.categories else pa.float64())

    def _counts(self, codes: Sequence[Ints], pieces: int) -> Ints:
        """All columns and pieces in one call: counts of shape (columns, pieces, bins)."""
        rows = len(codes[0])
        shape = (len(codes), pieces, self._width)
        places = np.arange(len(codes) * pieces).repeat(rows // pieces) * self._width
        counts: Ints = np.bincount(np.concatenate(codes) + places, minlength=len(codes) * pieces * self._width)
        return counts.reshape(shape)


def as_numbers(column: pa.Array) -> Floats:
    """Numbers or booleans as doubles, NaN where missing."""
    doubles = column if pa.types.is_float64(column.type) else pc.cast(column, pa.float64(), safe=False)
    numbers: Floats = doubles.to_numpy(zero_copy_only=False)
    return numbers


def number_codes(numbers: Floats, edges: Floats) -> Ints:
    """The bin of each number; NaN is missing.

    >>> number_codes(np.array([1.0, 2.0, 2.5, np.nan]), np.array([2.0])).tolist()
    [0, 0, 1, 2]
    """
    codes = np.searchsorted(edges, numbers, side="left")
    codes[np.isnan(numbers)] = len(edges) + 1
    return codes


def text_codes(column: pa.Array, categories: pa.Array) -> Ints:
    """The bin of each text: its category, else one for all others; null is missing."""
    known = pc.index_in(column, value_set=categories)
    codes: Ints = known.fill_null(len(categories)).to_numpy().astype(np.int64)
    if column.null_count:
        codes[column.is_null().to_numpy(zero_copy_only=False)] = len(categories) + 1
    return codes


class _Texts:
    """The bins of one text column, and which of its texts are strangers."""

    def __init__(self, bins: ColumnBins) -> None:
        self._categories = pa.array(bins.categories, type=pa.string())
        self._known = None if bins.known is None else pa.array(bins.known, type=pa.string())

    def codes(self, column: pa.Array) -> Ints:
        return text_codes(column, self._categories)

    def strangers(self, column: pa.Array, codes: Ints, pieces: int) -> Sequence[dict[str, int]]:
        """For each piece the most frequent texts that the reference does not know."""
        others = codes == len(self._categories)
        if self._known is None or not others.any():
            return [{}] * pieces
        size = len(codes) // pieces
        return [
            self._unknown(column.slice(piece * size, size).filter(pa.array(others[piece * size : (piece + 1) * size])))
            for piece in range(pieces)
        ]

    def _unknown(self, texts: pa.Array) -> dict[str, int]:
        counted = texts.filter(pc.invert(pc.is_in(texts, value_set=self._known))).value_counts()
        return most_frequent(counted)


def most_frequent(counted: pa.StructArray) -> dict[str, int]:
    """The first few of Arrow's value counts, texts cut at a bound, the alphabet deciding between equals."""
    pairs = zip(counted.field("values").to_pylist(), counted.field("counts").to_pylist(), strict=True)
    found: dict[str, int] = {}
    for text, count in sorted(pairs, key=lambda pair: (-pair[1], pair[0]))[:STRANGERS_MAX]:
        short = text[:STRANGER_CHARACTERS_MAX]
        found[short] = found.get(short, 0) + count
    return found


def _quantiles(numbers: Mapping[str, Floats], pieces: int) -> Mapping[str, Sequence[tuple[float, ...]]]:
    """For each column and piece the quantiles of its finite values, by nearest rank; none of nothing."""
    stacked = np.stack(list(numbers.values())).reshape(len(numbers), pieces, -1)
    ranked = np.sort(np.where(np.isfinite(stacked), stacked, np.nan), axis=-1)  # NaN comes last
    present = np.count_nonzero(~np.isnan(ranked), axis=-1)
    if not ranked.shape[-1]:
        return {name: [()] * pieces for name in numbers}
    ranks = np.rint(np.multiply.outer(np.maximum(present - 1, 0), QUANTILES)).astype(np.int64)
    chosen = np.take_along_axis(ranked, ranks, axis=-1)
    return {
        name: [tuple(chosen[index, piece].tolist()) if present[index, piece] else () for piece in range(pieces)]
        for index, name in enumerate(numbers)
    }
