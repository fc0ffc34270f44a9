"""The rollout decision: (state, input, now) -> what changes and what is said of it.

Pure: no client, clock, thread, environment or randomness. The same inputs always give the same
state, byte for byte, which is what makes the journal replayable.
"""

import zlib
from collections.abc import Callable, Mapping
from dataclasses import replace

from schemas.events import AcceptedLoss, DeploymentState, RolloutStep, StandbyVersion
from streams.rollout import people, restraints
from streams.rollout.absorbing import Absorbed, absorb_cohort, absorb_signal, absorb_window
from streams.rollout.acting import act_on, retrain
from streams.rollout.allocation import BUCKETS
from streams.rollout.approving import approve, reject
from streams.rollout.automation import settle
from streams.rollout.changes import ACTIVATION, CONTROLLER, LIVE, candidate_of, live, new_rollout
from streams.rollout.due import in_progress
from streams.rollout.inputs import (
    CohortInput,
    CommandInput,
    Input,
    SignalInput,
    TallyInput,
    TimeInput,
    WindowInput,
)
from streams.rollout.shadowing import is_of_shadow, shadow_failed, shadow_start, shadow_stop
from streams.rollout.standings import with_tally
from streams.rollout.verdicts import Decision, Origin, Outcome, accepted, refused
from streams.rollout.versions import automatic_objection, objection
from streams.rollout.withdrawing import bar, retire, unbar

_Event = CohortInput | SignalInput | WindowInput | TallyInput | TimeInput


def decide(state: DeploymentState | None, event: Input, now: int) -> Decision:
    """Decide on one input about one model.

    A state that changes counts one revision more, names the input and the time. Refusals say the
    remedy; what does not concern the model's rollout is ignored, and the reason says why.
    """
    decision = _on_command(state, event, now) if isinstance(event, CommandInput) else _on_event(state, event, now)
    if decision.state is None or decision.state == state:
        return replace(decision, state=state)
    revision = (state.revision if state else 0) + 1
    stamped = replace(decision.state, revision=revision, command_id=event.id, decided_at=now)
    return replace(decision, state=stamped)


def _on_command(state: DeploymentState | None, asked: CommandInput, now: int) -> Decision:
    command = asked.command
    handler = _HANDLERS.get(command.action)
    if handler is None:
        return refused(state, f"action {command.action!r} is unknown; known are {', '.join(sorted(_HANDLERS))}")
    stale = _stale(state, command.arguments)
    if stale:
        return refused(state, stale)
    forbidden = people.outranked(state, command) or automatic_objection(asked)
    if forbidden:
        return refused(state, forbidden)
    return handler(state, asked, now)


def _on_event(state: DeploymentState | None, event: _Event, now: int) -> Decision:
    """What has nothing to do with a rollout first; else take in what the event says, then do what is due."""
    apart = None if state is None else _apart(state, event, Origin(input_id=event.id, issued_by=CONTROLLER, now=now))
    if apart is not None:
        return apart
    if state is None or state.rollout is None:
        return Decision(outcome="ignored", reason="no rollout is under way", state=state)
    absorbed = _absorbed(state, event)
    if absorbed.rollout is None and not isinstance(event, TimeInput):
        return Decision(outcome="ignored", reason=absorbed.reason, state=state)
    known = state if absorbed.rollout is None else replace(state, rollout=absorbed.rollout)
    settled = settle(known, Origin(input_id=event.id, issued_by=CONTROLLER, now=now))
    if settled.reasons:
        return Decision(outcome="acted", reason="; ".join(settled.reasons), state=settled.state, events=settled.events)
    outcome: Outcome = "ignored" if settled.state == state else "noted"
    return Decision(outcome=outcome, reason=absorbed.reason, state=settled.state)


def _apart(state: DeploymentState, event: _Event, origin: Origin) -> Decision | None:
    """Records of versions, alarms that automation may act on, shadows that failed; None for all others."""
    if isinstance(event, TallyInput):
        words = f"{event.tally.labels:,} matured labels of version {event.tally.version} for its record"
        return Decision(outcome="noted", reason=words, state=with_tally(state, event.tally))
    if isinstance(event, SignalInput) and event.rules is not None:
        return act_on(state, event.signal, event.rules, origin)
    if isinstance(event, SignalInput) and is_of_shadow(event.signal):
        return shadow_failed(state, event.signal, origin)
    return None


def _absorbed(state: DeploymentState, event: _Event) -> Absorbed:
    if isinstance(event, CohortInput):
        return absorb_cohort(state, event.cohort)
    if isinstance(event, SignalInput):
        return absorb_signal(state, event.signal)
    if isinstance(event, WindowInput):
        return absorb_window(state, event.window)
    return Absorbed(rollout=None, reason="nothing is due")


