"""Watches the losses of one version's cohorts: have they risen, are they higher than they may be.

Cohorts of a version come in, in the order in which they close; alarms go out. Two detectors look
at the same losses. One tells of a rise, wherever it starts from: reason to ask for a retrain. The
other holds the losses against a baseline plus a margin: reason to go back to a version that is
known to do better. What they have seen is kept, so that a restart goes on where it was.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from schemas.alarms import RETRAIN, ROLLBACK
from schemas.events import Cohort
from streams.drift import e_detector
from streams.drift.detectors import DetectorName, LossDetector
from streams.drift.e_detector import BLOCK_LABELS, EDetectorState, exceeded_level, log_threshold

KEPT_LOSSES_MAX = 10_000
"""Newest losses that the first detector is fed with again after a restart."""
SETTLED_LABELS = 1_000
"""After a rise, labels in which another one belongs to it."""
SIDE_MIN = 30
COHORTS_KEPT = 1_000
LEARNED_LABELS = 2_000
"""Labels that a baseline is learned from, where the reference has none and after an alarm."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LossRules:
    """What is too bad: more than `margin` above the baseline, with one false alarm in so many labels.

    `rise`: name of the detector of a rise. Cohorts of which a smaller share than `coverage_min` is
    labeled do not count.
    """

    rise: DetectorName
    margin: float
    labels_per_false_alarm: int
    coverage_min: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Baseline:
    """Mean loss of `rows` labels, and where it is from in words; a baseline is the upper bound of such a mean."""

    mean: float
    rows: int
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LossAlarm:
    """Losses are too high. `test`: which detector says so; `now`: mean loss of the `labels` since then.

    `since`: in event time, ms. `level`: what must not be exceeded, for the test against a baseline;
    `log_evidence`: of that test.
    """

    cohort_id: str
    test: str
    asks_for: str
    since: int
    before: float
    now: float
    labels: int
    baseline: Baseline | None = None
    level: float | None = None
    log_evidence: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LossState:
    """What is known of one version's losses; `recent` (losses and their cohort's start) are for the first detector.

    `evidence` None: a baseline is being learned, from `learned` labels with that summed loss.
    `bad_since`: start of the cohort from which on the evidence has been rising. `risen_at`: of
    `labels` in all, how many there were at the last rise.
    """

    first: Baseline | None = None
    baseline: Baseline | None = None
    evidence: EDetectorState | None = None
    learned_labels: int = 0
    learned_losses: float = 0.0
    bad_since: int = 0
    recent: tuple[tuple[int, float], ...] = ()
    labels: int = 0
    risen_at: int | None = None
    cohorts: tuple[str, ...] = field(default=())


