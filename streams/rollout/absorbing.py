"""What an input adds to what is known of a rollout: labels to evidence, readings to guardrails, faults, loads.

Facts only; what follows from them is `automation.settle`'s. Inputs of an earlier generation than the
rollout's, of other versions or of shadows add nothing, and the reason says so.
"""

from dataclasses import dataclass, replace

import orjson

from schemas.events import Candidate, Cohort, DeploymentState, Rollout, RolloutFault, Signal, Stretch
from streams.rollout import evidence, guardrails
from streams.rollout.changes import ACTIVATION, CONTROL, OK, OPEN, WORSE
from streams.rollout.due import threshold
from streams.rollout.guardrails import Reading
from streams.rollout.inputs import ArmWindow, Window
from streams.rollout.phases import ENDED, Phase

_FAULTS = {"version_refused": "refused", "version_quarantined": "quarantined"}
LOADED = "version_loaded"
GUARDRAIL = "guardrail"


@dataclass(frozen=True, slots=True, kw_only=True)
class Absorbed:
    """The rollout with what the input added, None where it added nothing; and why."""

    rollout: Rollout | None
    reason: str


def absorb_cohort(state: DeploymentState, cohort: Cohort) -> Absorbed:
    """Matured labels of control, or of one candidate, into the evidence."""
    rollout = _open_rollout(state)
    if rollout is None or rollout.strategy == ACTIVATION:
        return _nothing("no rollout is under way")
    if cohort.role != "live":
        return _nothing(f"the cohort is of role {cohort.role}")
    if cohort.generation < rollout.generation_first:
        return _nothing(f"generation {cohort.generation} was before the rollout")
    if cohort.labeled == 0 or cohort.labeled < rollout.rules.coverage_min * cohort.predicted:
        return _nothing(
            f"{cohort.labeled:,} of {cohort.predicted:,} predictions have labels, "
            f"and {rollout.rules.coverage_min:.0%} are needed"
        )
    control = (cohort.version, cohort.arm) == (rollout.control, CONTROL)
    touched = [
        each.version
        for each in rollout.candidates
        if each.verdict != WORSE and (control or (cohort.version, cohort.arm) == (each.version, each.arm))
    ]
    if not touched:
        return _nothing(f"version {cohort.version} in arm {cohort.arm} is not on trial")
    candidates = tuple(
        _with_labels(rollout, each, cohort, control=control) if each.version in touched else each
        for each in rollout.candidates
    )
    arm = "control" if control else f"version {cohort.version}"
    return Absorbed(
        rollout=replace(rollout, candidates=candidates), reason=f"{cohort.labeled:,} matured labels of {arm}"
    )


def absorb_signal(state: DeploymentState, signal: Signal) -> Absorbed:
    """That a worker has loaded, refused or quarantined what the deployment names, or a guardrail's reading."""
    rollout, details = _open_rollout(state), _details(signal)
    if rollout is None:
        return _nothing("no rollout is under way")
    if details.get("role", "live") != "live" or details.get("generation") != state.generation:
        return _nothing(f"the signal is not about live scoring in the present generation, {state.generation}")
    if signal.kind == LOADED:
        return _loaded(rollout, signal)
    version = str(details.get("version"))
    reading = _reading(details) if signal.kind == GUARDRAIL else None
    if version not in _on_trial(rollout) or (reading is None and signal.kind not in _FAULTS):
        return _nothing(f"a signal of kind {signal.kind} about version {version} says nothing of the rollout")
    if reading is not None:
        return Absorbed(rollout=_with_readings(rollout, version, [reading]), reason=signal.message)
    fault = RolloutFault(kind=_FAULTS[signal.kind], version=version, reason=signal.message)
    return Absorbed(rollout=replace(rollout, faults=(fault,)), reason=signal.message)


def absorb_window(state: DeploymentState, window: Window) -> Absorbed:
    """The readings of a window's guardrails."""
    rollout = _open_rollout(state)
    if rollout is None or rollout.strategy == ACTIVATION:
        return _nothing("no rollout is under way")
    if window.generation < rollout.generation_first or window.version not in _on_trial(rollout):
        return _nothing(f"version {window.version} of generation {window.generation} is not on trial")
    readings = readings_of(window, {each.guardrail: each.limit for each in rollout.rules.limits})
    words = ", ".join(f"{each.guardrail} {each.value:.4g} of {each.limit:g}" for each in readings)
    return Absorbed(rollout=_with_readings(rollout, window.version, readings), reason=words)


