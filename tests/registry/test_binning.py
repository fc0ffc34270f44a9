"""Counting rows in bins: each row once in every column, the same whole or in pieces."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.binning import SCORE, STRANGERS_MAX, Binning, ColumnBins
from registry.reference_profile import ProfileOrder, reference_profile

NUMBER = ColumnBins(name="a", edges=(0.0, 1.0))
TEXT = ColumnBins(name="t", categories=("x", "y"), known=("rare",))
SCORES = ColumnBins(name=SCORE, edges=(0.5,))
BINNING = Binning([NUMBER, TEXT, SCORES])


def rows(numbers: list[float | None], texts: list[str | None]) -> pa.RecordBatch:
    return pa.record_batch({"a": pa.array(numbers, pa.float64()), "t": pa.array(texts, pa.string())})


def test_each_row_is_in_one_bin_of_each_column() -> None:
    """A bin has its upper edge, the outer ones are open, missing comes last, and a row without score is missing."""
    batch = rows([-9.0, 0.0, 0.5, 7.0, None, float("nan")], ["x", "y", "rare", "new", None, "x"])
    a, t, score = BINNING.count(batch, np.array([0.1, 0.5, 0.9, np.nan, 0.2, 0.2]))[0]

    assert (a.name, a.counts) == ("a", (2, 1, 1, 2))
    assert (t.name, t.counts) == ("t", (2, 1, 2, 1))
    assert (score.name, score.counts) == (SCORE, (4, 1, 1))


def test_quantiles_are_of_the_finite_values() -> None:
    """Neither missing values nor infinity are among them, and of nothing there are none."""
    numbers: list[float | None] = [*map(float, range(101)), None, float("inf"), float("-inf")]
    batch = rows(numbers, ["x"] * 104)
    a, t, score = BINNING.count(batch, np.full(104, np.nan))[0]

    assert a.quantiles == (5.0, 25.0, 50.0, 75.0, 95.0)
    assert t.quantiles == ()
    assert score.quantiles == ()


def test_strangers_are_the_texts_that_the_reference_does_not_know() -> None:
    """The most frequent come first in number; a rare text that is known is none."""
    texts = ["new"] * 3 + ["rare"] * 9 + [f"once {letter}" for letter in "abcdefg"]
    t = BINNING.count(rows([0.0] * len(texts), list(texts)), np.zeros(len(texts)))[0][1]

    assert t.strangers == {"new": 3, "once a": 1, "once b": 1, "once c": 1, "once d": 1}
    assert len(t.strangers) == STRANGERS_MAX


def test_where_not_all_known_texts_are_kept_nobody_is_a_stranger() -> None:
    """A personal feature, of which no text is kept, gives none away."""
    binning = Binning([ColumnBins(name="t", known=None), SCORES])
    t = binning.count(pa.record_batch({"t": ["ann", "bob", None]}), np.zeros(3))[0][0]

    assert (t.counts, t.strangers) == ((2, 1), {})


def test_a_feature_that_the_batch_lacks_is_missing_in_every_row() -> None:
    """Requests of an older schema are counted too."""
    a, t, _score = BINNING.count(pa.record_batch({"other": [1, 2]}), np.zeros(2))[0]

    assert (a.counts, t.counts) == ((0, 0, 0, 2), (0, 0, 0, 2))


@given(st.integers(1, 5), st.integers(1, 12), st.integers(0, 2**32 - 1))
def test_pieces_are_counted_as_each_by_itself(pieces: int, size: int, seed: int) -> None:
    """Counting several pieces at once is only quicker."""
    random = np.random.default_rng(seed)
    numbers = [None if each > 2 else float(each) for each in random.normal(size=pieces * size)]
    texts = [("x", "y", "rare", "new", None)[each] for each in random.integers(0, 5, pieces * size)]
    batch, scores = rows(numbers, texts), random.random(pieces * size)
    alone = [
        BINNING.count(batch.slice(start, size), scores[start : start + size])[0]
        for start in range(0, pieces * size, size)
    ]

    assert BINNING.count(batch, scores, pieces=pieces) == alone


@pytest.mark.parametrize(
    "column",
    [
        pa.array([1.5, 2.0, None, 8.0] * 30),
        pa.array([1, 2, 3, None] * 30, pa.int64()),
        pa.array([True, False, None] * 40),
        pa.array(["a", "b", None, "c", "a"] * 24),
    ],
    ids=["number", "integer", "boolean", "text"],
)
def test_the_reference_counts_its_own_rows_as_a_profile_would(column: pa.Array) -> None:
    """Bins read back from a reference give its own counts for its own rows."""
    batch, scores = pa.record_batch({"c": column}), np.linspace(0, 1, len(column))
    reference = reference_profile(batch, scores, order=ProfileOrder(), keep_text_of=("c",), scores_of="")
    counted = reference.binning.count(batch, scores)[0]

    assert [each.counts for each in counted] == [each.counts for each in reference.columns]
