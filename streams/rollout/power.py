"""How many labels a decision takes: computed beforehand, from what one expects of both versions.

Mean losses, the candidate's share and the rules go in, a number of labels comes out. Pure and
without chance: the evidence's own factors are added up over blocks as they come in the mean, less
what it costs that rates are estimated, less as many standard deviations as the certainty asks for.
benchmarks/rollouts.py holds the numbers against simulated rollouts, in docs/rollouts.md.
"""

import math
from dataclasses import dataclass, replace
from statistics import NormalDist
from typing import Literal

from schemas.events import Evidence, RolloutRules, Stretch
from streams.rollout.evidence import EMPTY, PRIOR_WEIGHT, log_factors, log_threshold, observe

Verdict = Literal["worse", "no worse"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Expectation:
    """What one expects of a rollout: mean losses in [0, 1], and the candidate's share of the entities.

    `stretch_labels`: labels of both arms in a stretch of the cohorts; a block is made of whole ones.
    """

    control_loss: float
    candidate_loss: float
    share: float
    stretch_labels: int = 100

    def __post_init__(self) -> None:
        """Raises `ValueError` for what can't be expected."""
        for name, loss in (("control_loss", self.control_loss), ("candidate_loss", self.candidate_loss)):
            if not 0.0 <= loss <= 1.0:
                raise ValueError(f"{name} is a mean loss between 0 and 1, not {loss}")
        if not 0.0 < self.share < 1.0:
            raise ValueError(f"share is the candidate's part of the entities, between 0 and 1, not {self.share}")
        if self.stretch_labels < 1:
            raise ValueError(f"stretch_labels is 1 or more, not {self.stretch_labels}")


def labels_to_decide(
    expected: Expectation, rules: RolloutRules, *, verdict: Verdict, certainty: float = 0.5, candidates: int = 1
) -> int | None:
    """Labels of both arms by which the verdict has come with that certainty; None: not by `rules.labels_max`.

    `certainty` .5 is about the median; for .95 and more it errs on the safe side, since evidence is
    asked for at this very number of labels, while a rollout ends wherever it first suffices. A share
    that grows up to a half only brings the verdict earlier than the first one would.
    Raises `ValueError` for a certainty that is not within (0, 1).
    """
    line = log_threshold(rules.alpha, candidates)
    deviations = NormalDist().inv_cdf(certainty)
    block = _block(expected, rules.block_labels_min)
    evidence, mean, variance = EMPTY, 0.0, 0.0
    while evidence.labels + evidence.control_labels < rules.labels_max:
        gain, spread = _growth(evidence, block, rules.margin, verdict)
        mean, variance = mean + gain, variance + spread
        evidence = observe(evidence, block, margin=rules.margin, block_labels_min=1)
        if mean - deviations * math.sqrt(variance) >= line:
            labels = evidence.labels + evidence.control_labels
            return labels if labels <= rules.labels_max else None
    return None


def _block(expected: Expectation, labels_min: int) -> Stretch:
    """The block that mostly is complete: the smaller arm has enough even one deviation below its mean."""
    share = min(expected.share, 1.0 - expected.share)
    labels = expected.stretch_labels
    while labels * share - math.sqrt(labels * share * (1.0 - share)) < labels_min:
        labels += expected.stretch_labels
    mine = min(max(round(labels * expected.share), 1), labels - 1)
    return Stretch(
        start=0,
        end=1,
        labels=mine,
        losses=mine * expected.candidate_loss,
        control_labels=labels - mine,
        control_losses=(labels - mine) * expected.control_loss,
    )


def _growth(evidence: Evidence, block: Stretch, margin: float, verdict: Verdict) -> tuple[float, float]:
    """What the block adds to the log e-value in the mean, and the variance of that.

    The factor is linear in the losses, so what one loss more changes is its weight. A difference that
    is estimated from N effective labels makes a bet on n of them worse by n / 2N in the mean.
    """
    mean = _factor(evidence, block, margin, verdict)
    if mean == 0.0:
        return 0.0, 0.0
    n1, n0 = block.labels, block.control_labels
    mine = _factor(evidence, replace(block, losses=block.losses + 1.0), margin, verdict) - mean
    control = _factor(evidence, replace(block, control_losses=block.control_losses + 1.0), margin, verdict) - mean
    estimating = evidence.weight / (evidence.weight + PRIOR_WEIGHT) ** 2
    p1, p0 = block.losses / n1, block.control_losses / n0
    return (
        mean - 0.5 * n1 * n0 / (n1 + n0) * estimating,
        n1 * p1 * (1.0 - p1) * mine**2 + n0 * p0 * (1.0 - p0) * control**2,
    )


def _factor(evidence: Evidence, block: Stretch, margin: float, verdict: Verdict) -> float:
    worse, no_worse = log_factors(evidence, block, margin)
    return worse if verdict == "worse" else no_worse