def readings_of(window: Window, limits: dict[str, float]) -> list[Reading]:
    """What a window says to each guardrail that has a limit."""
    mine, control = window.candidate, window.control
    values = {
        "dead_letter_share": _share(mine.rejected, mine.rows) - _share(control.rejected, control.rows),
        "not_finite_share": _share(mine.not_finite, mine.rows),
        "row_us": _share(mine.duration_us, mine.rows),
        "score_shift": score_shift(mine, control),
    }
    return [
        Reading(guardrail=name, value=round(value, evidence.DECIMALS), limit=limits[name])
        for name, value in values.items()
        if name in limits
    ]


def score_shift(mine: ArmWindow, control: ArmWindow) -> float:
    """How far the quantiles of the score lie apart on average, in units of control's spread.

    The spread is from control's lowest to its highest quantile. A score that does not vary at all
    has no such unit, and 0 is answered while either arm has no scores.
    """
    if not mine.score_rows or not control.score_rows:
        return 0.0
    ours = [total / mine.score_rows for total in mine.score_quantiles]
    theirs = [total / control.score_rows for total in control.score_quantiles]
    spread = max(theirs) - min(theirs)
    if spread <= 0.0:
        return 0.0
    return sum(abs(one - other) for one, other in zip(ours, theirs, strict=True)) / len(theirs) / spread


def _with_labels(rollout: Rollout, candidate: Candidate, cohort: Cohort, *, control: bool) -> Candidate:
    labels, losses = len(cohort.losses), sum(cohort.losses)
    stretch = Stretch(
        start=cohort.start,
        end=cohort.end,
        labels=0 if control else labels,
        losses=0.0 if control else losses,
        control_labels=labels if control else 0,
        control_losses=losses if control else 0.0,
        source=f"{_partition(cohort)}@{cohort.generation}",
    )
    found = evidence.observe(
        candidate.evidence,
        stretch,
        margin=rollout.rules.margin,
        block_labels_min=rollout.rules.block_labels_min,
    )
    counted = 0 if control or cohort.generation < rollout.step_generation else labels
    shown = candidate.verdict == OPEN and found.log_ok >= threshold(rollout)
    return replace(
        candidate,
        evidence=found,
        step_labels=candidate.step_labels + counted,
        verdict=OK if shown else candidate.verdict,
    )


def _partition(cohort: Cohort) -> str:
    """The partition whose predictions these are: ids end with it, and with what the cohort was split into.

    A partition closes a stretch for all arms at once, so its cohorts of one stretch come together.
    """
    return cohort.cohort_id.rsplit(":", 1)[-1].split(".")[0]


def _with_readings(rollout: Rollout, version: str, readings: list[Reading]) -> Rollout:
    def read(candidate: Candidate) -> Candidate:
        for reading in readings:
            candidate = guardrails.observe(candidate, reading, rollout.rules)
        return candidate

    return replace(
        rollout, candidates=tuple(read(each) if each.version == version else each for each in rollout.candidates)
    )


def _loaded(rollout: Rollout, signal: Signal) -> Absorbed:
    if rollout.loaded_at is not None:
        return _nothing("a worker had loaded it before")
    return Absorbed(rollout=replace(rollout, loaded_at=signal.raised_at), reason=signal.message)


def _open_rollout(state: DeploymentState) -> Rollout | None:
    rollout = state.rollout
    return None if rollout is None or Phase(rollout.phase) in ENDED else rollout


def _details(signal: Signal) -> dict[str, object]:
    """The signal's evidence; of what is no JSON object nothing."""
    try:
        found = orjson.loads(signal.evidence)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _reading(details: dict[str, object]) -> Reading | None:
    """The reading in a guardrail's evidence, None where it lacks something."""
    guardrail, value, limit = details.get("guardrail"), details.get("value"), details.get("limit")
    if not isinstance(guardrail, str) or not isinstance(value, int | float) or not isinstance(limit, int | float):
        return None
    return Reading(guardrail=guardrail, value=float(value), limit=float(limit))


def _on_trial(rollout: Rollout) -> frozenset[str]:
    return frozenset(each.version for each in rollout.candidates if each.verdict != WORSE)


def _share(part: int, whole: int) -> float:
    return part / whole if whole else 0.0


def _nothing(why: str) -> Absorbed:
    return Absorbed(rollout=None, reason=why)