class LossWatch:
    """Watches one version; `state` is all that there is to keep."""

    def __init__(self, rules: LossRules, build_detector: Callable[[], LossDetector], *, state: LossState) -> None:
        self._rules = rules
        self._detector = build_detector()
        self.state = state
        for _, loss in state.recent:
            self._detector.observe(loss)

    def observe(self, cohort: Cohort) -> list[LossAlarm]:
        """Take in a cohort; one that came before, or has too few labels, tells nothing."""
        if cohort.cohort_id in self.state.cohorts:
            return []
        self.state = replace(self.state, cohorts=(*self.state.cohorts, cohort.cohort_id)[-COHORTS_KEPT:])
        if not cohort.labeled or cohort.labeled < self._rules.coverage_min * cohort.predicted:
            return []
        alarms = [self._risen(cohort), self._too_high(cohort)]
        return [alarm for alarm in alarms if alarm is not None]

    def _risen(self, cohort: Cohort) -> LossAlarm | None:
        """A rise within the cohort; what follows one belongs to it until losses have settled."""
        recent, labels, risen_at = list(self.state.recent), self.state.labels, self.state.risen_at
        alarm: LossAlarm | None = None
        for loss in cohort.losses:
            recent.append((cohort.start, loss))
            labels += 1
            if not self._detector.observe(loss):
                continue
            if risen_at is None or labels - risen_at > SETTLED_LABELS:
                alarm = alarm or self._rise(cohort, recent)
            risen_at = labels
            recent = recent[changed_at([each for _, each in recent]) :]
        self.state = replace(self.state, recent=tuple(recent[-KEPT_LOSSES_MAX:]), labels=labels, risen_at=risen_at)
        return alarm

    def _rise(self, cohort: Cohort, recent: list[tuple[int, float]]) -> LossAlarm:
        losses = [loss for _, loss in recent]
        place = changed_at(losses)
        return LossAlarm(
            cohort_id=cohort.cohort_id,
            test=self._rules.rise,
            asks_for=RETRAIN,
            since=recent[place][0],
            before=_mean(losses[:place] or losses),
            now=_mean(losses[place:]),
            labels=len(losses) - place,
        )

    def _too_high(self, cohort: Cohort) -> LossAlarm | None:
        if self.state.evidence is None:
            self._learn(cohort)
            return None
        evidence, logs = e_detector.observe(self.state.evidence, cohort.losses)
        threshold = log_threshold(self._rules.labels_per_false_alarm)
        calm = evidence.rising <= 0.0 and _mean(list(cohort.losses)) <= evidence.level
        bad_since = cohort.end if calm else self.state.bad_since or cohort.start
        self.state = replace(self.state, evidence=evidence, bad_since=bad_since)
        if logs and max(logs) >= threshold:
            return self._exceeded(cohort, evidence, max(logs))
        self._recover(evidence)
        return None

    def _recover(self, evidence: EDetectorState) -> None:
        """Who does as well as at first again is held against the first baseline again."""
        first, baseline = self.state.first, self.state.baseline
        if first is None or baseline == first or evidence.labels < LEARNED_LABELS:
            return
        if evidence.losses / evidence.labels <= first.mean + self._rules.margin / 2:
            self.state = with_baseline(self.state, first, margin=self._rules.margin)

    def _exceeded(self, cohort: Cohort, evidence: EDetectorState, log_evidence: float) -> LossAlarm:
        """Say so, and learn a baseline of what follows: who is bad already is told of when it gets worse."""
        baseline, state = self.state.baseline, self.state
        assert baseline is not None, "evidence is against a baseline"
        newest = [loss for _, loss in state.recent[-5 * BLOCK_LABELS :]]
        self.state = replace(state, evidence=None, baseline=None, learned_labels=0, learned_losses=0.0)
        return LossAlarm(
            cohort_id=cohort.cohort_id,
            test="e_detector",
            asks_for=ROLLBACK,
            since=min(state.bad_since, cohort.start),
            before=baseline.mean,
            now=_mean(newest or list(cohort.losses)),
            labels=len(newest),
            baseline=baseline,
            level=evidence.level,
            log_evidence=log_evidence,
        )

    def _learn(self, cohort: Cohort) -> None:
        labels = self.state.learned_labels + len(cohort.losses)
        losses = self.state.learned_losses + math.fsum(cohort.losses)
        self.state = replace(self.state, learned_labels=labels, learned_losses=losses)
        if labels < LEARNED_LABELS:
            return
        learned = Baseline(mean=losses / labels, rows=labels, source=f"its first {labels:,} labels")
        first = self.state.first
        if first is not None:
            # After an alarm: what is as good as the first baseline again is held against that one.
            worse = Baseline(mean=learned.mean, rows=labels, source=f"{labels:,} labels after the last alarm")
            learned = worse if learned.mean > first.mean else first
        self.state = with_baseline(self.state, learned, margin=self._rules.margin)


def with_baseline(state: LossState, baseline: Baseline, *, margin: float) -> LossState:
    """Hold losses against this baseline from now on."""
    level = exceeded_level(baseline.mean, baseline.rows, margin=margin)
    return replace(
        state,
        first=state.first or baseline,
        baseline=baseline,
        evidence=EDetectorState(level=level),
        bad_since=0,
        learned_labels=0,
        learned_losses=0.0,
    )


def changed_at(losses: Sequence[float]) -> int:
    """Where the mean of a stretch most likely changed: the place at which its cumulated deviation is largest.

    At least `SIDE_MIN` losses lie on each side, if there are so many. After Pettitt (1980).

    >>> changed_at([0.0] * 200 + [1.0, 0.0] * 40)
    200
    """
    if len(losses) <= 2 * SIDE_MIN:
        return 0
    values = np.array(losses)
    deviation = np.cumsum(values - values.mean())[SIDE_MIN - 1 : -SIDE_MIN]
    return int(np.argmin(deviation)) + SIDE_MIN


def _mean(losses: list[float]) -> float:
    return math.fsum(losses) / len(losses)
