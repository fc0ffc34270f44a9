"""Golden traces of the loss detectors: they fire at this label on these streams, and never on what gets better."""

from typing import get_args

import numpy as np
import pytest

from runtime.settings import LossDetectorName
from schemas.alarms import PERFORMANCE, RETRAIN, ROLLBACK
from schemas.events import Cohort
from streams.drift.detectors import DETECTORS, DetectorName
from streams.drift.e_detector import BLOCK_LABELS, EDetectorState, exceeded_level, log_threshold, observe
from streams.drift.loss_signals import loss_signal
from streams.drift.losses import Baseline, LossAlarm, LossRules, LossState, LossWatch, with_baseline

RULES = LossRules(rise="adwin", margin=0.02, labels_per_false_alarm=100_000, coverage_min=0.9)
HOUR_MS = 3_600_000
GOLDEN: tuple[tuple[DetectorName, int], ...] = (
    ("adwin", 3_071),
    ("fhddm", 3_066),
    ("hddm_a", 3_093),
    ("hddm_w", 3_089),
    ("kswin", 3_122),
    ("page_hinkley", 3_099),
    # These two are wrong before anything has happened.
    ("ddm", 39),
    ("eddm", 298),
)


def errors(rate: float, labels: int, *, seed: int) -> list[float]:
    return [float(drawn < rate) for drawn in np.random.default_rng(seed).random(labels)]


