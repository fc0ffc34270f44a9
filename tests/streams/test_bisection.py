"""Finding the rows on which an estimator raises."""

from typing import Never

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.errors import EstimatorError
from registry.loaded import Scores
from schemas.reasons import Reason
from streams.scoring.bisection import score_span


def scores_of(start: int, stop: int) -> Scores:
    return Scores(scores=np.arange(start, stop, dtype=np.float64), labels=None, probabilities=None)


@given(st.integers(0, 300), st.sets(st.integers(0, 299), max_size=12))
def test_exactly_the_rows_at_fault_are_named_and_all_others_scored(rows: int, at_fault: set[int]) -> None:
    """Every row is in one part or is one fault, and calls stay within the bound."""
    bad = {row for row in at_fault if row < rows}
    calls: list[tuple[int, int]] = []

    def score(start: int, stop: int) -> Scores:
        calls.append((start, stop))
        if any(start <= row < stop for row in bad):
            raise EstimatorError(Reason.ESTIMATOR_ERROR, "no")
        return scores_of(start, stop)

    parts, faults = score_span(score, rows)

    assert sorted(bad) == sorted(fault.index for fault in faults)
    covered = sorted(row for part in parts for row in range(part.start, part.stop))
    assert covered == [row for row in range(rows) if row not in bad]
    assert len(calls) <= max(2 * rows - 1, 0)
    assert len(calls) <= 2 * len(bad) * (max(rows, 1).bit_length() + 1) + 1


def test_a_batch_without_faults_is_one_call() -> None:
    """Nothing is paid for bisection while nothing is wrong."""
    calls: list[tuple[int, int]] = []

    def score(start: int, stop: int) -> Scores:
        calls.append((start, stop))
        return scores_of(start, stop)

    score_span(score, 2_000)

    assert calls == [(0, 2_000)]


def test_other_errors_are_not_taken_for_a_bad_row() -> None:
    """A bug in our own code is not dead-lettered as the row's fault."""

    def score(_start: int, _stop: int) -> Never:
        raise RuntimeError("ours")

    with pytest.raises(RuntimeError, match="ours"):
        score_span(score, 4)
