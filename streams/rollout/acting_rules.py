"""What holds for automation where it acts on drift and bad performance: modes, pauses, budgets. Values only."""

from dataclasses import dataclass

from schemas.alarms import RETRAIN

AUTO, NOTIFY, OFF = "auto", "notify", "off"
ON_DRIFT, ON_RISE, ON_BASELINE = "drift", "rise", "baseline"
"""Grounds of a retrain: rows that drift, losses that rise, losses above what the baseline and its margin allow."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KindRules:
    """Of one kind of act: `mode` is auto, notify or off; how long none follows it, and how many a day there are."""

    mode: str
    cool_down_ms: int
    per_day_max: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ActingRules:
    """What holds for automation, as the settings say.

    `record_labels_min`: labels that a version's record must have to count; `tally_labels_min`: labels
    that are added to it at once. `retrain_on`: the grounds that a retrain is asked for upon.
    """

    retrain: KindRules
    rollback: KindRules
    record_labels_min: int
    tally_labels_min: int
    retrain_on: tuple[str, ...] = (ON_DRIFT, ON_RISE, ON_BASELINE)

    def of(self, kind: str) -> KindRules:
        return self.retrain if kind == RETRAIN else self.rollback
