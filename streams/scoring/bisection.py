"""Scores a frame of rows in one call; if the estimator raises, finds the rows at fault.

Halving isolates k rows at fault among n in at most 2 k log2(n) + 1 calls, and never more than
2 n - 1, so one bad row costs its neighbors nothing but time.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from registry.errors import EstimatorError
from registry.loaded import Scores


@dataclass(frozen=True, slots=True, kw_only=True)
class RowFault:
    """A row, by its index in the frame, on which the estimator raised alone."""

    index: int
    error: EstimatorError


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """Scores of the rows from `start` up to, not including, `stop`."""

    start: int
    stop: int
    scores: Scores


ScoreSpan = Callable[[int, int], Scores]


def score_span(score: ScoreSpan, rows: int) -> tuple[Sequence[Part], Sequence[RowFault]]:
    """Score rows [0, rows) with as few calls as the faults among them allow."""
    parts: list[Part] = []
    faults: list[RowFault] = []
    spans = [(0, rows)] if rows else []
    while spans:
        start, stop = spans.pop()
        try:
            parts.append(Part(start=start, stop=stop, scores=score(start, stop)))
        except EstimatorError as error:
            if stop - start == 1:
                faults.append(RowFault(index=start, error=error))
            else:
                middle = (start + stop) // 2
                spans += [(middle, stop), (start, middle)]
    return parts, faults
