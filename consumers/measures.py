"""Measures of performance from sums, each with a 95 % interval. Pure.

Intervals are those of what was labeled: they say how far the figure may be from that of many more
such labels, not what labels that have not come will say; coverage and maturity tell of those.
Weighted labels count as fewer ones (Kish, "Survey Sampling", 1965).
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from schemas.performance_sums import PerformanceSums, tenth_of
from schemas.signature import Task

Z = 1.959964
_LABELS_MIN = 2
_STEP = 1e-6

Confusion = Mapping[tuple[str, str], float]


@dataclass(frozen=True, slots=True)
class Measure:
    """A figure and where it lies with 95 % confidence; the bounds are None where labels are too few to tell."""

    value: float
    low: float | None = None
    high: float | None = None


MEASURES: Mapping[str, str] = {
    "accuracy": "share of predictions that were right",
    "precision": "of those predicted as the second class, the share that was; of more classes the mean over them",
    "recall": "of the second class, the share that was predicted so; of more classes the mean over them",
    "f1": "harmonic mean of precision and recall; of more classes the mean over them",
    "log_loss": "mean of -ln of the truth's probability",
    "brier": "mean squared distance of the probabilities from the truth",
    "calibration_error": "mean distance of scores from shares, over tenths of the score",
    "auc": "area under the ROC curve, of two classes",
    "mae": "mean absolute error",
    "rmse": "root of the mean squared error",
    "bias": "mean of predicted minus true value",
    "loss": "mean loss, 0 to 1",
    "value_mean": "mean of what outcomes were worth",
}


def measures_of(sums: PerformanceSums, task: Task, classes: Sequence[str]) -> dict[str, Measure]:
    """Every measure that the sums can tell, by its name in `MEASURES`.

    >>> sums = PerformanceSums(labeled=100, sums={"weight": 100.0, "weight_squared": 100.0, "loss": 10.0,
    ...     "loss_squared": 10.0}, confusion={("0", "0"): 80.0, ("1", "1"): 10.0, ("1", "0"): 10.0})
    >>> found = measures_of(sums, Task.BINARY, ("0", "1"))
    >>> [(name, round(found[name].value, 3)) for name in ("accuracy", "precision", "recall", "f1", "loss")]
    [('accuracy', 0.9), ('precision', 1.0), ('recall', 0.5), ('f1', 0.667), ('loss', 0.1)]
    """
    found: dict[str, Measure] = {}
    weight = sums.sums.get("weight", 0.0)
    if weight > 0:
        labels = weight * weight / sums.sums["weight_squared"]
        if task is Task.REGRESSION:
            found["loss"] = _within(_mean(sums, "loss", "loss_squared", weight=weight, labels=labels))
            found |= _of_values(sums, weight, labels)
        else:
            # Each loss is 0 or 1.
            found["loss"] = _share(sums.sums.get("loss", 0.0), weight, labels)
            found |= _of_classes(sums, task, classes, weight=weight, labels=labels)
    valued = sums.sums.get("valued", 0.0)
    if valued > 0:
        found["value_mean"] = _mean(sums, "value", "value_squared", weight=valued, labels=valued)
    return found


def _of_values(sums: PerformanceSums, weight: float, labels: float) -> dict[str, Measure]:
    return {
        "mae": _mean(sums, "error_absolute", "error_squared", weight=weight, labels=labels),
        "bias": _mean(sums, "error", "error_squared", weight=weight, labels=labels),
        "rmse": _root(_mean(sums, "error_squared", "error_fourth", weight=weight, labels=labels)),
    }


def _root(square: Measure) -> Measure:
    """The root of a mean of squares; its error is the square's over twice the root (delta method)."""
    root = math.sqrt(max(square.value, 0.0))
    if square.high is None or root == 0.0:
        return Measure(root)
    margin = (square.high - square.value) / (2.0 * root)
    return Measure(root, max(root - margin, 0.0), root + margin)


def _of_classes(
    sums: PerformanceSums, task: Task, classes: Sequence[str], *, weight: float, labels: float
) -> dict[str, Measure]:
    confusion = sums.confusion
    right = sum(amount for (truth, label), amount in confusion.items() if truth == label)
    found = {"accuracy": _share(right, weight, labels)}
    if task is Task.BINARY and len(classes) == 2:
        found |= _of_two(confusion, classes[1], labels / weight)
        found["f1"] = _smooth(lambda cells: _f1(cells, classes[1]), confusion, labels)
        found |= _auc(sums, labels / weight)
    else:
        names = sorted({name for cell in confusion for name in cell})
        for name, of_class in (("precision", _precision), ("recall", _recall), ("f1", _f1)):
            found[name] = _smooth(_macro(of_class, names), confusion, labels)
    probable = sums.sums.get("probable", 0.0)
    if probable > 0:
        known = labels * probable / weight
        found["log_loss"] = _mean(sums, "log_loss", "log_loss_squared", weight=probable, labels=known)
        found["brier"] = _mean(sums, "brier", "brier_squared", weight=probable, labels=known)
        found["calibration_error"] = _calibration_error(sums, labels / weight)
    return found


def _of_two(confusion: Confusion, positive: str, labels_each: float) -> dict[str, Measure]:
    hits = confusion.get((positive, positive), 0.0)
    predicted = sum(amount for (_, label), amount in confusion.items() if label == positive)
    true = sum(amount for (truth, _), amount in confusion.items() if truth == positive)
    found = {}
    if predicted > 0:
        found["precision"] = _share(hits, predicted, predicted * labels_each)
    if true > 0:
        found["recall"] = _share(hits, true, true * labels_each)
    return found


