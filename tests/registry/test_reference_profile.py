"""The reference profile counts every row once, in bins that are fit to compare with."""

import numpy as np
import pyarrow as pa
import pytest

from registry.reference_profile import BINS, CATEGORIES_MAX, ReferenceProfile, reference_profile


def profiled(features: pa.RecordBatch) -> ReferenceProfile:
    scores = np.linspace(0, 1, features.num_rows)
    return reference_profile(features, scores, order="as the sample came", keep_text_of=features.schema.names)


def test_bins_of_equal_frequency() -> None:
    """Twenty bins with open ends hold as many rows each, and the last count is of missing values."""
    values = [*range(1, 2_001), None, None]

    column = profiled(pa.record_batch({"a": pa.array(values, type=pa.float64())})).columns[0]

    assert len(column.edges) == BINS - 1
    assert column.counts == (*[100] * BINS, 2)


def test_a_column_of_one_value_has_what_bins_there_are() -> None:
    """Edges are unique: a constant has one, and its rows lie on one side."""
    column = profiled(pa.record_batch({"a": [5.0] * 40})).columns[0]

    assert (column.edges, column.counts) == ((5.0,), (40, 0, 0))


def test_infinity_is_in_the_outer_bins() -> None:
    """Ends are open."""
    column = profiled(pa.record_batch({"a": [float("-inf"), *map(float, range(100)), float("inf")]})).columns[0]

    assert sum(column.counts) == 102
    assert column.counts[-1] == 0


def test_text_is_counted_by_its_most_frequent_values() -> None:
    """The most frequent values by name, then all others, then missing."""
    values = ["a"] * 50 + ["b"] * 30 + [f"rare {index:02}" for index in range(25)] + [None] * 3

    column = profiled(pa.record_batch({"t": values})).columns[0]

    assert column.categories[:2] == ("a", "b")
    assert len(column.categories) == CATEGORIES_MAX
    assert column.counts == (50, 30, *[1] * (CATEGORIES_MAX - 2), 7, 3)


def test_personal_text_is_not_kept() -> None:
    """Without its names a text column counts present and missing only."""
    batch = pa.record_batch({"t": ["ann", "bob", None]})

    profile = reference_profile(batch, np.zeros(3), order="", keep_text_of=())

    assert (profile.columns[0].categories, profile.columns[0].counts) == ((), (2, 1))


@pytest.mark.parametrize(
    "rows,block_rows,blocks", [(24_999, None, 0), (25_000, 250, 100), (60_000, 500, 120), (400_000, 1_000, 300)]
)
def test_blocks_in_time_order(rows: int, block_rows: int | None, blocks: int) -> None:
    """The largest block of which there are a hundred; at most the newest three hundred of them."""
    profile = profiled(pa.record_batch({"a": np.arange(rows, dtype=np.float64)}))
    column = profile.columns[0]

    assert (profile.block_rows, profile.blocks, len(column.blocks)) == (block_rows, blocks, blocks)
    assert all(sum(block) == block_rows for block in column.blocks)
    assert profile.note == ("" if blocks else "no time-ordered reference: 24,999 rows, and 25,000 are needed")
