"""Neighboring doubles as one stretch of bytes, so that fastavro handles them in one step.

Avro writes a double as its eight bytes, and a nullable one that is present with a 2 in front.
A run of them is a `fixed` of known size, which numpy reads and writes for all rows at once.
"""

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any

import numpy as np
import numpy.typing as npt

PRESENT = 2
"""The branch of ["null", "double"] that holds a value, as Avro writes it."""

Doubles = npt.NDArray[np.float64]


def runs(packable: Sequence[bool]) -> Iterator[tuple[int, int]]:
    """Start and length of each run: packable neighbors together, everything else alone.

    >>> list(runs([True, True, False, False, True]))
    [(0, 2), (2, 1), (3, 1), (4, 1)]
    """
    start = 0
    for together, run in groupby(packable):
        count = len(list(run))
        steps = [count] if together else [1] * count
        for step in steps:
            yield start, step
            start += step


def fixed_type(name: str, *, count: int, present_marks: bool) -> dict[str, Any]:
    """The Avro type of a run of doubles, nullable ones with their marks."""
    return {"type": "fixed", "name": name, "size": count * (9 if present_marks else 8)}


def unpacked(stretches: Sequence[bytes], count: int) -> Doubles:
    """The doubles of plain runs, shape (count, rows)."""
    matrix = np.frombuffer(b"".join(stretches), dtype="<f8").reshape(len(stretches), count)
    return np.ascontiguousarray(matrix.T)


def packed(columns: Sequence[Doubles]) -> list[bytes]:
    """For each row the run of its nullable doubles, all of them present."""
    rows, count = len(columns[0]), len(columns)
    cells = np.empty((rows, count), dtype=[("mark", "u1"), ("value", "<f8")])
    cells["mark"] = PRESENT
    cells["value"] = np.stack(columns, axis=1)
    whole, width = cells.tobytes(), count * 9
    return [whole[start : start + width] for start in range(0, rows * width, width)]