def _stale(state: DeploymentState | None, arguments: Mapping[str, str]) -> str:
    """Why a command that names the generation it was meant for is too late; empty when it is not."""
    meant, present = arguments.get("generation"), str(state.generation if state else 0)
    if meant is None or meant == present:
        return ""
    return f"it was meant for generation {meant}, and {present} is in force: look at the status and ask again"


def _activate(state: DeploymentState | None, asked: CommandInput, now: int) -> Decision:
    """Let a version serve all at once; workers swap when they have loaded it, and say so."""
    command = asked.command
    version = command.arguments.get("version", "")
    if not version:
        return refused(state, "activate needs the argument version")
    facts = asked.facts_of(version)
    against = objection(state, command.model, version, facts)
    if against:
        return refused(state, against)
    under_way = in_progress(state)
    if under_way is not None:
        return refused(
            state, f"a {under_way.strategy} of {command.model} is {under_way.phase}: promote or abort it first"
        )
    before = state.versions[0] if state is not None and state.versions else None
    if before is not None and before.version == version:
        return accepted(state, f"version {version} already serves")
    generation = state.generation + 1 if state else 1
    rollout = new_rollout(
        command.command_id,
        ACTIVATION,
        started_by=command.issued_by,
        now=now,
        generation=generation,
        control=before,
        candidates=[candidate_of(version, facts.bundle, arm=LIVE)],
        steps=(RolloutStep(shares=(BUCKETS,), duration_ms=0, labels_min=0),),
        rules=asked.defaults.rules,
    )
    after = DeploymentState(
        model=command.model,
        generation=generation,
        salt=zlib.crc32(command.command_id.encode()),
        versions=live(version, facts.bundle),
        previous_version=before.version if before else None,
        request_schema_id=facts.request_schema_id,
        prediction_schema_id=facts.prediction_schema_id,
        accepted_losses=state.accepted_losses if state else (),
        command_id=command.command_id,
        decided_at=now,
        withdrawn=state.withdrawn if state else (),
        standby=(StandbyVersion(version=before.version, bundle=before.bundle),) if before else (),
        rollout=rollout,
        frozen_by=state.frozen_by if state else None,
        cool_down_until=state.cool_down_until if state else 0,
        records=state.records if state else (),
        acts=state.acts if state else (),
        restraints=state.restraints if state else (),
        shadows=state.shadows if state else (),
    )
    origin = Origin(input_id=command.command_id, issued_by=command.issued_by, now=now)
    reason = f"activate by {command.issued_by}"
    previous = before.version if before else None
    events = [origin.event(command.model, "Activated", version=version, previous=previous, reason=reason)]
    if previous is not None:
        words = f"version {version} serves in its place"
        events.append(origin.event(command.model, "Superseded", version=previous, reason=words))
    return accepted(after, f"version {version} serves", *events)


def _accept_loss(state: DeploymentState | None, asked: CommandInput, now: int) -> Decision:
    command = asked.command
    if state is None:
        return refused(state, f"model {command.model} has no deployment whose records could be lost")
    try:
        loss = AcceptedLoss(
            topic=command.arguments["topic"],
            partition=int(command.arguments["partition"]),
            offset_next=int(command.arguments["offset_next"]),
        )
    except (KeyError, ValueError):
        return refused(state, "accept_loss needs the arguments topic, partition and offset_next, the last two integers")
    others = tuple(
        known for known in state.accepted_losses if (known.topic, known.partition) != (loss.topic, loss.partition)
    )
    after = replace(state, generation=state.generation + 1, accepted_losses=(*others, loss))
    where = f"{loss.topic} partition {loss.partition} before offset {loss.offset_next}"
    origin = Origin(input_id=command.command_id, issued_by=command.issued_by, now=now)
    reason = f"loss accepted in {where}"
    return accepted(after, reason, origin.event(command.model, "LossAccepted", reason=reason))


def _probe(state: DeploymentState | None, _asked: CommandInput, _now: int) -> Decision:
    return accepted(state, "the controller answers")


_Handler = Callable[[DeploymentState | None, CommandInput, int], Decision]
_HANDLERS: Mapping[str, _Handler] = {
    "activate": _activate,
    "accept_loss": _accept_loss,
    "bar": bar,
    "unbar": unbar,
    "retire": retire,
    "approve": approve,
    "reject": reject,
    "probe": _probe,
    "retrain": retrain,
    "shadow_start": shadow_start,
    "shadow_stop": shadow_stop,
    **people.HANDLERS,
    **restraints.HANDLERS,
}
