"""What a window's distance from the reference may be by itself, learned from the reference's own blocks.

Counts of blocks in time order come in: (blocks, columns, bins). Out goes, for each window length,
how far from the rest of the reference each column is by itself, and how the furthest of all
columns is distributed, so that a line can be drawn which is crossed by chance once in so many
rows. The maximum over the columns makes a correction for their number needless. After Gumbel,
Statistics of Extremes (1958).
"""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from streams.drift.chi_square import Counts, chi_square

WINDOWS = (1, 5)
"""Lengths of windows in blocks: a large change is seen in one, a small one in several."""
BLOCKS_MIN = 100
WIDTH_MIN = 0.05
EULER = 0.5772156649015329
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowCalibration:
    """Of windows of one length: where each column's log distance lies by itself, and how wide.

    `location` and `spread`: the Gumbel law of the furthest column, in such widths.
    """

    blocks: int
    center: Floats
    width: Floats
    location: float
    spread: float

    def heights(self, windows: Counts, baseline: Counts) -> Floats:
        """How far windows are from the baseline by column, in widths above what is usual: (..., columns)."""
        heights: Floats = (log_distances(windows, baseline) - self.center) / self.width
        return heights

    def line(self, chance: float) -> float:
        """The height that the furthest column exceeds with this chance in one window."""
        return self.location - self.spread * math.log(-math.log1p(-chance))

    def chance(self, height: float) -> float:
        """How likely the furthest column is as high as this by itself."""
        return -math.expm1(-math.exp(min((self.location - height) / self.spread, 700.0)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """Of all window lengths; `baseline`: the reference's counts in all, (columns, bins)."""

    baseline: Counts
    windows: tuple[WindowCalibration, ...]


def calibrate(blocks: Counts) -> Calibration:
    """Learn from reference blocks in time order, of which there are `BLOCKS_MIN` at least."""
    assert len(blocks) >= BLOCKS_MIN, len(blocks)
    total = blocks.sum(axis=0)
    windows = tuple(_of_windows(blocks, total, length) for length in WINDOWS)
    return Calibration(baseline=total, windows=windows)


def log_distances(windows: Counts, baseline: Counts) -> Floats:
    """The log of chi-square over its degrees of freedom; half is added, or one degree would have a long tail down."""
    statistic, freedom = chi_square(windows, baseline)
    distances: Floats = np.log((statistic + 0.5) / freedom)
    return distances


def sliding(blocks: Counts, length: int) -> Counts:
    """The counts of every window of so many consecutive blocks.

    >>> sliding(np.array([[[1.0]], [[2.0]], [[4.0]]]), 2).ravel().tolist()
    [3.0, 6.0]
    """
    sums = np.concatenate([np.zeros((1, *blocks.shape[1:])), np.cumsum(blocks, axis=0)])
    windows: Counts = sums[length:] - sums[:-length]
    return windows


def _of_windows(blocks: Counts, total: Counts, length: int) -> WindowCalibration:
    """Every window of the reference against the rest of the reference."""
    windows = sliding(blocks, length)
    distances = log_distances(windows, total - windows)
    center = distances.mean(axis=0)
    width = np.maximum(distances.std(axis=0), WIDTH_MIN)
    furthest = ((distances - center) / width).max(axis=-1)
    spread = max(float(furthest.std()) * math.sqrt(6) / math.pi, WIDTH_MIN)
    location = float(furthest.mean()) - EULER * spread
    return WindowCalibration(blocks=length, center=center, width=width, location=location, spread=spread)