def _share(part: float, whole: float, labels: float) -> Measure:
    """A share with Wilson's interval, which stays within 0 and 1 and is right for few labels too.

    Wilson, "Probable inference, the law of succession, and statistical inference" (1927).
    """
    share = min(max(part / whole, 0.0), 1.0)
    center = (share + Z * Z / (2 * labels)) / (1 + Z * Z / labels)
    margin = Z / (1 + Z * Z / labels) * math.sqrt(share * (1 - share) / labels + Z * Z / (4 * labels * labels))
    return Measure(share, min(max(center - margin, 0.0), share), max(min(center + margin, 1.0), share))


def _mean(sums: PerformanceSums, name: str, squares: str, *, weight: float, labels: float) -> Measure:
    """A mean with the normal interval, from a sum and the sum of its squares."""
    mean = sums.sums.get(name, 0.0) / weight
    if labels < _LABELS_MIN:
        return Measure(mean)
    variance = max(sums.sums.get(squares, 0.0) / weight - mean * mean, 0.0)
    margin = Z * math.sqrt(variance / (labels - 1))
    return Measure(mean, mean - margin, mean + margin)


def _within(measure: Measure) -> Measure:
    """With bounds that a figure between 0 and 1 can have."""
    if measure.low is None or measure.high is None:
        return measure
    return Measure(measure.value, max(measure.low, 0.0), min(measure.high, 1.0))


def _smooth(measure: Callable[[Confusion], float], confusion: Confusion, labels: float) -> Measure:
    """A smooth function of shares with the interval that their covariance gives (delta method)."""
    value = measure(confusion)
    whole = sum(confusion.values())
    if labels < _LABELS_MIN:
        return Measure(value)
    step = whole * _STEP
    slopes = {cell: (measure({**confusion, cell: amount + step}) - value) / _STEP for cell, amount in confusion.items()}
    shares = {cell: amount / whole for cell, amount in confusion.items()}
    mean = sum(slopes[cell] * share for cell, share in shares.items())
    variance = sum(slopes[cell] ** 2 * share for cell, share in shares.items()) - mean * mean
    margin = Z * math.sqrt(max(variance, 0.0) / labels)
    return Measure(value, max(value - margin, 0.0), min(value + margin, 1.0))


def _macro(of_class: Callable[[Confusion, str], float], names: Sequence[str]) -> Callable[[Confusion], float]:
    return lambda confusion: sum(of_class(confusion, name) for name in names) / len(names)


def _precision(confusion: Confusion, name: str) -> float:
    predicted = sum(amount for (_, label), amount in confusion.items() if label == name)
    return confusion.get((name, name), 0.0) / predicted if predicted > 0 else 0.0


def _recall(confusion: Confusion, name: str) -> float:
    true = sum(amount for (truth, _), amount in confusion.items() if truth == name)
    return confusion.get((name, name), 0.0) / true if true > 0 else 0.0


def _f1(confusion: Confusion, name: str) -> float:
    both = sum(amount * (cell[0] == name) + amount * (cell[1] == name) for cell, amount in confusion.items())
    return 2.0 * confusion.get((name, name), 0.0) / both if both > 0 else 0.0


def _auc(sums: PerformanceSums, labels_each: float) -> dict[str, Measure]:
    """The area by bins, ties counting half, with the interval of Hanley and McNeil.

    Hanley and McNeil, "The meaning and use of the area under a receiver operating characteristic
    (ROC) curve" (1982).
    """
    below = area = positives = 0.0
    for _, (negative, positive, _) in sorted(sums.scores.items()):
        area += positive * (below + negative / 2)
        below += negative
        positives += positive
    if below <= 0 or positives <= 0:
        return {}
    auc = min(max(area / (below * positives), 0.0), 1.0)
    first, second = positives * labels_each, below * labels_each
    either = auc / (2 - auc) - auc * auc, 2 * auc * auc / (1 + auc) - auc * auc
    variance = (auc * (1 - auc) + (first - 1) * either[0] + (second - 1) * either[1]) / (first * second)
    margin = Z * math.sqrt(max(variance, 0.0))
    return {"auc": Measure(auc, max(auc - margin, 0.0), min(auc + margin, 1.0))}


def _calibration_error(sums: PerformanceSums, labels_each: float) -> Measure:
    """Over tenths of the score, how far the mean score lies from the share of positives, weighted by their labels."""
    tenths: dict[int, tuple[float, float, float]] = {}
    for number, amounts in sums.scores.items():
        known = tenths.get(tenth_of(number), (0.0, 0.0, 0.0))
        tenths[tenth_of(number)] = (known[0] + amounts[0], known[1] + amounts[1], known[2] + amounts[2])
    whole = sum(negative + positive for negative, positive, _ in tenths.values())
    error = variance = 0.0
    for negative, positive, score in tenths.values():
        weight = negative + positive
        if weight > 0:
            share = min(max(positive / weight, 0.0), 1.0)
            error += weight / whole * abs(share - score / weight)
            variance += (weight / whole) ** 2 * share * (1 - share) / (weight * labels_each)
    margin = Z * math.sqrt(variance)
    return Measure(error, max(error - margin, 0.0), min(error + margin, 1.0))
