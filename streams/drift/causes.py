"""What probably happened to a column, in words a person can act on.

Counts and quantiles of before and after come in; one likely cause goes out: missing values, a
change of scale with its factor, a new category, a value that got stuck, or a shift. Pure; these
are guesses by simple fits, not tests: whether anything happened at all was decided before.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise

import numpy as np

from streams.drift.blocks import Floats
from streams.drift.chi_square import terms

SCALE_MIN = 1.4
SCALE_MISFIT_MAX = 0.05
AFFINE_MISFIT_MAX = 0.05
SMALL_PART = 0.01
RATIOS_MIN = 3
UNIT_TOLERANCE = 0.08
SPREAD_MIN = 1.15
RESCALED_MIN = 5.0
"""Times that a wrong unit widens the inner and the outer spread alike; what hours and seasons do is less."""
SHIFT_MIN = 0.05
GONE_SHARE_MIN = 0.01
DECISIVE_SHARE = 0.5
STRANGER_PART_MIN = 0.3
FAR_REACHES = 3.0
"""So many outer spreads away from all rows of before no season takes them."""


class Cause(StrEnum):
    """What kind of change it looks like."""

    MISSING = "missing values"
    PRESENT = "fewer missing values"
    SCALE = "scale"
    NEW_CATEGORY = "new category"
    MIX = "another mix of categories"
    STUCK = "stuck at one value"
    SHIFT = "shift"
    SPREAD = "another spread"
    SHAPE = "another shape"
    BACK = "back to the reference"


UNITS: tuple[tuple[float, str], ...] = (
    (1 / 60, "hours instead of minutes, or minutes instead of seconds"),
    (60.0, "minutes instead of hours, or seconds instead of minutes"),
    (1 / 3_600, "hours instead of seconds"),
    (3_600.0, "seconds instead of hours"),
    (1 / 24, "days instead of hours"),
    (24.0, "hours instead of days"),
    (1 / 1_440, "days instead of minutes"),
    (1_440.0, "minutes instead of days"),
    (1 / 86_400, "days instead of seconds"),
    (86_400.0, "seconds instead of days"),
    (1_000.0, "thousandths instead of whole units, such as ms instead of s"),
    (1 / 1_000, "whole units instead of thousandths, such as s instead of ms"),
    (1e6, "millionths instead of whole units"),
    (1e-6, "whole units instead of millionths"),
    (100.0, "hundredths instead of whole units, such as cents or percent"),
    (0.01, "whole units instead of hundredths, such as cents or percent"),
    (10.0, "tenths instead of whole units, such as mm instead of cm"),
    (0.1, "whole units instead of tenths, such as cm instead of mm"),
    (1.609344, "kilometers instead of miles"),
    (1 / 1.609344, "miles instead of kilometers"),
    (1.852, "kilometers instead of nautical miles"),
    (1 / 1.852, "nautical miles instead of kilometers"),
    (3.28084, "feet instead of meters"),
    (0.3048, "meters instead of feet"),
    (2.54, "centimeters instead of inches"),
    (1 / 2.54, "inches instead of centimeters"),
    (2.204623, "pounds instead of kilograms"),
    (1 / 2.204623, "kilograms instead of pounds"),
    (-1.0, "the sign turned around"),
)
"""Factors between units that people mix up, and what they mean."""
AFFINE_UNITS: tuple[tuple[float, float, str], ...] = (
    (1.8, 32.0, "Fahrenheit instead of Celsius"),
    (1 / 1.8, -32 / 1.8, "Celsius instead of Fahrenheit"),
    (1.0, 273.15, "Kelvin instead of Celsius"),
    (1.0, -273.15, "Celsius instead of Kelvin"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """One column in one stretch of rows. `counts` (bins,), missing last; `quantiles` (5,), NaN where there are none."""

    counts: Floats
    quantiles: Floats
    strangers: Mapping[str, int]

    @property
    def missing_share(self) -> float:
        return float(self.counts[-1] / max(self.counts.sum(), 1.0))


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """The likely cause, and the sentence about it; `factor`: of a change of scale."""

    cause: Cause
    words: str
    factor: float | None = None


def explain(
    before: Picture, after: Picture, *, categories: Sequence[str] = (), edges: Sequence[float] = ()
) -> Explanation:
    """The likely cause; `categories`: names of the first bins of a text column, `edges`: between those of numbers.

    >>> numbers = lambda *values: np.array(values)
    >>> minutes = Picture(counts=numbers(50, 50, 0), quantiles=numbers(-6, 0, 6, 30, 90), strangers={})
    >>> hours = Picture(counts=numbers(9, 1, 0), quantiles=numbers(-0.1, 0, 0.1, 0.5, 1.5), strangers={})
    >>> explain(minutes, hours, edges=[0.0]).words
    'scale: x 0.01667, as hours instead of minutes, or minutes instead of seconds'
    """
    by_bin = np.nan_to_num(terms(after.counts, before.counts))
    of_missing = float(by_bin[-1] / max(by_bin.sum(), 1e-300))
    if of_missing >= DECISIVE_SHARE:
        return _missing(before, after)
    if categories:
        return _of_text(before, after, categories)
    moved = None
    if not np.isnan(before.quantiles).any() and not np.isnan(after.quantiles).any():
        moved = _of_numbers(before.quantiles, after.quantiles)
    return moved or Explanation(cause=Cause.SHAPE, words=f"{Cause.SHAPE}: {_most_moved(before, after, _spans(edges))}")


def _missing(before: Picture, after: Picture) -> Explanation:
    cause = Cause.MISSING if after.missing_share > before.missing_share else Cause.PRESENT
    return Explanation(cause=cause, words=f"{cause}: {before.missing_share:.1%} before, {after.missing_share:.1%} now")


def _of_text(before: Picture, after: Picture, categories: Sequence[str]) -> Explanation:
    rows = max(float(after.counts.sum()), 1.0)
    gone, names = _gone(before, after, categories), [*map(repr, categories), "all others"]
    moved = float(np.abs(_shares(after) - _shares(before)).sum()) / 2
    if after.strangers and sum(after.strangers.values()) / rows >= STRANGER_PART_MIN * moved:
        listed = ", ".join(f"{name!r} {count / rows:.1%}" for name, count in list(after.strangers.items())[:3])
        return Explanation(cause=Cause.NEW_CATEGORY, words=f"{Cause.NEW_CATEGORY}: {listed}{gone}")
    return Explanation(cause=Cause.MIX, words=f"{Cause.MIX}: {_most_moved(before, after, names)}{gone}")


def _shares(picture: Picture) -> Floats:
    shares: Floats = picture.counts / max(float(picture.counts.sum()), 1.0)
    return shares


def _gone(before: Picture, after: Picture, categories: Sequence[str]) -> str:
    gone = [
        repr(name)
        for name, share, now in zip(categories, _shares(before), after.counts, strict=False)
        if share >= GONE_SHARE_MIN and now == 0
    ]
    return f"; gone: {', '.join(gone[:3])}" if gone else ""


def _most_moved(before: Picture, after: Picture, names: Sequence[str]) -> str:
    """The bin whose share changed most; those of present values have `names`."""
    then, now = _shares(before), _shares(after)
    most = int(np.argmax(np.abs(now - then).round(9)))
    return f"{[*names, 'missing'][most]} {then[most]:.1%} before, {now[most]:.1%} now"


def _spans(edges: Sequence[float]) -> list[str]:
    """Names of the bins between edges.

    >>> _spans([0.0, 2.5])
    ['up to 0', 'above 0 up to 2.5', 'above 2.5']
    """
    if not len(edges):
        return ["present"]
    inner = [f"above {low:g} up to {high:g}" for low, high in pairwise(edges)]
    return [f"up to {edges[0]:g}", *inner, f"above {edges[-1]:g}"]


def _of_numbers(before: Floats, after: Floats) -> Explanation | None:
    """What quantiles tell; None where they moved too little to tell anything."""
    if np.ptp(after) == 0 and np.ptp(before) > 0:
        return Explanation(cause=Cause.STUCK, words=f"{Cause.STUCK}: {after[0]:g}")
    scaled = _scaled(before, after)
    if scaled is not None:
        return scaled
    rescaled = _rescaled(before, after)
    if rescaled is not None:
        return rescaled
    width, width_now = float(before[3] - before[1]), float(after[3] - after[1])
    moved = float(after[2] - before[2])
    if moved and abs(moved) >= SHIFT_MIN * width:
        where = "up" if moved > 0 else "down"
        words = f"{Cause.SHIFT}: {where}, median {before[2]:.4g} before, {after[2]:.4g} now"
        return Explanation(cause=Cause.SHIFT, words=words)
    if width > 0 and not 1 / SPREAD_MIN < width_now / width < SPREAD_MIN:
        return Explanation(cause=Cause.SPREAD, words=f"{Cause.SPREAD}: x {width_now / width:.3g}")
    return None


def _scaled(before: Floats, after: Floats) -> Explanation | None:
    """A change of scale where one factor takes most quantiles of before to those of now, and a shift does not.

    The median of the ratios is asked, since the outer quantiles wobble most by themselves.
    """
    for slope, offset, unit in AFFINE_UNITS:
        misfit = _misfit(slope * before + offset, after)
        if misfit <= AFFINE_MISFIT_MAX and misfit < _misfit(before, after) / 4:
            return Explanation(cause=Cause.SCALE, words=f"{Cause.SCALE}: as {unit}", factor=slope)
    large = np.abs(before) >= SMALL_PART * np.ptp(before)
    for turned in (before, before[::-1]):
        if np.count_nonzero(large) < RATIOS_MIN:
            break
        factor = float(np.median(after[large] / turned[large])) if (turned[large] != 0).all() else 0.0
        if factor == 0 or (factor > 0) != (turned is before) or 1 / SCALE_MIN < factor < SCALE_MIN:
            continue
        misfit = _misfit(factor * turned, after)
        if misfit <= SCALE_MISFIT_MAX and misfit < _misfit(before + float(np.median(after - before)), after) / 2:
            return Explanation(cause=Cause.SCALE, words=_scale_words(factor), factor=factor)
    return None


def _rescaled(before: Floats, after: Floats) -> Explanation | None:
    """A change of scale of rows that are unusual besides, so that no one factor takes all quantiles to those of now.

    Either both spreads changed far more than rows do by themselves, and the median along with them;
    or the median lies where no row ever was, at a factor of known units.

    >>> before, stormy_day_in_hours = np.array([-9.0, -5, -2, 10, 82]), np.array([-0.1, 0.1, 0.5, 1.1, 2.5])
    >>> _rescaled(before, stormy_day_in_hours).words
    'scale: x 0.04 or so'
    >>> calm_day_in_kilopascal = np.array([101.9, 102.0, 102.1, 102.2, 102.3])
    >>> _rescaled(np.array([1_005.0, 1_011, 1_016, 1_023, 1_030]), calm_day_in_kilopascal).words
    'scale: x 0.1005, as whole units instead of tenths, such as cm instead of mm'
    """
    widths, now = _widths(before), _widths(after)
    if not (widths > 0).all() or not (now > 0).all():
        return None
    ratios, median, reach = now / widths, float(after[2]), float(widths[1])
    far = (ratios >= RESCALED_MIN).all() or (ratios <= 1 / RESCALED_MIN).all()
    factor = float(np.sqrt(ratios[0] * ratios[1]))
    if far and before[0] - reach <= median / factor <= before[-1] + reach:
        return Explanation(cause=Cause.SCALE, words=f"{Cause.SCALE}: x {float(f'{factor:.1g}'):g} or so", factor=factor)
    factor = median / float(before[2]) if before[2] else 0.0
    elsewhere = not before[0] - FAR_REACHES * reach <= median <= before[-1] + FAR_REACHES * reach
    if factor > 0 and elsewhere and _unit_of(factor):
        return Explanation(cause=Cause.SCALE, words=_scale_words(factor), factor=factor)
    return None


def _widths(quantiles: Floats) -> Floats:
    """The inner and the outer spread."""
    return np.array([quantiles[3] - quantiles[1], quantiles[4] - quantiles[0]])


def _misfit(fitted: Floats, found: Floats) -> float:
    """The median distance of fitted quantiles from those found, as a part of how far apart these are."""
    return float(np.median(np.abs(fitted - found))) / max(float(np.ptp(found)), 1e-300)


def _scale_words(factor: float) -> str:
    unit = _unit_of(factor)
    return f"{Cause.SCALE}: x {factor:.4g}" + (f", as {unit}" if unit else "")


def _unit_of(factor: float) -> str:
    """The units that people mix up by this factor; empty for any other."""
    nearest, unit = min(UNITS, key=lambda each: abs(factor / each[0] - 1))
    return unit if abs(factor / nearest - 1) <= UNIT_TOLERANCE else ""
