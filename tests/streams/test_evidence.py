"""The evidence of matured labels: formulas against an independent computation, golden values, blocks, intervals."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar

from schemas.events import Evidence, Stretch
from streams.rollout.evidence import EMPTY, WAITING_MAX, bet, interval, log_factors, log_threshold, observe

MARGIN = 0.02


def both(labels: int, losses: float, control_labels: int, control_losses: float, start: int = 0) -> Stretch:
    return Stretch(
        start=start,
        end=start + 1,
        labels=labels,
        losses=losses,
        control_labels=control_labels,
        control_losses=control_losses,
    )


def judged(blocks: list[tuple[int, float, int, float]], margin: float = MARGIN) -> Evidence:
    found = EMPTY
    for start, (n1, x1, n0, x0) in enumerate(blocks):
        found = observe(found, both(n1, x1, n0, x0, start), margin=margin, block_labels_min=1)
    return found


rates = st.tuples(st.integers(1, 5_000), st.floats(0, 1), st.integers(1, 5_000), st.floats(0, 1))


@settings(deadline=None)
@given(past=rates, block=rates, margin=st.floats(0, 0.3))
def test_a_block_adds_the_log_likelihood_ratio_against_the_closest_null(
    past: tuple[int, float, int, float], block: tuple[int, float, int, float], margin: float
) -> None:
    """The closest pair of rates is found again by minimizing the relative entropy with scipy."""
    n1, p1, n0, p0 = past
    evidence = after(n1, n1 * p1, n0, n0 * p0)
    now = both(block[0], block[0] * block[1], block[2], block[2] * block[3])

    worse, ok = log_factors(evidence, now, margin)

    pooled = (n1 * p1 + n0 * p0 + 1) / (n1 + n0 + 10)
    weight, part = n1 * n0 / (n1 + n0), block[0] / (block[0] + block[2])
    difference = weight * (p1 - p0) / (weight + 2.5)
    least = 1 / (n1 + n0 + 10)
    theta1, theta0 = np.clip([pooled + (1 - part) * difference, pooled - part * difference], least, 1 - least)
    expected_worse = 0.0 if theta1 <= theta0 else reference(now, theta1, theta0, 0.0)
    expected_ok = 0.0 if theta1 - theta0 >= margin else reference(now, theta1, theta0, margin)
    assert worse == pytest.approx(expected_worse, rel=2e-3, abs=1e-2)
    assert ok == pytest.approx(expected_ok, rel=2e-3, abs=1e-2)


def after(labels: int, losses: float, control_labels: int, control_losses: float) -> Evidence:
    """Evidence after one block."""
    return observe(EMPTY, both(labels, losses, control_labels, control_losses), margin=MARGIN, block_labels_min=1)


def reference(block: Stretch, theta1: float, theta0: float, shift: float) -> float:
    """The log e-value of one block by the definition of the reverse information projection."""

    def entropy(u: float) -> float:
        return block.labels * divergence(theta1, u + shift) + block.control_labels * divergence(theta0, u)

    u = float(minimize_scalar(entropy, bounds=(1e-12, 1 - shift - 1e-12), method="bounded", options={"xatol": 1e-14}).x)
    mine, control = block.losses, block.control_losses
    return (
        mine * math.log(theta1 / (u + shift))
        + (block.labels - mine) * math.log((1 - theta1) / (1 - u - shift))
        + control * math.log(theta0 / u)
        + (block.control_labels - control) * math.log((1 - theta0) / (1 - u))
    )


def divergence(p: float, q: float) -> float:
    return p * math.log(p / q) + (1 - p) * math.log((1 - p) / (1 - q))


def test_golden_trace() -> None:
    """Three blocks of a candidate with twice control's errors, to the last digit that is kept."""
    found = judged([(100, 20.0, 1_900, 190.0), (110, 22.0, 2_090, 209.0), (100, 20.0, 1_900, 190.0)])

    assert (found.log_worse, found.log_ok, found.blocks) == (8.747049441, -1.775296427, 3)
    assert (found.labels, found.losses, found.control_labels, found.control_losses) == (310, 62.0, 5_890, 589.0)


def test_what_is_bet_comes_from_past_blocks_alone() -> None:
    """The first block, before which nothing is known, moves neither process against a candidate."""
    terrible = judged([(1_000, 1_000.0, 1_000, 0.0)])

    assert terrible.log_worse == 0.0


def test_equal_arms_come_to_no_worse_and_a_bad_candidate_to_worse() -> None:
    """Equal rates cross the line for promotion, twice the rate that for rollback, and neither the other."""
    equal = judged([(1_000, 100.0, 1_000, 100.0)] * 12)
    bad = judged([(1_000, 200.0, 1_000, 100.0)] * 3)

    assert equal.log_ok >= log_threshold(0.05) > equal.log_worse
    assert bad.log_worse >= log_threshold(0.05) > bad.log_ok


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 2**32 - 1), st.floats(0.02, 0.4))
def test_expected_growth_under_the_null_is_none(seed: int, rate: float) -> None:
    """Given any past, the mean factor of a block over both arms at one rate is at most 1, up to sampling error."""
    random = np.random.default_rng(seed)
    past = after(200, 30.0, 3_000, 300.0)
    factors = [
        math.exp(
            log_factors(
                past, both(100, float(random.binomial(100, rate)), 900, float(random.binomial(900, rate))), 0.02
            )[0]
        )
        for _ in range(400)
    ]

    assert np.mean(factors) <= 1 + 4 * np.std(factors) / 20


