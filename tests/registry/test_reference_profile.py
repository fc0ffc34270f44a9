"""The reference profile counts every row once, in bins that are fit to compare with."""

from dataclasses import asdict, replace

import numpy as np
import orjson
import pyarrow as pa
import pytest

from registry.reference_profile import (
    BINS,
    CATEGORIES_MAX,
    OUT_OF_FOLD,
    ProfileOrder,
    ReferenceLoss,
    ReferenceProfile,
    reference_loss,
    reference_profile,
)


def profiled(features: pa.RecordBatch, *, order: ProfileOrder | None = None) -> ReferenceProfile:
    return reference_profile(
        features,
        np.linspace(0, 1, features.num_rows),
        order=order or ProfileOrder(),
        keep_text_of=features.schema.names,
        scores_of=OUT_OF_FOLD,
    )


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

    profile = reference_profile(batch, np.zeros(3), order=ProfileOrder(), keep_text_of=(), scores_of="")

    assert (profile.columns[0].categories, profile.columns[0].counts) == ((), (2, 1))
    assert profile.columns[0].known is None


@pytest.mark.parametrize(
    "rows,block_rows,blocks", [(24_999, None, 0), (25_000, 250, 100), (60_000, 500, 120), (400_000, 1_000, 300)]
)
def test_blocks_in_time_order(rows: int, block_rows: int | None, blocks: int) -> None:
    """The largest block of which there are a hundred; at most the newest three hundred of them."""
    profile = profiled(pa.record_batch({"a": np.arange(rows, dtype=np.float64)}), order=ProfileOrder(time="at"))
    column = profile.columns[0]

    assert (profile.block_rows, profile.blocks, len(column.blocks)) == (block_rows, blocks, blocks)
    assert all(sum(block) == block_rows for block in column.blocks)
    assert profile.in_time_order == bool(blocks)
    assert "24,999 rows, and 25,000 are needed" in profile.note or not profile.note


def test_rows_without_a_time_have_no_blocks() -> None:
    """However many there are: their order says nothing of how much they wobble in time."""
    profile = profiled(pa.record_batch({"a": np.arange(30_000, dtype=np.float64)}))

    assert (profile.block_rows, profile.blocks, profile.in_time_order) == (None, 0, False)
    assert "no column of time was named" in profile.note
    assert profile.summary == f"{profile.note}; scores out of fold"


def test_blocks_have_their_spans_of_time() -> None:
    """First and last moment of each, of the newest blocks."""
    moments = np.arange(25_100) * 10
    order = ProfileOrder(time="at", moments=moments)
    profile = profiled(pa.record_batch({"a": np.arange(25_100, dtype=np.float64)}), order=order)

    assert profile.spans[0] == (1_000, 3_490)
    assert profile.spans[-1] == (248_500, 250_990)
    assert len(profile.spans) == 100


def test_what_is_counted_as_others_is_known_by_name() -> None:
    """Up to a bound, beyond which nobody can be called a stranger."""
    few = profiled(pa.record_batch({"t": ["a", "a", *(f"rare {index:02}" for index in range(25))]})).columns[0]
    many = profiled(pa.record_batch({"t": [f"id {index:05}" for index in range(2_000)]})).columns[0]

    assert few.known == tuple(f"rare {index:02}" for index in range(19, 25))
    assert few.bins.known == few.known
    assert (many.known, many.bins.known) == (None, None)


def test_quantiles_are_those_that_profiles_have() -> None:
    """A value of the sample each, missing and infinite ones left out."""
    column = profiled(pa.record_batch({"a": [float("inf"), None, *map(float, range(101))]})).columns[0]

    assert column.quantiles == (5.0, 25.0, 50.0, 75.0, 95.0)


def test_the_loss_of_classes_is_the_share_of_errors() -> None:
    """Nothing is scaled."""
    assert reference_loss(np.array([True, False, False, False])) == ReferenceLoss(rows=4, mean=0.25, scale=1.0)


def test_the_loss_of_numbers_is_scaled_and_cut() -> None:
    """By the 99th percentile of the absolute errors; without any error there is nothing to scale."""
    errors = np.arange(101, dtype=np.float64)
    loss = reference_loss(errors)

    assert (loss.rows, loss.scale) == (101, 99.0)
    assert loss.mean == pytest.approx(np.minimum(errors / 99, 1).mean())
    assert reference_loss(np.zeros(5)) == ReferenceLoss(rows=5, mean=0.0, scale=1.0)


def test_a_profile_comes_back_from_json() -> None:
    """Everything in it, and one that was written before there were spans, quantiles and losses."""
    order = ProfileOrder(time="at", moments=np.arange(25_000))
    batch = pa.record_batch({"a": np.arange(25_000, dtype=np.float64), "t": ["x", None, "y", "z", "x"] * 5_000})
    profile = replace(profiled(batch, order=order), loss=ReferenceLoss(rows=9, mean=0.1, scale=2.0))
    written = orjson.loads(orjson.dumps(asdict(profile)))
    older = {name: value for name, value in written.items() if name not in ("spans", "loss")}
    older["columns"] = [
        {name: value for name, value in column.items() if name not in ("quantiles", "known")}
        for column in older["columns"]
    ]
    read = ReferenceProfile.from_dict(older)

    assert ReferenceProfile.from_dict(written) == profile
    assert (read.spans, read.loss, read.columns[0].quantiles) == ((), None, ())
    assert [column.bins for column in read.columns] == [column.bins for column in profile.columns]
