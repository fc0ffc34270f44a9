"""What the controller does by itself: it carries out what is due, or, while a person has frozen it, only tells.

A state goes in, the state after everything that was due and the events that tell of it come out.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from schemas.events import DeploymentState, ModelEvent, Rollout
from streams.rollout.changes import (
    ACTIVATION,
    CONTROLLER,
    WORSE,
    barred,
    dropped,
    fallen_back,
    finished,
    moved,
    step_taken,
)
from streams.rollout.due import Due, due
from streams.rollout.phases import Trigger
from streams.rollout.verdicts import Origin

ACTS_MAX = 4
"""Loaded, then one act of consequence, is the most that one input leads to; beyond it something goes round."""
ADVISED_MAX = 100
_FAILING = frozenset({Trigger.REFUSED, Trigger.QUARANTINED, Trigger.GUARDRAIL, Trigger.WORSE})
_FOR_CAUSE = frozenset({Trigger.QUARANTINED, Trigger.GUARDRAIL, Trigger.WORSE})
Changed = tuple[DeploymentState, tuple[ModelEvent, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """The state after everything that was due, and the events that tell of it."""

    state: DeploymentState
    events: tuple[ModelEvent, ...] = ()
    reasons: tuple[str, ...] = ()


def settle(state: DeploymentState, origin: Origin) -> Settled:
    """Do what is due now, one thing after the other."""
    settled = Settled(state=state)
    for _ in range(ACTS_MAX):
        rollout = settled.state.rollout
        act = None if rollout is None else due(rollout, origin.now)
        if rollout is None or act is None:
            return settled
        if settled.state.frozen_by is not None and act.trigger is not Trigger.LOADED:
            return _advise(settled, rollout, act, origin)
        after_act, events = _ACTS.get(act.trigger, _fail)(settled.state, rollout, act, origin)
        settled = Settled(state=after_act, events=(*settled.events, *events), reasons=(*settled.reasons, act.reason))
    raise AssertionError(f"{state.model} is never settled: {settled.reasons}")


_Act = Callable[[DeploymentState, Rollout, Due, Origin], Changed]


def _load(state: DeploymentState, rollout: Rollout, act: Due, origin: Origin) -> Changed:
    """The first step's time runs from here: before it nobody was scored by the candidate."""
    running = replace(moved(rollout, Trigger.LOADED, act.reason, origin.now), step_since=origin.now)
    return replace(state, rollout=running), ()


def _widen(state: DeploymentState, rollout: Rollout, act: Due, origin: Origin) -> Changed:
    ahead = step_taken(state, moved(rollout, Trigger.WIDEN, act.reason, origin.now), origin.now)
    event = origin.event(state.model, "Widened", version=act.version, previous=rollout.control, reason=act.reason)
    return ahead, (event,)


def _drop(state: DeploymentState, rollout: Rollout, act: Due, origin: Origin) -> Changed:
    assert act.version is not None, act
    left = dropped(state, moved(rollout, Trigger.DROP, act.reason, origin.now), act.version)
    return _bar(left, act, origin, [_event(state, "CandidateDropped", rollout, act, origin)])


def _wait(state: DeploymentState, rollout: Rollout, act: Due, origin: Origin) -> Changed:
    """Hold, or undecided: nothing changes for scorers, and somebody has to be told."""
    waiting = moved(rollout, act.trigger, act.reason, origin.now)
    kind = "Paused" if act.trigger is Trigger.HOLD else "Inconclusive"
    return replace(state, rollout=waiting), (_event(state, kind, rollout, act, origin),)


def _succeed(state: DeploymentState, rollout: Rollout, act: Due, origin: Origin) -> Changed:
    done = moved(rollout, Trigger.SUCCEED, act.reason, origin.now)
    if rollout.strategy == ACTIVATION:
        return replace(state, rollout=done), ()
    assert act.version is not None, act
    return finished(state, done, act.version), promoted_events(state.model, rollout, act.version, act.reason, origin)


def _fail(state: DeploymentState, rollout: Rollout, act: Due, origin: Origin) -> Changed:
    """Back to control; what failed for cause is barred, and no rollout begins until things have cooled down."""
    assert act.trigger in _FAILING, act
    candidates = tuple(
        replace(each, verdict=WORSE) if each.version == act.version else each for each in rollout.candidates
    )
    failed = replace(moved(rollout, act.trigger, act.reason, origin.now), candidates=candidates)
    back = fallen_back(state, failed)
    if rollout.strategy == ACTIVATION:
        return back, (_event(state, "ActivationFailed", rollout, act, origin),)
    back = replace(back, cool_down_until=origin.now + rollout.rules.cool_down_ms)
    told = [rolled_back_event(state.model, rollout, act.reason, origin)]
    return _bar(back, act, origin, told) if act.trigger in _FOR_CAUSE else (back, tuple(told))


def _bar(state: DeploymentState, act: Due, origin: Origin, told: list[ModelEvent]) -> Changed:
    assert act.version is not None, act
    after_bar = barred(state, act.version, act.reason, issued_by=CONTROLLER, now=origin.now)
    return after_bar, (*told, origin.event(state.model, "Barred", version=act.version, reason=act.reason))


def promoted_events(model: str, rollout: Rollout, winner: str, reason: str, origin: Origin) -> tuple[ModelEvent, ...]:
    """That a candidate serves all now, and which version it has taken the place of."""
    promoted = origin.event(model, "Promoted", version=winner, previous=rollout.control or None, reason=reason)
    if not rollout.control:
        return (promoted,)
    words = f"version {winner} serves in its place"
    return promoted, origin.event(model, "Superseded", version=rollout.control, reason=words)


def rolled_back_event(model: str, rollout: Rollout, reason: str, origin: Origin) -> ModelEvent:
    """That control serves all again: `version` is what serves, `previous_version` what it was taken back from."""
    names = ",".join(each.version for each in rollout.candidates)
    return origin.event(model, "RolledBack", version=rollout.control or None, previous=names, reason=reason)


def _event(state: DeploymentState, kind: str, rollout: Rollout, act: Due, origin: Origin) -> ModelEvent:
    return origin.event(state.model, kind, version=act.version, previous=rollout.control or None, reason=act.reason)


def _advise(settled: Settled, rollout: Rollout, act: Due, origin: Origin) -> Settled:
    """Frozen: say once what would have been done."""
    key = f"{act.trigger}:{act.version or ''}:{rollout.step}"
    if key in rollout.advised:
        return settled
    words = f"frozen by {settled.state.frozen_by}, or it would {act.trigger}: {act.reason}"
    noted = replace(rollout, advised=(*rollout.advised, key)[-ADVISED_MAX:])
    event = origin.event(settled.state.model, "Advised", version=act.version, reason=words)
    return Settled(
        state=replace(settled.state, rollout=noted),
        events=(*settled.events, event),
        reasons=(*settled.reasons, words),
    )


_ACTS: Mapping[Trigger, _Act] = {
    Trigger.LOADED: _load,
    Trigger.WIDEN: _widen,
    Trigger.DROP: _drop,
    Trigger.HOLD: _wait,
    Trigger.UNDECIDED: _wait,
    Trigger.SUCCEED: _succeed,
}
