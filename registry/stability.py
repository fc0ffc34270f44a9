"""The population stability index: how far counts in bins are from other counts in the same bins.

An effect size, and no test: it grows with few rows, and with many it stays where it is.
"""

import numpy as np
import numpy.typing as npt

Counts = npt.NDArray[np.float64]


def psi(window: Counts, baseline: Counts) -> Counts:
    """The population stability index over the last axis, half a row added to each bin that either has.

    >>> float(psi(np.array([50.0, 50.0]), np.array([500.0, 500.0])).round(3))
    0.0
    """
    there = (window + baseline) > 0
    now = np.where(there, window + 0.5, 0.0)
    then = np.where(there, baseline + 0.5, 0.0)
    now = now / np.maximum(now.sum(axis=-1, keepdims=True), 1e-300)
    then = then / np.maximum(then.sum(axis=-1, keepdims=True), 1e-300)
    with np.errstate(divide="ignore", invalid="ignore"):
        by_bin = (now - then) * np.log(now / then)
    index: Counts = np.where(there, by_bin, 0.0).sum(axis=-1)
    return index
