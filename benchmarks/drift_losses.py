"""Detectors of losses on streams of errors: how often they are wrong, and how many labels a rise takes."""

from collections.abc import Sequence
from statistics import median

import numpy as np

from streams.drift.detectors import DETECTORS, DetectorName
from streams.drift.e_detector import BLOCK_LABELS, EDetectorState, log_threshold, observe

CALM_LABELS = 5_000
LABELS_MAX = 10_000
RISES = ((0.05, 0.1), (0.1, 0.15), (0.1, 0.2), (0.1, 0.3))
MARGINS = {0.05: 0.01, 0.1: 0.02}
WOBBLE_SD, WOBBLE_LABELS = 0.2, 5_000


def errors(rate: float, labels: int, *, seed: int) -> list[float]:
    return [float(each) for each in np.random.default_rng(seed).random(labels) < rate]


def wobbling_errors(rate: float, labels: int, *, seed: int) -> list[float]:
    """Errors whose rate wanders by itself, on a log scale, a step every 5,000 labels."""
    random = np.random.default_rng(seed)
    steps = rate * np.exp(WOBBLE_SD * random.normal(size=-(-labels // WOBBLE_LABELS)))
    rates = np.repeat(np.minimum(steps, 0.9), WOBBLE_LABELS)[:labels]
    return [float(each) for each in random.random(labels) < rates]


def false_alarms(name: DetectorName, losses: Sequence[float]) -> int:
    """Alarms of a detector on losses that do not rise."""
    detector = DETECTORS[name]()
    return sum(detector.observe(loss) for loss in losses)


def labels_until_risen(name: DetectorName, before: float, after: float, *, seed: int) -> int | None:
    """Labels from a rise to its detection; None where that was said too early, or not at all."""
    detector = DETECTORS[name]()
    if any(detector.observe(loss) for loss in errors(before, CALM_LABELS, seed=2 * seed)):
        return None
    found = (index for index, loss in enumerate(errors(after, LABELS_MAX, seed=2 * seed + 1)) if detector.observe(loss))
    place = next(found, None)
    return None if place is None else place + 1


def labels_until_exceeded(before: float, after: float, *, budget: int, seed: int) -> int | None:
    """Labels from a rise above baseline and margin to the e-detector's alarm; None as above."""
    state = EDetectorState(level=before + MARGINS[before])
    state, logs = observe(state, errors(before, CALM_LABELS, seed=2 * seed))
    if max(logs) >= log_threshold(budget):
        return None
    _, logs = observe(state, errors(after, LABELS_MAX, seed=2 * seed + 1))
    place = next((index for index, each in enumerate(logs) if each >= log_threshold(budget)), None)
    return None if place is None else (place + 1) * BLOCK_LABELS


def exceeded_times(losses: Sequence[float], *, level: float, budget: int) -> int:
    """Alarms of the e-detector, which begins anew after each."""
    alarms, state = 0, EDetectorState(level=level)
    for start in range(0, len(losses), BLOCK_LABELS):
        state, logs = observe(state, losses[start : start + BLOCK_LABELS])
        if logs and logs[-1] >= log_threshold(budget):
            alarms, state = alarms + 1, EDetectorState(level=level)
    return alarms


def middle(found: Sequence[int | None]) -> float | None:
    """The median, where what was not found is later than all that was; None where that is not found either.

    >>> middle([3, 1, None]), middle([None, None, 1])
    (3.0, None)
    """
    ordered = median(float("inf") if each is None else float(each) for each in found)
    return None if ordered == float("inf") else ordered