def test_losses_between_zero_and_one_count_by_their_sum() -> None:
    """A regression's losses of .5 are worth half an error each."""
    halves = judged([(200, 200 * 0.5, 400, 400 * 0.25)] * 5)
    errors = judged([(200, 100.0, 400, 100.0)] * 5)

    assert halves == errors


def test_a_stretch_waits_for_the_other_arm() -> None:
    """One arm alone is no evidence; with the other arm's labels of the same time the block is judged."""
    alone = observe(EMPTY, both(150, 15.0, 0, 0.0), margin=MARGIN, block_labels_min=100)
    other_time = observe(alone, both(0, 0.0, 150, 15.0, start=9), margin=MARGIN, block_labels_min=100)
    met = observe(other_time, both(0, 0.0, 150, 15.0), margin=MARGIN, block_labels_min=100)

    assert (alone.blocks, len(alone.waiting)) == (0, 1)
    assert (other_time.blocks, len(other_time.waiting)) == (0, 2)
    assert (met.blocks, met.labels, met.control_labels, len(met.waiting)) == (1, 150, 150, 1)


def test_arms_meet_within_a_partition_and_generation() -> None:
    """Labels of one time in another partition, or under other shares, are not concurrent: each meets its own."""
    found = EMPTY
    for source in ("0@2", "1@2", "0@3"):
        control = replace(both(0, 0.0, 900, 90.0), source=source)
        found = observe(found, control, margin=MARGIN, block_labels_min=1_000)
    for source in ("0@2", "0@3"):
        mine = replace(both(50, 5.0, 0, 0.0), source=source)
        found = observe(found, mine, margin=MARGIN, block_labels_min=1_000)

    assert (found.block.labels, found.block.control_labels) == (100, 1_800)
    assert [each.source for each in found.waiting] == ["1@2"]


def test_blocks_grow_until_each_arm_has_enough() -> None:
    """Small stretches are merged: a block has at least the least number of labels of each arm."""
    found = EMPTY
    for start in range(9):
        found = observe(found, both(12, 1.0, 500, 50.0, start), margin=MARGIN, block_labels_min=100)
        assert (found.blocks, found.block.labels) == ((0, 12 * (start + 1)) if start < 8 else (1, 0))


def test_what_waits_is_bounded() -> None:
    """An arm that never gets labels does not fill the memory: the oldest stretches are let go."""
    found = EMPTY
    for start in range(WAITING_MAX + 10):
        found = observe(found, both(0, 0.0, 10, 1.0, start), margin=MARGIN, block_labels_min=100)

    assert len(found.waiting) == WAITING_MAX
    assert found.waiting[0].start == 10


def test_no_interval_while_errors_are_few() -> None:
    """Nine errors make no interval; ten make one around the weighted difference."""
    few, some = judged([(100, 9.0, 900, 90.0)]), judged([(100, 10.0, 900, 45.0)])

    assert interval(few, 0.05) is None
    found = interval(some, 0.05)
    assert found is not None
    assert found.estimate == pytest.approx(0.05)
    assert found.low < found.estimate < found.high


def test_the_interval_covers_at_every_look() -> None:
    """A/A with the share ramped while the base rate moves: no look leaves the true difference 0 out, nearly always."""
    random = np.random.default_rng(5)
    missed = 0
    for _ in range(200):
        found, out = EMPTY, False
        for block in range(60):
            rate, share = 0.05 + 0.1 * block / 60, 0.05 + 0.45 * block / 60
            n1 = int(1_000 * share)
            now = both(
                n1, float(random.binomial(n1, rate)), 1_000 - n1, float(random.binomial(1_000 - n1, rate)), start=block
            )
            found = observe(found, now, margin=MARGIN, block_labels_min=1)
            shown = interval(found, 0.05)
            out = out or (shown is not None and not shown.low <= 0.0 <= shown.high)
        missed += out

    assert missed <= 0.05 * 200 + 3 * (0.05 * 0.95 * 200) ** 0.5


def test_a_pooled_difference_is_fooled_where_blocks_are_not() -> None:
    """Simpson: both arms alike, the share ramped while the rate rises; pooled rates differ, the evidence does not."""
    blocks = [
        (int(1_000 * share), 1_000 * share * rate, int(1_000 * (1 - share)), 1_000 * (1 - share) * rate)
        for share, rate in zip(np.linspace(0.05, 0.5, 40), np.linspace(0.05, 0.15, 40), strict=True)
    ]
    found = judged([(n1, round(x1), n0, round(x0)) for n1, x1, n0, x0 in blocks])

    assert found.losses / found.labels - found.control_losses / found.control_labels > 0.01
    assert found.log_worse < log_threshold(0.05)


def test_a_common_rate_that_moves_while_the_share_grows_does_not_keep_an_equal_candidate_from_no_worse() -> None:
    """Control has many labels from quieter times: pooled rates are far apart, those that are bet on are not."""
    early, late = (100, 5.0, 9_900, 495.0), (1_000, 150.0, 1_000, 150.0)
    found = judged([early] * 3 + [late] * 3)
    mine, control = bet(found, both(1_000, 150.0, 1_000, 150.0))

    assert found.losses / found.labels - found.control_losses / found.control_labels > 2 * MARGIN
    assert mine == pytest.approx(control)
    assert judged([early] * 3 + [late] * 20).log_ok >= log_threshold(0.05)
