"""Watches one version: its profiles for drift, its cohorts for losses that rise or are too high.

Profiles and cohorts of requests that the version served come in, in the order of their topics;
signals go out. What came before is told by what it covers and tells nothing. Who feeds it the same
records in the same order gets the same signals, which is how it comes back after a restart.
"""

from dataclasses import dataclass

from registry.reference_profile import ReferenceProfile
from schemas.events import Cohort, Profile, Signal
from streams.drift.blocks import Block, block_of, joined
from streams.drift.detector import DetectorState, observe
from streams.drift.detectors import DETECTORS
from streams.drift.learning import learned_signal, learning_signal
from streams.drift.loss_signals import loss_signal
from streams.drift.losses import Baseline, LossRules, LossState, LossWatch, with_baseline
from streams.drift.references import drift_reference
from streams.drift.signals import drift_signal

OUT_OF_REFERENCE = "the reference, on rows that it had not seen"


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchRules:
    """What people ask for: one false alarm of drift in so many rows, and when losses are too high."""

    rows_per_false_alarm: int
    losses: LossRules


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchedVersion:
    """Which version it is, and its reference; `loss_scale`: the error that is a loss of 1 in cohorts, for numbers."""

    model: str
    version: str
    reference: ReferenceProfile
    loss_scale: float | None = None

    @property
    def baseline(self) -> Baseline | None:
        """Its loss on rows that it had not seen, on the scale of cohorts; None where that is not known."""
        loss = self.reference.loss
        if loss is None or not loss.rows:
            return None
        scaled = loss.mean if self.loss_scale is None else min(loss.mean * loss.scale / self.loss_scale, 1.0)
        return Baseline(mean=scaled, rows=loss.rows, source=OUT_OF_REFERENCE)


class VersionWatch:
    """One version's; `now` of the calls is when their signals are raised (ms)."""

    def __init__(self, watched: WatchedVersion, rules: WatchRules) -> None:
        self._watched = watched
        self._rules = rules
        self._reference = drift_reference(watched.reference)
        self._state = DetectorState(calibration=self._reference.calibration)
        self._covered = _Covered()
        self._pieces: list[Block] = []
        state = LossState()
        if watched.baseline is not None:
            state = with_baseline(state, watched.baseline, margin=rules.losses.margin)
        self._losses = LossWatch(rules.losses, DETECTORS[rules.losses.rise], state=state)
        self.blocks = 0

    @property
    def learning(self) -> bool:
        """Whether it only learns what is usual: the reference does not tell."""
        return self._state.calibration is None

    def observe_profile(self, profile: Profile, *, now: int) -> list[Signal]:
        """Take in rows; a signal when they complete a block that has drifted, or one that is told again, complete."""
        if not profile.profiled or not self._covered.extends(profile):
            return []
        piece = block_of(profile, self._reference.layout)
        if piece is None:
            return []
        said = []
        if self.learning and not self.blocks and not self._pieces:
            said.append(learning_signal(self._watched.model, self._watched.version, self._reference, now=now))
        self._pieces.append(piece)
        if sum(each.profiled for each in self._pieces) < self._reference.block_rows:
            return said
        block, self._pieces = joined(self._pieces), []
        return [*said, *self._observe_block(block, now)]

    def observe_cohort(self, cohort: Cohort, *, now: int) -> list[Signal]:
        """Take in matured losses."""
        model, version, rules = self._watched.model, self._watched.version, self._rules.losses
        alarms = self._losses.observe(cohort)
        return [loss_signal(alarm, model=model, version=version, rules=rules, now=now) for alarm in alarms]

    def _observe_block(self, block: Block, now: int) -> list[Signal]:
        self.blocks += 1
        learning, budget = self.learning, self._rules.rows_per_false_alarm
        self._state, alarm = observe(
            self._state, block, block_rows=self._reference.block_rows, rows_per_false_alarm=budget
        )
        model, version = self._watched.model, self._watched.version
        if learning and not self.learning:
            return [learned_signal(model, version, self._reference, now=now)]
        if alarm is None:
            return []
        return [
            drift_signal(alarm, self._reference, model=model, version=version, rows_per_false_alarm=budget, now=now)
        ]


class _Covered:
    """Up to where each partition's rows have been taken in, in one life of the cluster."""

    def __init__(self) -> None:
        self._cluster_id = ""
        self._until: dict[int, int] = {}

    def extends(self, profile: Profile) -> bool:
        """Whether the profile has rows that no earlier one had; from now on they were had."""
        if profile.cluster_id != self._cluster_id:
            self._cluster_id, self._until = profile.cluster_id, {}
        found = False
        for source in profile.sources:
            if source.offset_last > self._until.get(source.partition, -1):
                self._until[source.partition] = source.offset_last
                found = True
        return found
