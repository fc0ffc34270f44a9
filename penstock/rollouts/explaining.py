"""A decision in words: what it was made on, what was known, what it changed. Pure."""

from typing import cast

from penstock.rollouts.view import view_of
from schemas.events import DeploymentState, Rollout
from streams.rollout.allocation import BUCKETS, size
from streams.rollout.changes import ACTIVATION
from streams.rollout.due import threshold
from streams.rollout.inputs import CohortInput, CommandInput, Input, SignalInput, TallyInput, WindowInput
from streams.rollout.journal import Explanation


def told(found: Explanation) -> dict[str, object]:
    """The decision that was made again, field by field; of one that can't be, what the entry says."""
    entry = found.entry
    answer: dict[str, object] = {
        "model": entry.model,
        "decision": entry.sequence,
        "input": None if found.event is None else _input(found.event),
        "outcome": entry.outcome,
        "reason": entry.reason,
    }
    if found.decision is None:
        return answer
    answer["decided_again"] = {"outcome": found.decision.outcome, "reason": found.decision.reason}
    answer["events"] = [f"{each.kind} {each.version or ''}".strip() for each in found.decision.events]
    answer["before"] = _standing(found.before, entry.now)
    answer["after"] = _standing(found.decision.state, entry.now)
    return answer


def in_words(found: Explanation) -> dict[str, object]:
    """The same for people: a line for each thing."""
    answer = told(found)
    lines: dict[str, object] = {name: answer[name] for name in ("model", "decision", "input", "outcome", "reason")}
    if found.decision is None:
        return lines
    lines["before"] = _words(found.before)
    lines["after"] = _words(found.decision.state)
    lines |= _evidence(found.decision.state.rollout if found.decision.state else None)
    lines["events"] = ", ".join(str(event) for event in cast("list[str]", answer["events"])) or "none"
    return lines


def _evidence(rollout: Rollout | None) -> dict[str, object]:
    """What labels say of each candidate, with what is needed."""
    if rollout is None or rollout.strategy == ACTIVATION:
        return {}
    return {
        f"evidence of {each.version}": (
            f"{each.evidence.labels:,} labels with losses {each.evidence.losses:g} beside "
            f"{each.evidence.control_labels:,} with {each.evidence.control_losses:g} in {each.evidence.blocks} blocks: "
            f"log e-values {each.evidence.log_worse:.3f} for worse and {each.evidence.log_ok:.3f} for no worse, "
            f"{threshold(rollout):.3f} needed"
        )
        for each in rollout.candidates
    }


def _words(state: DeploymentState | None) -> str:
    if state is None:
        return "nothing"
    shares = ", ".join(f"version {each.version} {size(each.buckets) / 100:g} %" for each in state.versions)
    rollout = state.rollout
    phase = "" if rollout is None else f"; {rollout.strategy} {rollout.phase}, step {rollout.step + 1}"
    return f"generation {state.generation}: {shares or 'nothing serves'}{phase}"


def _input(event: Input) -> str:
    if isinstance(event, CommandInput):
        named = ", ".join(f"{name} {value}" for name, value in sorted(event.command.arguments.items()))
        return f"{event.command.issued_by} asked to {event.command.action}{f' ({named})' if named else ''}"
    if isinstance(event, CohortInput):
        cohort = event.cohort
        return (
            f"{cohort.labeled:,} matured labels of version {cohort.version} in arm {cohort.arm}, "
            f"mean loss {sum(cohort.losses) / max(len(cohort.losses), 1):.4g}"
        )
    if isinstance(event, SignalInput):
        return f"signal {event.signal.kind}: {event.signal.message}"
    if isinstance(event, WindowInput):
        window = event.window
        return f"{window.candidate.rows:,} rows of version {window.version} beside {window.control.rows:,} of control"
    if isinstance(event, TallyInput):
        return f"{event.tally.labels:,} matured labels of version {event.tally.version} for its record"
    return "time"


def _standing(state: DeploymentState | None, now: int) -> dict[str, object] | None:
    """Shares, phase and evidence, as the status shows them."""
    if state is None:
        return None
    view = view_of(state, now)
    rollout = view["rollout"]
    answer: dict[str, object] = {
        "generation": state.generation,
        "shares": {served.version: size(served.buckets) / BUCKETS for served in state.versions},
    }
    if isinstance(rollout, dict):
        answer |= {name: rollout[name] for name in ("strategy", "phase", "evidence", "guardrails")}
    return answer
