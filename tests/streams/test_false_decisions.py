"""How often rollouts are decided falsely: hundreds of simulated ones, judged by the shipped code after every stretch.

The figures of thousands are in docs/rollouts.md: `python -m benchmarks.rollouts`.
"""

import math
from collections.abc import Callable, Iterator
from statistics import NormalDist

import numpy as np
import pytest

from benchmarks.decided_rollouts import Errors, decide_rollouts
from benchmarks.simulated_rollouts import CANARY_STEPS, World, draw, judge, judge_one, naive_z_test, pooled_sequence
from penstock.roles.controller import rollout_defaults
from registry.reference_profile import reference_loss
from runtime.settings import RolloutSettings
from schemas.events import Stretch
from schemas.signature import Task
from streams.outcomes.judging import Facts, VersionTraits
from streams.outcomes.judging import judge as judged

RULES = rollout_defaults(RolloutSettings()).rules
ROLLOUTS = 300
LOOKS = 30
STRETCH_LABELS = 1_000
SEED = 5
Losses = Callable[[np.random.Generator, int, int, float], list[float]]
STEADY = World(name="errors and share stay")
RAMPED = World(name="errors rise while the share grows", level=(0.05, 0.15), shares=CANARY_STEPS)
FALLING = World(name="errors fall while the share grows", level=(0.15, 0.05), shares=CANARY_STEPS)
VALUES = World(
    name="a regression's errors double while the share grows", level=(1, 2), shares=CANARY_STEPS, values=True
)


def allowed(rollouts: int) -> float:
    """Alpha and three standard errors of a share that is counted in so many rollouts."""
    return RULES.alpha + 3.0 * math.sqrt(RULES.alpha * (1.0 - RULES.alpha) / rollouts)


@pytest.mark.parametrize("world", [STEADY, RAMPED, FALLING, VALUES], ids=lambda world: world.name)
def test_a_candidate_that_is_as_good_is_called_worse_no_more_often_than_alpha(world: World) -> None:
    """300 rollouts, looked at after every block to the last, whatever was said before."""
    traffic = draw(world, rollouts=ROLLOUTS, stretches=LOOKS, stretch_labels=STRETCH_LABELS, seed=SEED)

    looks = judge(traffic, RULES, to_the_end=True)

    assert np.mean(looks.worse >= 0) <= allowed(ROLLOUTS)


@pytest.mark.parametrize("level", [(0.1, 0.1), (0.05, 0.15)])
def test_a_candidate_that_is_worse_by_the_margin_is_promoted_no_more_often_than_alpha(
    level: tuple[float, float],
) -> None:
    """Under one share and under shares that grow while errors rise."""
    shares = (0.5,) if level[0] == level[1] else CANARY_STEPS
    world = World(name="worse", level=level, shares=shares, difference=RULES.margin)
    traffic = draw(world, rollouts=ROLLOUTS, stretches=LOOKS, stretch_labels=STRETCH_LABELS, seed=SEED)

    looks = judge(traffic, RULES, to_the_end=False)

    assert np.mean(looks.promoted) <= allowed(ROLLOUTS)


def test_the_same_rollouts_fool_a_test_made_for_one_look_and_a_sequence_that_pools() -> None:
    """What is asked here can be failed: a z-test at each look fails it, and under a growing share so does pooling."""
    steady = draw(STEADY, rollouts=ROLLOUTS, stretches=LOOKS, stretch_labels=STRETCH_LABELS, seed=SEED)
    ramped = draw(RAMPED, rollouts=ROLLOUTS, stretches=LOOKS, stretch_labels=STRETCH_LABELS, seed=SEED)

    assert np.mean(naive_z_test(steady, NormalDist().inv_cdf(1.0 - RULES.alpha)) >= 0) > 3 * RULES.alpha
    assert np.mean(pooled_sequence(steady, RULES.alpha) >= 0) <= allowed(ROLLOUTS)
    assert np.mean(pooled_sequence(ramped, RULES.alpha) >= 0) > 0.5


def test_whole_canaries_end_as_they_should() -> None:
    """By the controller's own decisions: equal ones are promoted and not rolled back, planted defects the other way."""
    equal = decide_rollouts(Errors(name="equal", level=(0.05, 0.15)), rollouts=30, seed=SEED)
    planted = decide_rollouts(Errors(name="defect", level=(0.05, 0.15), difference=0.15), rollouts=30, seed=SEED)

    assert sum(each.phase == "Failed" for each in equal) / 30 <= allowed(30)
    assert sum(each.phase == "Successful" for each in equal) >= 20
    assert {each.phase for each in planted} == {"Failed"}


def regression_losses(random: np.random.Generator, labels: int, look: int, factor: float) -> list[float]:
    """Delays whose errors are log-normal minutes and grow with time, cut by the reference's scale."""
    errors = factor * (10.0 + 0.1 * look) * random.lognormal(size=labels)
    facts = (Facts("1", "control", "live", 1, 0, None, 30.0 + error, None) for error in errors.tolist())
    return [judged(each, 30.0, DELAYS).loss or 0.0 for each in facts]


def multiclass_losses(random: np.random.Generator, labels: int, look: int, factor: float) -> list[float]:
    """Five classes whose mix moves with time, of which each is mistaken with a rate of its own."""
    mix = np.arange(1.0, 6.0) + look
    truths = random.choice(5, size=labels, p=mix / mix.sum())
    wrong = random.random(labels) < MISTAKEN[truths] * factor
    labeled = zip(truths.tolist(), np.where(wrong, (truths + 1) % 5, truths).tolist(), strict=True)
    classes = KINDS.classes
    return [
        judged(Facts("1", "control", "live", 1, 0, classes[label], 0.5, None), classes[truth], KINDS).loss or 0.0
        for truth, label in labeled
    ]


DELAYS = VersionTraits(
    task=Task.REGRESSION,
    classes=(),
    loss_scale=reference_loss(10.0 * np.random.default_rng(SEED).lognormal(size=5_000)).scale,
)
KINDS = VersionTraits(task=Task.MULTICLASS, classes=("a", "b", "c", "d", "e"), loss_scale=None)
MISTAKEN = np.array([0.02, 0.05, 0.10, 0.15, 0.20])


@pytest.mark.parametrize("losses", [regression_losses, multiclass_losses])
def test_values_and_several_classes_are_decided_by_the_losses_that_outcomes_have(losses: Losses) -> None:
    """Judged as the outcome lane judges them: equal candidates are not called worse, one with twice the errors is."""
    random = np.random.default_rng(SEED)
    equal = [judge_one(stretches(losses, random, factor=1.0), RULES, to_the_end=True) for _ in range(30)]
    double = [judge_one(stretches(losses, random, factor=2.0), RULES, to_the_end=False) for _ in range(10)]

    assert sum(worse >= 0 for worse, _ in equal) / 30 <= allowed(30)
    assert all(worse >= 0 and no_worse < 0 for worse, no_worse in double)


def stretches(losses: Losses, random: np.random.Generator, *, factor: float) -> Iterator[Stretch]:
    """Twenty stretches of 400 labels, of which a quarter are the candidate's."""
    for look in range(20):
        mine, control = losses(random, 100, look, factor), losses(random, 300, look, 1.0)
        yield Stretch(
            start=look,
            end=look + 1,
            labels=len(mine),
            losses=sum(mine),
            control_labels=len(control),
            control_losses=sum(control),
        )
