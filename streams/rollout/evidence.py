"""What matured labels say of a candidate: two e-processes over concurrent blocks, and an interval to read.

Labels and summed losses of stretches come in; log e-values go out, against "no worse than control"
and against "worse by the margin". They stay valid however often one looks, and since each block
holds both arms over the same prediction time, a common error rate that moves does not fool them.
After Turner, Ly and Gruenwald, "Generic E-variables for exact sequential k-sample tests that allow
for optional stopping" (2024); by convexity the factors hold for losses in [0, 1].
"""

import math
from dataclasses import dataclass, replace

from schemas.events import Evidence, Stretch

PRIOR_LABELS = 10.0
PRIOR_WEIGHT = 2.5
"""The difference is shrunk as if ten labels more, five of each arm, had shown none: so much weight they have."""
WAITING_MAX = 64
"""Stretches of partitions kept for an arm that has no labels of them yet; beyond it the oldest is let go."""
CANDIDATE_LOSSES_MIN = 10.0
"""Below this no interval is shown: it would be narrow for want of errors, not for want of doubt."""
MIXTURE_VARIANCE = 12.5
"""The interval is tightest around a summed variance of 100: some 1,000 labels of a candidate at an error of .1."""
DECIMALS = 9
"""Logarithms may differ in their last bit between machines; what is kept of them must not."""
_HALVINGS = 60

