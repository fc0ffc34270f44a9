"""How right a prediction was: its loss, and how likely it said the truth was. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from schemas.signature import Task


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionTraits:
    """What judging needs to know of a version: its task and its classes in its own order.

    `loss_scale`: the absolute error that is a loss of 1, None for classes; one for all versions
    of a model, or the errors of a worse version would be divided by a larger number.
    """

    task: Task
    classes: tuple[str, ...]
    loss_scale: float | None


class Facts(NamedTuple):
    """What a prediction says, of all its fields: by whom it was made, when, and what it was."""

    version: str
    arm: str
    role: str
    generation: int
    event_time: int
    label: str | None
    score: float
    probabilities: Sequence[float] | None


class Judgment(NamedTuple):
    """What a label makes of a prediction; both None where it was taken back or is of another kind than the answer."""

    loss: float | None
    truth_probability: float | None


FACT_NAMES = Facts._fields
UNJUDGED = Judgment(None, None)


def judge(facts: Facts, truth: str | float | None, traits: VersionTraits) -> Judgment:
    """Loss in [0, 1] and probability of the truth.

    Classes: 0 where the predicted one is true, else 1. Values: |error| over the loss scale, cut at 1.

    >>> flights = VersionTraits(task=Task.BINARY, classes=("on time", "late"), loss_scale=None)
    >>> judge(Facts("1", "stable", "live", 1, 0, "late", 0.75, None), "on time", flights)
    Judgment(loss=1.0, truth_probability=0.25)
    >>> delays = VersionTraits(task=Task.REGRESSION, classes=(), loss_scale=60.0)
    >>> judge(Facts("1", "stable", "live", 1, 0, None, 12.0, None), 27.0, delays)
    Judgment(loss=0.25, truth_probability=None)
    """
    if truth is None:
        return UNJUDGED
    if isinstance(truth, float) != (traits.loss_scale is not None):
        return UNJUDGED
    if isinstance(truth, float):
        return Judgment(min(abs(truth - facts.score) / (traits.loss_scale or 1.0), 1.0), None)
    return Judgment(0.0 if truth == facts.label else 1.0, _probability(facts, truth, traits))


def _probability(facts: Facts, truth: str, traits: VersionTraits) -> float | None:
    """None for a class that the version does not know, and gave no probability."""
    if truth not in traits.classes:
        return None
    position = traits.classes.index(truth)
    if traits.task is Task.BINARY:
        return facts.score if position else 1.0 - facts.score
    return facts.probabilities[position] if facts.probabilities else None
