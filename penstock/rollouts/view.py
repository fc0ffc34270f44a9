"""A deployment as people want to see it: phase, shares against target, evidence, guardrails, what comes next.

Pure: a state, what was observed and the time come in; plain values for JSON and for a screen go out.
Shares are from 0 to 1, times left in seconds.
"""

import math
from collections.abc import Mapping

from schemas.events import Candidate, DeploymentState, Rollout, ServedVersion
from streams.rollout.allocation import BUCKETS, size
from streams.rollout.due import labels_of, leans_to_worse, on_trial, threshold
from streams.rollout.evidence import interval
from streams.rollout.phases import ENDED, Phase, legal_for_people

View = dict[str, object]
_LOG_E_VALUE_MAX = 700.0


def view_of(state: DeploymentState, now: int, *, observed: Mapping[str, int] | None = None) -> View:
    """What is to be seen; `observed` counts rows that each version was asked to score of late."""
    rollout = state.rollout
    return {
        "model": state.model,
        "generation": state.generation,
        "revision": state.revision,
        "frozen_by": state.frozen_by,
        "cool_down_left_s": _left_s(state.cool_down_until, now) or None,
        "previous_version": state.previous_version,
        "versions": [_served(served, observed or {}) for served in state.versions],
        "overrides": [{"kind": each.kind, "value": each.value, "version": each.version} for each in state.overrides],
        "withdrawn": [
            {"version": each.version, "state": each.state, "reason": each.reason} for each in state.withdrawn
        ],
        "shadows": [{"version": each.version, "share": each.share / BUCKETS} for each in state.shadows],
        "rollout": None if rollout is None else _rollout(rollout, now),
    }


def _served(served: ServedVersion, observed: Mapping[str, int]) -> View:
    rows = sum(observed.values())
    return {
        "version": served.version,
        "arm": served.arm,
        "target": size(served.buckets) / BUCKETS,
        "observed": observed.get(served.version, 0) / rows if rows else None,
        "observed_rows": observed.get(served.version, 0),
    }


def _rollout(rollout: Rollout, now: int) -> View:
    ended = Phase(rollout.phase) in ENDED
    return {
        "id": rollout.rollout_id,
        "strategy": rollout.strategy,
        "phase": rollout.phase,
        "reason": rollout.reason,
        "started_by": rollout.started_by,
        "started_at": rollout.started_at,
        "phase_since": rollout.phase_since,
        "control": rollout.control or None,
        "candidates": [each.version for each in rollout.candidates],
        "legal": list(legal_for_people(Phase(rollout.phase))),
        "judged_by": rollout.rules.judged_by,
        "promotion": rollout.rules.promotion,
        "alpha": rollout.rules.alpha,
        "margin": rollout.rules.margin,
        "steps": [[share / BUCKETS for share in step.shares] for step in rollout.steps],
        "step": None if ended else _step(rollout, now),
        "evidence": [_evidence(rollout, each) for each in rollout.candidates],
        "guardrails": [
            {
                "version": candidate.version,
                "guardrail": each.guardrail,
                "value": each.value,
                "limit": each.limit,
                "breaches": sum(each.breaches),
                "readings": len(each.breaches),
                "breaches_min": rollout.rules.breaches_min,
            }
            for candidate in rollout.candidates
            for each in candidate.guardrails
        ],
        "faults": [{"kind": each.kind, "version": each.version, "reason": each.reason} for each in rollout.faults],
    }


def _step(rollout: Rollout, now: int) -> View:
    """Where the rollout stands; time runs on while it is Running only."""
    step, running = rollout.steps[rollout.step], rollout.phase == Phase.RUNNING
    stood_since = now if running else rollout.phase_since
    labels = min((each.step_labels for each in on_trial(rollout)), default=0)
    return {
        "number": rollout.step + 1,
        "of": len(rollout.steps),
        "time_left_s": _left_s(rollout.step_since + step.duration_ms, stood_since),
        "labels": labels,
        "labels_min": step.labels_min,
        "deadline_left_s": _left_s(rollout.step_since + rollout.rules.deadline_ms, stood_since) if running else None,
        "ends_in_s": None if rollout.ends_at is None else _left_s(rollout.ends_at, now),
        "waits_for": _waits_for(rollout, labels, now),
    }


def _waits_for(rollout: Rollout, labels: int, now: int) -> str:
    """What the next step, or the end, is waiting for, in words."""
    step = rollout.steps[rollout.step]
    if rollout.phase != Phase.RUNNING:
        return (
            f"a person: {', '.join(legal_for_people(Phase(rollout.phase)))}"
            if rollout.loaded_at
            else "a worker to load it"
        )
    missing = []
    if now < rollout.step_since + step.duration_ms:
        missing.append("time")
    if labels < step.labels_min:
        missing.append("labels")
    if rollout.rules.judged_by == "labels" and not missing:
        leaning = any(leans_to_worse(rollout, each) for each in on_trial(rollout))
        missing.append("evidence, which leans to worse" if leaning else "evidence")
    return " and ".join(missing) or "nothing"


def _evidence(rollout: Rollout, candidate: Candidate) -> View:
    evidence = candidate.evidence
    shown = interval(evidence, rollout.rules.alpha)
    return {
        "version": candidate.version,
        "verdict": candidate.verdict,
        "blocks": evidence.blocks,
        "labels": evidence.labels,
        "mean_loss": evidence.losses / evidence.labels if evidence.labels else None,
        "control_labels": evidence.control_labels,
        "control_mean_loss": evidence.control_losses / evidence.control_labels if evidence.control_labels else None,
        "difference": None if shown is None else shown.estimate,
        "interval": None if shown is None else [shown.low, shown.high],
        "e_worse": _e_value(evidence.log_worse),
        "e_ok": _e_value(evidence.log_ok),
        "e_needed": math.exp(threshold(rollout)),
        "progress_worse": _progress(evidence.log_worse, threshold(rollout)),
        "progress_ok": _progress(evidence.log_ok, threshold(rollout)),
        "labels_left": max(rollout.labels_max - labels_of(candidate), 0),
    }


def _progress(logarithm: float, needed: float) -> float:
    """How far on the way from nothing known (0) to the decision (1)."""
    return min(max(logarithm / needed, 0.0), 1.0)


def _e_value(logarithm: float) -> float:
    """As a number, which a float may be too small for: then the largest that is shown."""
    return math.exp(min(logarithm, _LOG_E_VALUE_MAX))


def _left_s(until: int, now: int) -> float:
    return max(until - now, 0) / 1_000