NOTHING = Stretch(start=0, end=0, labels=0, losses=0.0, control_labels=0, control_losses=0.0)
EMPTY = Evidence(
    log_worse=0.0,
    log_ok=0.0,
    blocks=0,
    labels=0,
    losses=0.0,
    control_labels=0,
    control_losses=0.0,
    block=NOTHING,
    waiting=(),
    weight=0.0,
    difference=0.0,
    variance=0.0,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """Candidate's mean loss minus control's, and where it lies with confidence 1 - alpha at every look."""

    estimate: float
    low: float
    high: float


def observe(evidence: Evidence, stretch: Stretch, *, margin: float, block_labels_min: int) -> Evidence:
    """Add one arm's labels of a stretch (the other arm's are 0) and judge the block that it may complete.

    A stretch counts once both arms have labels of it; until then it waits.
    """
    merged, waiting = _met(evidence.waiting, stretch)
    evidence = replace(evidence, waiting=waiting)
    if merged is None:
        return evidence
    block = replace(merged, source="") if evidence.block == NOTHING else _sum(evidence.block, merged)
    if min(block.labels, block.control_labels) < block_labels_min:
        return replace(evidence, block=block)
    return _judged(evidence, block, margin)


def log_threshold(alpha: float, candidates: int = 1) -> float:
    """What a log e-value must reach, alpha being split over the candidates.

    >>> round(math.exp(log_threshold(0.05)))
    20
    """
    return math.log(candidates / alpha)


def interval(evidence: Evidence, alpha: float) -> Interval | None:
    """A confidence sequence by normal mixture over blocks, for people to read; None while errors are few.

    After Howard, Ramdas, McAuliffe and Sekhon, "Time-uniform, nonparametric, nonasymptotic confidence
    sequences" (2021), with estimated variances. It decides nothing.
    """
    if evidence.losses < CANDIDATE_LOSSES_MIN or evidence.weight == 0.0:
        return None
    spread = evidence.variance + MIXTURE_VARIANCE
    radius = math.sqrt(spread * math.log(spread / (MIXTURE_VARIANCE * alpha * alpha)))
    estimate = evidence.difference / evidence.weight
    half = radius / evidence.weight
    return Interval(estimate=estimate, low=max(estimate - half, -1.0), high=min(estimate + half, 1.0))


def log_factors(evidence: Evidence, block: Stretch, margin: float) -> tuple[float, float]:
    """What one block adds to the two log e-values: for "worse than control", and for "no worse than the margin".

    What is bet on comes from past blocks alone.
    """
    theta1, theta0 = bet(evidence, block)
    worse = 0.0 if theta1 <= theta0 else _log_factor(block, theta1, theta0, 0.0)
    ok = 0.0 if theta1 - theta0 >= margin else _log_factor(block, theta1, theta0, margin)
    return worse, ok


def bet(evidence: Evidence, block: Stretch) -> tuple[float, float]:
    """Rates of candidate and control to bet on: the pooled rate, apart by the difference within past blocks.

    Differences of rates that are pooled over time would mistake a common rate that moves while the
    share grows for a difference, and bet on that: not a false decision, but none for a long time.
    """
    total = evidence.labels + evidence.control_labels + PRIOR_LABELS
    pooled = (evidence.losses + evidence.control_losses + 1.0) / total
    difference = evidence.difference / (evidence.weight + PRIOR_WEIGHT)
    share = block.labels / (block.labels + block.control_labels)
    return _rate(pooled + (1.0 - share) * difference, total), _rate(pooled - share * difference, total)


def _rate(rate: float, total: float) -> float:
    """Within (0, 1) by one loss of all labels: a bet is never certain."""
    return min(max(rate, 1.0 / total), 1.0 - 1.0 / total)


def _judged(evidence: Evidence, block: Stretch, margin: float) -> Evidence:
    worse, ok = log_factors(evidence, block, margin)
    n1, n0 = block.labels, block.control_labels
    weight = n1 * n0 / (n1 + n0)
    rate = (block.losses + block.control_losses + 0.5) / (n1 + n0 + 1)
    return replace(
        evidence,
        log_worse=round(evidence.log_worse + worse, DECIMALS),
        log_ok=round(evidence.log_ok + ok, DECIMALS),
        blocks=evidence.blocks + 1,
        labels=evidence.labels + n1,
        losses=evidence.losses + block.losses,
        control_labels=evidence.control_labels + n0,
        control_losses=evidence.control_losses + block.control_losses,
        block=NOTHING,
        weight=evidence.weight + weight,
        difference=evidence.difference + weight * (block.losses / n1 - block.control_losses / n0),
        variance=evidence.variance + weight * rate * (1.0 - rate),
    )


def _log_factor(block: Stretch, theta1: float, theta0: float, shift: float) -> float:
    """The log likelihood ratio of the bet against the closest pair of rates that differ by `shift`."""
    q0 = _closest(block.labels, block.control_labels, theta1=theta1, theta0=theta0, shift=shift)
    return _log_ratio(block.labels, block.losses, theta1, q0 + shift) + _log_ratio(
        block.control_labels, block.control_losses, theta0, q0
    )


def _closest(n1: int, n0: int, *, theta1: float, theta0: float, shift: float) -> float:
    """The rate of control in the null that is closest to (theta1, theta0) in relative entropy, by bisection."""
    low, high = 0.0, 1.0 - shift
    for _ in range(_HALVINGS):
        u = (low + high) / 2.0
        v = u + shift
        slope = n1 * (v - theta1) / (v * (1.0 - v)) + n0 * (u - theta0) / (u * (1.0 - u))
        if slope < 0.0:
            low = u
        else:
            high = u
    return (low + high) / 2.0


def _log_ratio(labels: int, losses: float, theta: float, q: float) -> float:
    return losses * math.log(theta / q) + (labels - losses) * math.log((1.0 - theta) / (1.0 - q))


def _met(waiting: tuple[Stretch, ...], stretch: Stretch) -> tuple[Stretch | None, tuple[Stretch, ...]]:
    """The stretch with what waited of it, if both arms have labels now; and what waits after that."""
    others = tuple(each for each in waiting if _place(each) != _place(stretch))
    for each in waiting:
        if _place(each) == _place(stretch):
            stretch = replace(_sum(each, stretch), source=stretch.source)
    if stretch.labels and stretch.control_labels:
        return stretch, others
    return None, (*others, stretch)[-WAITING_MAX:]


def _place(stretch: Stretch) -> tuple[int, int, str]:
    return stretch.start, stretch.end, stretch.source


def _sum(one: Stretch, other: Stretch) -> Stretch:
    return Stretch(
        start=min(one.start, other.start),
        end=max(one.end, other.end),
        labels=one.labels + other.labels,
        losses=one.losses + other.losses,
        control_labels=one.control_labels + other.control_labels,
        control_losses=one.control_losses + other.control_losses,
    )
