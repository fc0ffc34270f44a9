"""Detectors of drift in features under one interface: penstock's, and what people use otherwise."""

from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np
from river import drift
from scipy import stats

from benchmarks.drift_streams import BLOCK_ROWS, Floats, SeenBlock
from registry.stability import psi
from streams.drift.chi_square import chi_square
from streams.drift.detector import REFRACTORY_BLOCKS, DetectorState, observe
from streams.drift.references import DriftReference

BUDGET_ROWS = 1_000_000
PSI_MAX = 0.1
PSI_BLOCKS = 10
PENSTOCK = "penstock"
CHI_SQUARE = "chi-square, corrected for the columns"
ADWIN_MEANS = "river's ADWIN on block means"
PSI = "PSI > .1 of 10,000 rows"


class Contender(Protocol):
    """Watches all columns of one stream."""

    def observe(self, seen: SeenBlock) -> bool:
        """Take in a block; whether an alarm begins with it."""
        ...


class Penstock:
    """The detector as the monitor runs it; an alarm that is told again, complete or as going on, is one."""

    def __init__(self, reference: DriftReference) -> None:
        self._state = DetectorState(calibration=reference.calibration)
        self._starts: set[str] = set()

    def observe(self, seen: SeenBlock) -> bool:
        self._state, alarm = observe(self._state, seen.block, block_rows=BLOCK_ROWS, rows_per_false_alarm=BUDGET_ROWS)
        if alarm is None or alarm.start in self._starts:
            return False
        self._starts.add(alarm.start)
        return True


class ChiSquare:
    """Every block against the reference, by the distribution that independent rows would have, at the same budget."""

    def __init__(self, reference: DriftReference) -> None:
        assert reference.calibration is not None, "references of benchmarks are calibrated"
        self._baseline = reference.calibration.baseline
        self._chance = BLOCK_ROWS / BUDGET_ROWS / len(self._baseline)
        self._quiet = 0

    def observe(self, seen: SeenBlock) -> bool:
        statistic, freedom = chi_square(seen.block.counts, self._baseline)
        self._quiet -= 1
        if self._quiet > 0 or not (statistic > stats.chi2.isf(self._chance, freedom)).any():
            return False
        self._quiet = REFRACTORY_BLOCKS
        return True


class AdwinOfMeans:
    """One ADWIN at its defaults for each number, fed with the mean of each block."""

    def __init__(self, reference: DriftReference) -> None:
        self._detectors: list[drift.ADWIN] = []

    def observe(self, seen: SeenBlock) -> bool:
        if not self._detectors:
            self._detectors = [drift.ADWIN() for _ in seen.means]  # type: ignore[no-untyped-call]  # river has no types here
        for detector, mean in zip(self._detectors, seen.means.tolist(), strict=True):
            if not np.isnan(mean):
                detector.update(mean)  # type: ignore[no-untyped-call]  # as above
        return any(detector.drift_detected for detector in self._detectors)


class FixedIndex:
    """A threshold that is often recommended, on consecutive windows of ten blocks."""

    def __init__(self, reference: DriftReference) -> None:
        assert reference.calibration is not None, "references of benchmarks are calibrated"
        self._baseline = reference.calibration.baseline
        self._counts: list[Floats] = []

    def observe(self, seen: SeenBlock) -> bool:
        self._counts.append(seen.block.counts)
        if len(self._counts) < PSI_BLOCKS:
            return False
        window, self._counts = np.sum(self._counts, axis=0), []
        return bool((psi(window, self._baseline) > PSI_MAX).any())


CONTENDERS: Mapping[str, "type[Penstock | ChiSquare | AdwinOfMeans | FixedIndex]"] = {
    PENSTOCK: Penstock,
    CHI_SQUARE: ChiSquare,
    ADWIN_MEANS: AdwinOfMeans,
    PSI: FixedIndex,
}


def alarms_on_every_value(columns: Sequence[Floats]) -> int:
    """Alarms of one ADWIN at its defaults for each column, fed with every value."""
    alarms = 0
    for column in columns:
        detector = drift.ADWIN()  # type: ignore[no-untyped-call]  # river has no types here
        for value in column.tolist():
            detector.update(value)  # type: ignore[no-untyped-call]  # as above
            alarms += detector.drift_detected
    return alarms
