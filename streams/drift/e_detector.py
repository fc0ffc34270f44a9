"""Are losses higher than they may be, for good? A Shiryaev-Roberts e-detector against one level.

Blocks of losses in [0, 1] come in; evidence goes out that rises only while the mean loss is above
the level. As long as it is at or below it, the evidence reaches `labels / block` not before that
many labels on average, however often one looks, and whatever happened earlier: it forgets, so that
a change after a long calm is seen as soon as one at the start. After Shin, Ramdas and Rinaldo,
"E-detectors: a nonparametric framework for sequential change detection" (2024).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

BLOCK_LABELS = 100
PRIOR_LABELS = 100.0
BET_LEAST = 1.1
"""The rate that is bet on is at least so many times the level: evidence that cost nothing would add up in calm."""
KEPT = 0.98
"""How much of what was learned of the rate is kept from one block to the next."""
LOG_MAX = 700.0
LEVEL_MIN, LEVEL_MAX = 1e-4, 1 - 1e-4


@dataclass(frozen=True, slots=True, kw_only=True)
class EDetectorState:
    """`level`: mean loss that must not be exceeded. `log_evidence`: the log of R, -inf before the first block.

    `rising`: the log evidence since it was last none. `labels` and `losses`: what is remembered of
    the past. `waiting`: losses of the block to come.
    """

    level: float
    log_evidence: float = -math.inf
    rising: float = 0.0
    labels: float = 0.0
    losses: float = 0.0
    waiting: tuple[float, ...] = ()

    @property
    def rate(self) -> float:
        """The mean loss that is bet on: what is remembered, held up by the level."""
        return (self.losses + PRIOR_LABELS * self.level) / (self.labels + PRIOR_LABELS)


def observe(state: EDetectorState, losses: Sequence[float]) -> tuple[EDetectorState, list[float]]:
    """Take in losses in order; the state, and the log evidence after each block that they complete."""
    together = [*state.waiting, *losses]
    whole = len(together) // BLOCK_LABELS * BLOCK_LABELS
    evidence = []
    for start in range(0, whole, BLOCK_LABELS):
        state = _judged(state, math.fsum(together[start : start + BLOCK_LABELS]))
        evidence.append(state.log_evidence)
    return replace(state, waiting=tuple(together[whole:])), evidence


def log_threshold(labels_per_false_alarm: int) -> float:
    """The log evidence at which the level is exceeded.

    >>> round(math.exp(log_threshold(100_000)))
    1000
    """
    return math.log(labels_per_false_alarm / BLOCK_LABELS)


def exceeded_level(mean: float, rows: int, *, margin: float, deviations: float = 1.645) -> float:
    """A baseline's upper bound (of `rows` losses with that mean, so many deviations up) plus the margin.

    >>> round(exceeded_level(0.1, 10_000, margin=0.02), 4)
    0.1249
    """
    upper = mean + deviations * math.sqrt(max(mean * (1 - mean), 1 / max(rows, 1)) / max(rows, 1))
    return min(max(upper + margin, LEVEL_MIN), LEVEL_MAX)


def _judged(state: EDetectorState, losses: float) -> EDetectorState:
    """One block: bet on the past's rate, or somewhat more than the level, add one to the evidence, multiply."""
    level = state.level
    bet = min(max(min(BET_LEAST * level, (1 + level) / 2), state.rate), LEVEL_MAX)
    log_factor = losses * math.log(bet / level) + (BLOCK_LABELS - losses) * math.log((1 - bet) / (1 - level))
    log_evidence = min(_log_plus_one(state.log_evidence) + log_factor, LOG_MAX)
    return replace(
        state,
        log_evidence=log_evidence,
        rising=max(state.rising + log_factor, 0.0),
        labels=KEPT * state.labels + BLOCK_LABELS,
        losses=KEPT * state.losses + losses,
    )


def _log_plus_one(log_evidence: float) -> float:
    """log(R + 1) of log R, without overflow.

    >>> _log_plus_one(-math.inf), round(_log_plus_one(0.0), 3)
    (0.0, 0.693)
    """
    if log_evidence == -math.inf:
        return 0.0
    return max(log_evidence, 0.0) + math.log1p(math.exp(-abs(log_evidence)))
