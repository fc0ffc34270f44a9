"""What of outcomes adds up: sums from which every measure of performance is made. Pure.

Outcomes go in one by one and can be taken out again; sums of parts are the sums of the whole. So a
window's figures are the same whether they were summed as labels came, over partitions, or from
all stored outcomes at once.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from schemas.events import ConfusionCell, Performance, ScoreBin
from schemas.signature import Task

PROBABILITY_LEAST = 1e-15
TENTHS = 10
_LOGIT_STEPS = 32
_LOGIT_MOST = 16
_BINS_IN_TENTH = 4 * _LOGIT_STEPS * _LOGIT_MOST
_NOTHING = 1e-9


class Judged(NamedTuple):
    """One prediction with its truth, as a row of stored outcomes has it; `delay_ms` may be negative."""

    label: str | None
    score: float
    probabilities: Sequence[float] | None
    truth: str | None
    truth_value: float | None
    truth_probability: float | None
    loss: float | None
    weight: float | None
    value: float | None
    delay_ms: int


@dataclass(slots=True)
class PerformanceSums:
    """Sums over the outcomes of some predictions.

    `sums`: by name, see `SUMS`, weighted but for those that say otherwise. `confusion`: weight by
    (true class, predicted class). `scores`: by bin of the score, the weight of what was not and
    what was positive there, and the weighted sum of scores. Positive is the second of two classes,
    and for more of them that the predicted one was right.
    """

    predicted: int = 0
    low_confidence: int = 0
    labeled: int = 0
    retracted: int = 0
    sums: dict[str, float] = field(default_factory=dict)
    confusion: dict[tuple[str, str], float] = field(default_factory=dict)
    scores: dict[int, tuple[float, float, float]] = field(default_factory=dict)

    def add(self, other: "PerformanceSums") -> None:
        """Add what another part has summed up."""
        self.predicted += other.predicted
        self.low_confidence += other.low_confidence
        self.labeled += other.labeled
        self.retracted += other.retracted
        for name, amount in other.sums.items():
            self.sums[name] = self.sums.get(name, 0.0) + amount
        for cell, weight in other.confusion.items():
            self.confusion[cell] = self.confusion.get(cell, 0.0) + weight
        for number, (negative, positive, score) in other.scores.items():
            self._add_score(number, negative, positive, score)

    def predict(self, count: int, *, low_confidence: bool) -> None:
        """Count a prediction in, or with -1 out again."""
        self.predicted += count
        self.low_confidence += count * low_confidence

    def judge(self, judged: Judged, sign: int, *, task: Task, classes: Sequence[str]) -> None:
        """Take an outcome in, or with -1 out again; one that was taken back counts as that alone."""
        if judged.loss is None:
            self.retracted += sign
            return
        self.labeled += sign
        weight = 1.0 if judged.weight is None else judged.weight
        signed = sign * weight
        sums = self.sums
        for name, amount in _amounts(judged, task):
            sums[name] = sums.get(name, 0.0) + signed * amount
        sums["weight_squared"] = sums.get("weight_squared", 0.0) + signed * weight
        if judged.value is not None:
            self._add("valued", float(sign))
            self._add("value", sign * judged.value)
            self._add("value_squared", sign * judged.value * judged.value)
        sums["delay_ms"] = sums.get("delay_ms", 0.0) + float(sign * judged.delay_ms)
        if judged.truth is not None and judged.label is not None:
            cell = (judged.truth, judged.label)
            self.confusion[cell] = counted = self.confusion.get(cell, 0.0) + signed
            if abs(counted) < _NOTHING:
                del self.confusion[cell]
            positive = judged.truth == (classes[1] if task is Task.BINARY and len(classes) == 2 else judged.label)
            self._add_score(
                score_bin(judged.score),
                0.0 if positive else signed,
                signed if positive else 0.0,
                signed * judged.score,
            )

    def _add(self, name: str, amount: float) -> None:
        self.sums[name] = self.sums.get(name, 0.0) + amount

    def _add_score(self, number: int, negative: float, positive: float, score: float) -> None:
        known = self.scores.get(number, (0.0, 0.0, 0.0))
        added = (known[0] + negative, known[1] + positive, known[2] + score)
        if abs(added[0]) < _NOTHING and abs(added[1]) < _NOTHING:
            self.scores.pop(number, None)
        else:
            self.scores[number] = added


@dataclass(frozen=True, slots=True, kw_only=True)
class SummedParts:
    """Sums as the fields of a `Performance` event."""

    sums: dict[str, float]
    confusion: tuple[ConfusionCell, ...]
    scores: tuple[ScoreBin, ...]


def parts_of(sums: PerformanceSums) -> SummedParts:
    """What an event says of the sums beside its counts."""
    return SummedParts(
        sums=dict(sums.sums),
        confusion=tuple(
            ConfusionCell(truth=truth, label=label, weight=weight)
            for (truth, label), weight in sorted(sums.confusion.items())
        ),
        scores=tuple(
            ScoreBin(bin=number, negative=negative, positive=positive, score=score)
            for number, (negative, positive, score) in sorted(sums.scores.items())
        ),
    )


def sums_of(part: Performance) -> PerformanceSums:
    """The sums that an event holds."""
    return PerformanceSums(
        predicted=part.predicted,
        low_confidence=part.low_confidence,
        labeled=part.labeled,
        retracted=part.retracted,
        sums=dict(part.sums),
        confusion={(cell.truth, cell.label): cell.weight for cell in part.confusion},
        scores={each.bin: (each.negative, each.positive, each.score) for each in part.scores},
    )


SUMS: Mapping[str, str] = {
    "weight": "weights of labels",
    "weight_squared": "their squares",
    "loss": "losses",
    "loss_squared": "their squares",
    "probable": "weights of labels whose probability is known",
    "log_loss": "-ln of the truth's probability",
    "log_loss_squared": "its squares",
    "brier": "squared distance of the probabilities from the truth",
    "brier_squared": "its squares",
    "error": "predicted minus true value",
    "error_absolute": "its absolute value",
    "error_squared": "its square",
    "error_fourth": "its fourth power",
    "valued": "labels with a value, not weighted",
    "value": "values, not weighted",
    "value_squared": "their squares, not weighted",
    "delay_ms": "delays in ms, not weighted",
}


def score_bin(score: float) -> int:
    """The bin of a score: bins order as scores do, none reaches over a tenth, and they are finer towards 0 and 1.

    >>> [tenth_of(score_bin(score)) for score in (0.0, 0.05, 0.1, 0.15, 0.95, 1.0)]
    [0, 0, 1, 1, 9, 9]
    >>> score_bin(0.0) < score_bin(1e-6) < score_bin(0.5) < score_bin(0.51) < score_bin(1 - 1e-6)
    True
    """
    bounded = min(max(score, 0.0), 1.0)
    tenth = min(int(bounded * TENTHS), TENTHS - 1)
    inside = min(max(bounded, 1e-12), 1.0 - 1e-12)
    logit = min(max(math.log(inside / (1.0 - inside)), -_LOGIT_MOST), _LOGIT_MOST)
    return tenth * _BINS_IN_TENTH + round((logit + _LOGIT_MOST) * _LOGIT_STEPS)


def tenth_of(number: int) -> int:
    """The tenth of scores that a bin lies in.

    >>> tenth_of(score_bin(0.37))
    3
    """
    return number // _BINS_IN_TENTH


def is_unsure(task: Task, score: float, confidence_least: float) -> bool:
    """Whether the probability of the predicted class is below that; values have none.

    >>> is_unsure(Task.BINARY, 0.45, 0.6), is_unsure(Task.MULTICLASS, 0.7, 0.6), is_unsure(Task.REGRESSION, 0.1, 0.6)
    (True, False, False)
    """
    if task is Task.REGRESSION:
        return False
    return (max(score, 1.0 - score) if task is Task.BINARY else score) < confidence_least


def _amounts(judged: Judged, task: Task) -> tuple[tuple[str, float], ...]:
    """What one outcome adds to the weighted sums."""
    loss = judged.loss or 0.0
    plain = (("weight", 1.0), ("loss", loss), ("loss_squared", loss * loss))
    if judged.truth_value is not None:
        error = judged.score - judged.truth_value
        square = error * error
        return (
            *plain,
            ("error", error),
            ("error_absolute", abs(error)),
            ("error_squared", square),
            ("error_fourth", square * square),
        )
    if judged.truth_probability is None:
        return plain
    log_loss = -math.log(max(judged.truth_probability, PROBABILITY_LEAST))
    brier = _brier(judged, task)
    return (
        *plain,
        ("probable", 1.0),
        ("log_loss", log_loss),
        ("log_loss_squared", log_loss * log_loss),
        ("brier", brier),
        ("brier_squared", brier * brier),
    )


def _brier(judged: Judged, task: Task) -> float:
    """Of two classes the squared distance of one probability, of more the sum over all of them."""
    probability = judged.truth_probability or 0.0
    if task is Task.BINARY or not judged.probabilities:
        return (1.0 - probability) ** 2
    return math.fsum(each * each for each in judged.probabilities) - 2.0 * probability + 1.0
