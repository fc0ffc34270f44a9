"""What is due in a rollout: its state and a time come in, the next act and its grounds in words go out.

The order is the order of importance: what harms comes first, and what would widen comes last.
"""

import math
from dataclasses import dataclass

from schemas.events import Candidate, DeploymentState, Rollout
from streams.rollout.allocation import BUCKETS
from streams.rollout.changes import ACTIVATION, OK, OPEN, WORSE
from streams.rollout.evidence import log_threshold
from streams.rollout.guardrails import breach
from streams.rollout.phases import ENDED, Phase, Trigger, after

SPEAKING_BLOCKS = 2
"""The first block has nothing before it that could be bet on: evidence can speak from the second on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Due:
    """What is to be done next, about which candidate, and why."""

    trigger: Trigger
    reason: str
    version: str | None = None


def in_progress(state: DeploymentState | None) -> Rollout | None:
    """The rollout that is under way; an activation is none, since another may follow it at once."""
    rollout = state.rollout if state else None
    if rollout is None or rollout.strategy == ACTIVATION or Phase(rollout.phase) in ENDED:
        return None
    return rollout


def due(rollout: Rollout, now: int) -> Due | None:
    """The next thing that the rollout's own state and time ask for, if the table has it in this phase."""
    phase = Phase(rollout.phase)
    if phase in ENDED:
        return None
    found = _fault(rollout) or _guardrail(rollout) or _worse(rollout) or _loaded(rollout)
    if found is None and phase is Phase.RUNNING:
        found = _ab_end(rollout, now) if rollout.strategy == "ab" else _next_step(rollout, now)
        found = found or _undecided(rollout, now)
    return found if found is not None and after(phase, found.trigger) is not None else None


def threshold(rollout: Rollout) -> float:
    """What a log e-value of the rollout must reach."""
    return log_threshold(rollout.rules.alpha, len(rollout.candidates))


def leans_to_worse(rollout: Rollout, candidate: Candidate) -> bool:
    """Whether evidence is half of the way (in logarithms) to "worse": then nothing is widened."""
    return candidate.evidence.log_worse >= threshold(rollout) / 2


def labels_of(candidate: Candidate) -> int:
    """Labels of both arms that were judged."""
    return candidate.evidence.labels + candidate.evidence.control_labels


def on_trial(rollout: Rollout) -> tuple[Candidate, ...]:
    """Candidates that have not been found worse."""
    return tuple(each for each in rollout.candidates if each.verdict != WORSE)


def _fault(rollout: Rollout) -> Due | None:
    for fault in rollout.faults:
        words = f"version {fault.version} was {fault.kind} by a worker: {fault.reason}"
        return Due(trigger=Trigger(fault.kind), reason=words, version=fault.version)
    return None


def _guardrail(rollout: Rollout) -> Due | None:
    for candidate in on_trial(rollout):
        words = breach(candidate, rollout.rules)
        if words:
            return _against(rollout, candidate, Trigger.GUARDRAIL, words)
    return None


def _worse(rollout: Rollout) -> Due | None:
    if rollout.rules.judged_by != "labels":
        return None
    for candidate in on_trial(rollout):
        if candidate.evidence.log_worse >= threshold(rollout):
            words = (
                f"version {candidate.version} is worse than {rollout.control}: {_rates(candidate)}, "
                f"e-value {_e_value(candidate.evidence.log_worse)} of {_e_value(threshold(rollout))} needed"
            )
            return _against(rollout, candidate, Trigger.WORSE, words)
    return None


def _against(rollout: Rollout, candidate: Candidate, trigger: Trigger, words: str) -> Due:
    """Where other candidates are left, only this one goes."""
    if len(on_trial(rollout)) > 1:
        return Due(trigger=Trigger.DROP, reason=words, version=candidate.version)
    return Due(trigger=trigger, reason=words, version=candidate.version)


def _loaded(rollout: Rollout) -> Due | None:
    if rollout.loaded_at is None or Phase(rollout.phase) is not Phase.PENDING:
        return None
    return Due(trigger=Trigger.LOADED, reason="a worker has loaded and warmed every version")


def _next_step(rollout: Rollout, now: int) -> Due | None:
    candidate = _only(rollout)
    if rollout.strategy == ACTIVATION:
        return Due(trigger=Trigger.SUCCEED, reason=f"version {candidate.version} serves", version=candidate.version)
    return _onward(rollout, candidate) if _reached(rollout, candidate, now) else None


def _reached(rollout: Rollout, candidate: Candidate, now: int) -> bool:
    """Whether time and labels of the step are reached and evidence allows what comes next."""
    step = rollout.steps[rollout.step]
    if now - rollout.step_since < step.duration_ms or candidate.step_labels < step.labels_min:
        return False
    if rollout.rules.judged_by != "labels":
        return True
    if step.labels_min and candidate.evidence.blocks < SPEAKING_BLOCKS:
        return False
    return not leans_to_worse(rollout, candidate) and (candidate.verdict == OK or not _is_last(rollout))


