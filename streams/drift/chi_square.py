"""The two-sample chi-square of counts in bins, for many columns and windows at once.

Counts come in as arrays whose last axis is bins; bins that a column does not have are empty in
both samples and add nothing, so columns of different widths fit into one array.
"""

from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Counts: TypeAlias = npt.NDArray[np.float64]
THIN = 5.0
"""A bin that has fewer rows than this in the window, and was expected to have, says nothing."""


def chi_square(window: Counts, baseline: Counts) -> tuple[Counts, Counts]:
    """The statistic and its degrees of freedom (1 at least), over the last axis.

    sum over bins of (sqrt(n_b/n_w) o_w - sqrt(n_w/n_b) o_b)^2 / (o_w + o_b), for counts o and their
    sums n; bins that are empty in both, or thin in the window, are left out (Cochran 1954: the
    statistic is far from its distribution where few rows are expected).

    >>> statistic, freedom = chi_square(np.array([10.0, 20.0, 0.0]), np.array([100.0, 200.0, 0.0]))
    >>> round(float(statistic), 6), float(freedom)
    (0.0, 1.0)
    """
    by_bin = terms(window, baseline)
    freedom = np.maximum(np.count_nonzero(~np.isnan(by_bin), axis=-1) - 1, 1).astype(np.float64)
    return np.nansum(by_bin, axis=-1), freedom


def terms(window: Counts, baseline: Counts) -> Counts:
    """What each bin adds to the statistic; NaN where it is left out.

    >>> terms(np.array([10.0, 0.0, 1.0]), np.array([100.0, 0.0, 10.0])).round(6).tolist()
    [0.0, nan, nan]
    """
    in_window = window.sum(axis=-1, keepdims=True)
    in_baseline = baseline.sum(axis=-1, keepdims=True)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.sqrt(in_baseline / in_window)
        expected = baseline * in_window / in_baseline
        by_bin = (ratio * window - baseline / ratio) ** 2 / (window + baseline)
    counted = (window + baseline > 0) & ((window >= THIN) | (expected >= THIN)) & np.isfinite(by_bin)
    return np.where(counted, by_bin, np.nan)