def cohorts(losses: list[float], *, size: int = 200, first: int = 0, predicted: int | None = None) -> list[Cohort]:
    """Hourly cohorts of so many labels each."""
    return [
        Cohort(
            model="m",
            cohort_id=f"m:1:live:live:{(first + index) * HOUR_MS}:0",
            version="1",
            arm="live",
            role="live",
            generation=1,
            start=(first + index) * HOUR_MS,
            end=(first + index + 1) * HOUR_MS,
            predicted=size if predicted is None else predicted,
            labeled=size,
            losses=tuple(losses[index * size : (index + 1) * size]),
            delay_ms_p95=0.0,
            closed_at=0,
        )
        for index in range(len(losses) // size)
    ]


def watch(rules: LossRules = RULES, baseline: Baseline | None = None) -> LossWatch:
    state = LossState()
    if baseline is not None:
        state = with_baseline(state, baseline, margin=rules.margin)
    return LossWatch(rules, DETECTORS[rules.rise], state=state)


def fed(of: LossWatch, closed: list[Cohort]) -> list[LossAlarm]:
    return [alarm for cohort in closed for alarm in of.observe(cohort)]


def first_detection(name: DetectorName, losses: list[float]) -> int | None:
    detector = DETECTORS[name]()
    return next((index for index, loss in enumerate(losses) if detector.observe(loss)), None)


@pytest.mark.parametrize("name,index", GOLDEN)
def test_a_rise_is_detected_at_this_label(name: DetectorName, index: int) -> None:
    """After 3,000 labels with .1 errors come 3,000 with .4."""
    losses = errors(0.1, 3_000, seed=1) + errors(0.4, 3_000, seed=2)

    assert first_detection(name, losses) == index


@pytest.mark.parametrize("name", sorted(DETECTORS))
def test_a_fall_is_good_news(name: DetectorName) -> None:
    """From .4 to .05: whatever a library calls its polarity, nobody is alarmed by what gets better."""
    detector = DETECTORS[name]()
    for loss in errors(0.4, 3_000, seed=5):
        detector.observe(loss)

    assert not any(detector.observe(loss) for loss in errors(0.05, 3_000, seed=6))


def test_settings_name_the_detectors_that_there_are() -> None:
    """All of them and no others."""
    assert sorted(DETECTORS) == sorted(get_args(LossDetectorName))


def test_the_e_detector_stays_within_its_budget() -> None:
    """At the level itself, with a budget of 100,000 labels, a million raise ten alarms at most."""
    losses, alarms = errors(0.12, 1_000_000, seed=3), 0
    state = EDetectorState(level=0.12)
    for start in range(0, len(losses), BLOCK_LABELS):
        state, (evidence,) = observe(state, losses[start : start + BLOCK_LABELS])
        if evidence >= log_threshold(100_000):
            state, alarms = EDetectorState(level=0.12), alarms + 1

    assert alarms <= 10


def test_calm_is_no_evidence() -> None:
    """Below the level nothing adds up, however long it lasts."""
    _, evidence = observe(EDetectorState(level=0.12), errors(0.1, 500_000, seed=4))

    assert max(evidence) < log_threshold(100_000)


@pytest.mark.parametrize("rate,block", [(0.15, 52), (0.2, 8), (0.3, 2)])
def test_the_e_detector_fires_in_this_block(rate: float, block: int) -> None:
    """After 5,000 labels at the baseline of .1, with a margin of .02; evidence forgets the calm before."""
    level = exceeded_level(0.1, 50_000, margin=0.02)
    state, before = observe(EDetectorState(level=level), errors(0.1, 5_000, seed=7))
    _, after = observe(state, errors(rate, 10_000, seed=8))
    threshold = log_threshold(100_000)

    assert max(before) < threshold
    assert next(index for index, each in enumerate(after) if each >= threshold) == block


def test_the_evidence_does_not_depend_on_how_losses_are_cut() -> None:
    """Waiting losses are of the next block."""
    losses = errors(0.3, 1_050, seed=9)
    at_once, _ = observe(EDetectorState(level=0.1), losses)
    bit_by_bit = EDetectorState(level=0.1)
    for loss in losses:
        bit_by_bit, _ = observe(bit_by_bit, [loss])

    assert bit_by_bit == at_once


def test_losses_that_rise_ask_for_a_retrain_and_then_for_a_better_version() -> None:
    """One signal of each kind, since when, and against what."""
    watching = watch(baseline=Baseline(mean=0.1, rows=10_000, source="the reference"))
    alarms = fed(watching, cohorts(errors(0.1, 4_000, seed=1) + errors(0.3, 4_000, seed=2)))
    signals = [loss_signal(alarm, model="m", version="1", rules=RULES, now=5) for alarm in alarms]

    assert [(alarm.test, alarm.asks_for) for alarm in alarms] == [("adwin", RETRAIN), ("e_detector", ROLLBACK)]
    assert [alarm.since // HOUR_MS for alarm in alarms] == [18, 20]
    assert [signal.kind for signal in signals] == [PERFORMANCE, PERFORMANCE]
    assert signals[0].signal_id == f"performance:adwin:{alarms[0].cohort_id}"
    assert "have risen" in signals[0].message
    assert "baseline 0.1 from the reference, margin 0.02" in signals[1].message


def test_losses_that_fall_or_stay_raise_nothing() -> None:
    """Good news are no alarm."""
    watching = watch(baseline=Baseline(mean=0.3, rows=10_000, source="the reference"))

    assert fed(watching, cohorts(errors(0.3, 4_000, seed=1) + errors(0.1, 4_000, seed=2))) == []


def test_a_version_without_a_baseline_learns_one() -> None:
    """From its first labels, which it says."""
    watching = watch()
    alarms = fed(watching, cohorts(errors(0.1, 4_000, seed=1) + errors(0.3, 4_000, seed=2)))
    baseline = alarms[-1].baseline

    assert baseline is not None
    assert baseline.source == "its first 2,000 labels"
    assert abs(baseline.mean - 0.1) < 0.02


def test_cohorts_that_came_before_or_lack_labels_tell_nothing() -> None:
    """A cohort counts once, and with enough of its labels."""
    watching = watch(baseline=Baseline(mean=0.1, rows=10_000, source="the reference"))
    closed = cohorts(errors(0.3, 4_000, seed=2))
    sparse = cohorts(errors(0.9, 4_000, seed=3), first=100, predicted=300)
    first = fed(watching, closed)

    assert first
    assert fed(watching, closed) == []
    assert fed(watching, sparse) == []


def test_a_watch_goes_on_from_what_is_kept() -> None:
    """Cut at any cohort and built again from its state, it raises the same alarms."""
    closed = cohorts(errors(0.1, 3_000, seed=1) + errors(0.3, 3_000, seed=2))
    baseline = Baseline(mean=0.1, rows=10_000, source="the reference")
    whole = fed(watch(baseline=baseline), closed)
    first = watch(baseline=baseline)
    alarms = fed(first, closed[:12])
    second = LossWatch(RULES, DETECTORS[RULES.rise], state=first.state)

    assert alarms + fed(second, closed[12:]) == whole