def _onward(rollout: Rollout, candidate: Candidate) -> Due:
    """The next step, or the end; where the next thing is everything, a person may have kept the word."""
    everything = _is_last(rollout) or rollout.steps[rollout.step + 1].shares[0] == BUCKETS
    version, grounds = candidate.version, _grounds(rollout, candidate)
    if everything and rollout.rules.promotion == "manual":
        words = f"version {version} is ready: {grounds}; waits for `penstock rollout promote`"
        return Due(trigger=Trigger.HOLD, reason=words, version=version)
    if _is_last(rollout):
        return Due(trigger=Trigger.SUCCEED, reason=f"version {version} serves: {grounds}", version=version)
    share = rollout.steps[rollout.step + 1].shares[0] * 100 / BUCKETS
    return Due(trigger=Trigger.WIDEN, reason=f"version {version} goes to {share:g} %: {grounds}", version=version)


def _is_last(rollout: Rollout) -> bool:
    return rollout.step == len(rollout.steps) - 1


def _ab_end(rollout: Rollout, now: int) -> Due | None:
    """By date, or when nothing more is to be learnt of any candidate."""
    ended = rollout.ends_at is not None and now >= rollout.ends_at
    spent = all(each.verdict == OK or labels_of(each) >= rollout.labels_max for each in on_trial(rollout))
    if not ended and (now - rollout.step_since < rollout.steps[0].duration_ms or not spent):
        return None
    good = [each for each in on_trial(rollout) if each.verdict == OK]
    if not good:
        words = "the end of the comparison has come" if ended else f"{rollout.labels_max:,} labels have come"
        return Due(trigger=Trigger.UNDECIDED, reason=f"{words}, and no candidate is shown to be better")
    winner = min(good, key=lambda each: (each.evidence.difference / each.evidence.weight, each.version))
    words = f"version {winner.version} wins: {_grounds(rollout, winner)}"
    if rollout.rules.promotion == "manual":
        return Due(
            trigger=Trigger.HOLD, reason=f"{words}; waits for `penstock rollout promote`", version=winner.version
        )
    return Due(trigger=Trigger.SUCCEED, reason=words, version=winner.version)


def _undecided(rollout: Rollout, now: int) -> Due | None:
    if rollout.rules.judged_by == "labels" and rollout.strategy != "ab":
        candidate = _only(rollout)
        if candidate.verdict == OPEN and labels_of(candidate) >= rollout.labels_max:
            words = f"{labels_of(candidate):,} labels decided nothing: {_rates(candidate)}"
            return Due(trigger=Trigger.UNDECIDED, reason=words)
    if rollout.ends_at is not None or now - rollout.step_since < rollout.rules.deadline_ms:
        return None
    return Due(trigger=Trigger.UNDECIDED, reason=f"the step's deadline has passed: {_lacking(rollout)}")


def _lacking(rollout: Rollout) -> str:
    """What a step that came to its deadline was waiting for."""
    step = rollout.steps[rollout.step]
    least = min(on_trial(rollout), key=lambda each: each.step_labels)
    if least.step_labels < step.labels_min:
        return f"version {least.version} has {least.step_labels:,} matured labels of {step.labels_min:,} needed"
    leaning = [each for each in on_trial(rollout) if leans_to_worse(rollout, each)]
    if leaning:
        return f"evidence leans to version {leaning[0].version} being worse: {_rates(leaning[0])}"
    return f"evidence does not suffice yet: {_rates(least)}"


def _only(rollout: Rollout) -> Candidate:
    (candidate,) = rollout.candidates
    return candidate


def _grounds(rollout: Rollout, candidate: Candidate) -> str:
    """On what a good word rests."""
    if rollout.rules.judged_by != "labels":
        return "its time is over and guardrails hold"
    if candidate.verdict == OK:
        better = "better" if rollout.rules.margin == 0.0 else f"no worse than the margin of {rollout.rules.margin:g}"
        return f"{better} by e-value {_e_value(candidate.evidence.log_ok)}, {_rates(candidate)}"
    return f"{candidate.step_labels:,} labels in this step and nothing that speaks against it"


def _rates(candidate: Candidate) -> str:
    evidence = candidate.evidence
    mine, control = evidence.losses / max(evidence.labels, 1), evidence.control_losses / max(evidence.control_labels, 1)
    return f"mean loss {mine:.4g} of {evidence.labels:,} labels, control {control:.4g} of {evidence.control_labels:,}"


def _e_value(logarithm: float) -> str:
    """E-values grow beyond what a float holds.

    >>> _e_value(3.0), _e_value(2_000.0)
    ('20.1', '1e+868')
    """
    return f"{math.exp(logarithm):.3g}" if logarithm < 20.0 else f"1e+{int(logarithm / math.log(10))}"
