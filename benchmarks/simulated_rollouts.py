"""Rollouts of canaries whose losses are known, judged by the shipped evidence and by two methods in its place.

All chance is drawn at once from a seed; each rollout is then looked at after every stretch. Labels
of different entities are taken to be independent.
"""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from schemas.events import RolloutRules, Stretch
from streams.rollout.evidence import EMPTY, MIXTURE_VARIANCE, log_threshold, observe

CANARY_STEPS = (0.01, 0.05, 0.20, 0.50)
CHUNK = 50
"""Rollouts that one process judges at a time."""
_ERROR_Q99 = 10.240473656312186
"""The 99th percentile of exp(N(0, 1)): where losses of values are cut, as a reference profile does it."""

Counts = NDArray[np.int64]
Sums = NDArray[np.float64]
T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """What is so: losses and the candidate's share, from the first stretch to the last.

    `level` goes in a line from its first value to its second: the error rate of control for classes,
    the scale of its absolute errors for `values`, which are log-normal and cut at the reference's
    99th percentile. `difference` is what the candidate has on top of it. `shares` are steps of
    equal length.
    """

    name: str
    level: tuple[float, float] = (0.10, 0.10)
    difference: float = 0.0
    shares: tuple[float, ...] = (0.5,)
    values: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Traffic:
    """Labels and summed losses of both arms; one row a rollout, one column a stretch."""

    labels: Counts
    losses: Sums
    control_labels: Counts
    control_losses: Sums

    def stretches(self, row: int) -> Iterator[Stretch]:
        """One rollout's stretches in their order."""
        columns = (self.labels, self.losses, self.control_labels, self.control_losses)
        for start, (n1, x1, n0, x0) in enumerate(zip(*(each[row].tolist() for each in columns), strict=True)):
            yield Stretch(start=start, end=start + 1, labels=n1, losses=x1, control_labels=n0, control_losses=x0)

    def rows(self, rows: slice) -> "Traffic":
        return Traffic(
            labels=self.labels[rows],
            losses=self.losses[rows],
            control_labels=self.control_labels[rows],
            control_losses=self.control_losses[rows],
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Looks:
    """In which stretch each rollout was first said to be worse, or no worse by the margin; -1 is never."""

    worse: Counts
    no_worse: Counts

    @property
    def rolled_back(self) -> NDArray[np.bool_]:
        """Worse was said, and no worse not before it."""
        return (self.worse >= 0) & ((self.no_worse < 0) | (self.worse <= self.no_worse))

    @property
    def promoted(self) -> NDArray[np.bool_]:
        """No worse was said, and worse not before it."""
        return (self.no_worse >= 0) & ~self.rolled_back


def draw(world: World, *, rollouts: int, stretches: int, stretch_labels: int, seed: int) -> Traffic:
    """All labels of all rollouts; each label is the candidate's with the chance of its share."""
    random = np.random.default_rng(seed)
    level = np.linspace(*world.level, stretches)
    shares = np.array([world.shares[look * len(world.shares) // stretches] for look in range(stretches)])
    labels = random.binomial(stretch_labels, shares, (rollouts, stretches))
    control_labels = stretch_labels - labels
    losses = _cut_errors if world.values else _error_counts
    return Traffic(
        labels=labels,
        losses=losses(random, labels, level + world.difference),
        control_labels=control_labels,
        control_losses=losses(random, control_labels, level),
    )


def judge(traffic: Traffic, rules: RolloutRules, *, to_the_end: bool, processes: int = 1) -> Looks:
    """Every rollout by the evidence that the controller keeps.

    `to_the_end`: look on after "no worse", to the last stretch, for a "worse" that comes later; a
    controller has acted by then.
    """
    chunks = [
        (traffic.rows(slice(start, start + CHUNK)), rules, to_the_end) for start in range(0, len(traffic.labels), CHUNK)
    ]
    found = np.array([each for chunk in in_processes(_judge_chunk, chunks, processes) for each in chunk])
    return Looks(worse=found[:, 0], no_worse=found[:, 1])


def in_processes(work: Callable[[T], R], chunks: Sequence[T], processes: int) -> Iterator[R]:
    """The chunks' results in their order, each as it comes."""
    if processes == 1:
        yield from map(work, chunks)
        return
    with ProcessPoolExecutor(max_workers=processes) as pool:
        yield from pool.map(work, chunks)


def judge_one(stretches: Iterator[Stretch], rules: RolloutRules, *, to_the_end: bool) -> tuple[int, int]:
    """The stretch in which one rollout was first said to be worse, and no worse; -1 is never."""
    line = log_threshold(rules.alpha)
    evidence, worse, no_worse = EMPTY, -1, -1
    for look, stretch in enumerate(stretches):
        evidence = observe(evidence, stretch, margin=rules.margin, block_labels_min=rules.block_labels_min)
        worse = look if worse < 0 and evidence.log_worse >= line else worse
        no_worse = look if no_worse < 0 and evidence.log_ok >= line else no_worse
        if worse >= 0 or (no_worse >= 0 and not to_the_end):
            break
    return worse, no_worse


def naive_z_test(traffic: Traffic, z: float) -> Counts:
    """In which stretch a one-sided z-test on all labels so far says worse, as if that look were the only one."""
    difference, weight, rate = _pooled(traffic)
    with np.errstate(divide="ignore", invalid="ignore"):
        statistic = difference * np.sqrt(weight) / np.sqrt(rate * (1.0 - rate))
    return _first(statistic > z)


def pooled_sequence(traffic: Traffic, alpha: float) -> Counts:
    """In which stretch a confidence sequence by normal mixture on all labels so far says worse.

    It may be looked at all the time, and takes labels of different times for comparable.
    """
    difference, weight, rate = _pooled(traffic)
    spread = weight * rate * (1.0 - rate) + MIXTURE_VARIANCE
    radius = np.sqrt(spread * np.log(spread / (MIXTURE_VARIANCE * alpha * alpha)))
    return _first(difference * weight > radius)


def share_said(first: Counts, stretches: int) -> Sums:
    """The share of rollouts of which it has been said by each look."""
    return np.array([np.mean((first >= 0) & (first <= look)) for look in range(stretches)])


def _error_counts(random: np.random.Generator, labels: Counts, rates: Sums) -> Sums:
    return random.binomial(labels, rates).astype(np.float64)


def _cut_errors(random: np.random.Generator, labels: Counts, scales: Sums) -> Sums:
    """Sums of losses of values: each absolute error over the reference's 99th percentile, 1 at most."""
    sums = np.zeros(labels.shape)
    for stretch, scale in enumerate(scales):
        drawn = random.lognormal(size=(len(labels), int(labels[:, stretch].max())))
        losses = np.minimum(drawn * (scale / _ERROR_Q99), 1.0)
        sums[:, stretch] = np.where(np.arange(losses.shape[1]) < labels[:, stretch, None], losses, 0.0).sum(axis=1)
    return sums


def _pooled(traffic: Traffic) -> tuple[Sums, Sums, Sums]:
    """Difference of mean losses, weight and common mean of all labels up to each look."""
    columns = (traffic.labels, traffic.losses, traffic.control_labels, traffic.control_losses)
    n1, x1, n0, x0 = (np.cumsum(each, axis=1, dtype=np.float64) for each in columns)
    difference = x1 / np.maximum(n1, 1) - x0 / np.maximum(n0, 1)
    return difference, n1 * n0 / (n1 + n0), (x1 + x0) / (n1 + n0)


def _first(said: NDArray[np.bool_]) -> Counts:
    return np.where(said.any(axis=1), said.argmax(axis=1), -1)


def _judge_chunk(chunk: tuple[Traffic, RolloutRules, bool]) -> list[tuple[int, int]]:
    traffic, rules, to_the_end = chunk
    return [judge_one(traffic.stretches(row), rules, to_the_end=to_the_end) for row in range(len(traffic.labels))]
