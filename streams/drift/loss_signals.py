"""Alarms of losses as signals: how bad, against what, since when, and what is asked for. Pure."""

import math

import orjson

from schemas.alarms import PERFORMANCE, ROLLBACK
from schemas.events import Signal
from streams.drift.losses import LossAlarm, LossRules
from streams.drift.signals import iso

_ASKS = {ROLLBACK: "a version that does better should serve"}


def loss_signal(alarm: LossAlarm, *, model: str, version: str, rules: LossRules, now: int) -> Signal:
    """The signal of an alarm, named by the cohort that raised it."""
    evidence: dict[str, object] = {
        "version": version,
        "since": iso(alarm.since),
        "asks_for": alarm.asks_for,
        "test": alarm.test,
        "before": round(alarm.before, 6),
        "now": round(alarm.now, 6),
        "labels": alarm.labels,
    }
    if alarm.baseline is not None and alarm.level is not None and alarm.log_evidence is not None:
        evidence |= {
            "baseline": round(alarm.baseline.mean, 6),
            "baseline_labels": alarm.baseline.rows,
            "baseline_source": alarm.baseline.source,
            "margin": rules.margin,
            "level": round(alarm.level, 6),
            "log10_evidence": round(alarm.log_evidence / math.log(10), 3),
            "labels_per_false_alarm": rules.labels_per_false_alarm,
        }
    return Signal(
        signal_id=f"{PERFORMANCE}:{alarm.test}:{alarm.cohort_id}",
        model=model,
        kind=PERFORMANCE,
        message=_message(alarm, model=model, version=version, rules=rules),
        evidence=orjson.dumps(evidence, option=orjson.OPT_SORT_KEYS).decode(),
        raised_at=now,
    )


def _message(alarm: LossAlarm, *, model: str, version: str, rules: LossRules) -> str:
    if alarm.baseline is None:
        return (
            f"losses of {model}, version {version}, have risen: mean {alarm.before:.3g} before, {alarm.now:.3g} over "
            f"{alarm.labels:,} labels since {iso(alarm.since)} ({alarm.test})"
        )
    return (
        f"losses of {model}, version {version}, are higher than they may be: mean {alarm.now:.3g} over the newest "
        f"{alarm.labels:,} labels, where {alarm.level:.3g} is allowed (baseline {alarm.baseline.mean:.3g} from "
        f"{alarm.baseline.source}, margin {rules.margin:g}), since {iso(alarm.since)}; {_ASKS[alarm.asks_for]}"
    )
