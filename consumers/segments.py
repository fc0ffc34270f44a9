"""How the values of a feature are named where figures are grouped by it.

A category, or a number that takes few values, is a group by itself. Where there are too many
numbers to read, each group is about a tenth of the predictions, in the order of the numbers.
"""

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from itertools import pairwise

VALUES_MAX = 40
BANDS = 10
MISSING = "(missing)"


class Segments:
    """Names for the values of one feature; `predicted`: how many predictions there are of each value."""

    def __init__(self, predicted: Mapping[object, int]) -> None:
        numbers = {value: count for value, count in predicted.items() if isinstance(value, (int, float))}
        bands = _bands(numbers) if len(numbers) > VALUES_MAX else []
        self._highs = [high for _low, high in bands]
        self._names = [f"{low:g} to {high:g}" for low, high in bands]

    def name(self, value: object) -> str:
        """The group that a value is in.

        >>> Segments({"AA": 3, None: 1}).name("AA"), Segments({}).name(None), Segments({}).name(2.0)
        ('AA', '(missing)', '2')
        >>> hundred = Segments({float(value): 1 for value in range(100)})
        >>> hundred.name(0.0), hundred.name(10.0), hundred.name(99.0), hundred.name(None)
        ('0 to 9', '10 to 19', '90 to 99', '(missing)')
        """
        if value is None:
            return MISSING
        if not isinstance(value, (int, float)):
            return str(value)
        if not self._highs:
            return f"{value:g}"
        # A value that no prediction had is in the group that it is nearest to from below.
        return self._names[min(bisect_left(self._highs, value), len(self._names) - 1)]

    @property
    def in_order(self) -> Sequence[str]:
        """The names of groups of numbers, the lowest first; nothing where each value is a group."""
        return self._names


def _bands(counts: Mapping[int | float, int]) -> list[tuple[float, float]]:
    """The lowest and the highest value of each group, all of about the same count; equal values stay together."""
    values = sorted(counts)
    total, seen = sum(counts.values()), 0
    ends: list[int] = []
    for position, value in enumerate(values):
        seen += counts[value]
        while len(ends) < BANDS and seen * BANDS >= total * (len(ends) + 1):
            ends.append(position)
    edges = [-1, *dict.fromkeys(ends)]
    return [(float(values[first + 1]), float(values[last])) for first, last in pairwise(edges)]
