"""How many labels a rollback may take at most, worked out from the rates of both arms before it begins."""

import numpy as np

from schemas.events import RolloutRules, Stretch
from streams.rollout.evidence import EMPTY, log_threshold, observe

ROLLOUTS = 500
LABELS_MAX = 100_000
SEED = 20_261_125


def labels_to_rollback(candidate: float, control: float, *, share: float, labels: int, rules: RolloutRules) -> int:
    """Labels of both arms until evidence says "worse", in the longest of 500 drawn rollouts.

    `candidate`, `control`: error rates. `share`: of the candidate. `labels`: of both arms in what is
    judged at once, since a decision waits for the end of it.
    """
    random = np.random.default_rng(SEED)
    return max(_drawn(random, candidate, control, share, labels, rules) for _ in range(ROLLOUTS))


def _drawn(
    random: np.random.Generator, candidate: float, control: float, share: float, labels: int, rules: RolloutRules
) -> int:
    evidence, line = EMPTY, log_threshold(rules.alpha)
    while evidence.log_worse < line:
        mine = int(random.binomial(labels, share))
        stretch = Stretch(
            start=evidence.blocks,
            end=evidence.blocks + 1,
            labels=mine,
            losses=float(random.binomial(mine, candidate)),
            control_labels=labels - mine,
            control_losses=float(random.binomial(labels - mine, control)),
        )
        evidence = observe(evidence, stretch, margin=rules.margin, block_labels_min=rules.block_labels_min)
        total = evidence.labels + evidence.control_labels
        assert total < LABELS_MAX, "these rates are told apart long before"
    return total
