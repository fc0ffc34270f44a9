"""What people (and automation, where it may) ask of rollouts: start, pause, resume, promote, abort, roll back, freeze.

A state and a command come in, a decision goes out; what the table of phases does not have, and what
automation may not do, is refused with the remedy.
"""

import zlib
from collections.abc import Callable, Mapping
from dataclasses import replace

from schemas.events import Command, DeploymentState, Rollout, ServedVersion, StandbyVersion
from schemas.issuers import is_automation
from streams.rollout.automation import promoted_events, rolled_back_event
from streams.rollout.changes import (
    arm_name,
    barred,
    candidate_of,
    divided,
    fallen_back,
    finished,
    gone_back,
    moved,
    new_rollout,
    step_taken,
)
from streams.rollout.due import in_progress, on_trial
from streams.rollout.inputs import CommandInput, VersionFacts
from streams.rollout.phases import Phase, Trigger, after, legal_for_people
from streams.rollout.plan import Plan, PlanError, read_overrides, read_plan
from streams.rollout.verdicts import Decision, Origin, accepted, refused
from streams.rollout.versions import objection, told

_FOR_PEOPLE = frozenset({"pause", "resume", "step", "promote", "freeze", "unfreeze", "pin"})


def start(state: DeploymentState | None, asked: CommandInput, now: int) -> Decision:
    """Begin a rollout of the versions that the command names, beside the one that serves."""
    command = asked.command
    try:
        plan = read_plan(command.arguments, asked.defaults)
    except PlanError as error:
        return refused(state, str(error))
    under_way = in_progress(state)
    if under_way is not None:
        return refused(
            state,
            f"a {under_way.strategy} of version {','.join(each.version for each in under_way.candidates)} is "
            f"{under_way.phase}: one rollout of a model at a time; promote or abort it first",
        )
    control = _control(state)
    if state is None or control is None:
        return refused(state, f"no version of {command.model} serves yet: `penstock activate {command.model} VERSION`")
    obstacle = _obstacle(state, control, plan, asked, now)
    if obstacle:
        return refused(state, obstacle)
    after_start = _begun(state, control, plan, asked, now)
    shares = ", ".join(f"version {each.version} at {_percent(each)}" for each in after_start.versions[1:])
    reason = f"{plan.strategy} of {command.model} begins beside version {control.version}: {shares}"
    event = _origin(command, now).event(
        command.model, "RolloutStarted", version=",".join(plan.versions), previous=control.version, reason=reason
    )
    return accepted(after_start, reason, event)


def pause(state: DeploymentState | None, asked: CommandInput, now: int) -> Decision:
    return _on_phase(state, asked, now, Trigger.PAUSE, _paused)


def resume(state: DeploymentState | None, asked: CommandInput, now: int) -> Decision:
    return _on_phase(state, asked, now, Trigger.RESUME, _resumed)


def step(state: DeploymentState | None, asked: CommandInput, now: int) -> Decision:
    """Take the next step now, whatever time and labels say."""
    return _on_phase(state, asked, now, Trigger.STEP, _stepped)


def promote(state: DeploymentState | None, asked: CommandInput, now: int) -> Decision:
    """Give the candidate, or of several the one that the command names, everything now."""
    return _on_phase(state, asked, now, Trigger.PROMOTE, _promoted)


def abort(state: DeploymentState | None, asked: CommandInput, now: int) -> Decision:
    """End the rollout; control serves all."""
    return _on_phase(state, asked, now, Trigger.ABORT, _aborted)


def pin(state: DeploymentState | None, asked: CommandInput, now: int) -> Decision:
    """Say anew which entities go to a candidate whatever their bucket."""
    rollout = in_progress(state)
    if state is None or rollout is None:
        return refused(state, f"no rollout of {asked.command.model} is under way whose candidate could be pinned to")
    try:
        overrides = read_overrides(asked.command.arguments, tuple(each.version for each in on_trial(rollout)))
    except PlanError as error:
        return refused(state, str(error))
    pinned = replace(state, generation=state.generation + 1, overrides=overrides)
    reason = f"{len(overrides)} rule(s) pin entities to a candidate"
    return accepted(pinned, reason, _origin(asked.command, now).event(state.model, "Pinned", reason=reason))


def rollback(state: DeploymentState | None, asked: CommandInput, now: int) -> Decision:
    """Go back: to control while a rollout is under way, else to the version that served before."""
    if in_progress(state) is not None:
        return _on_phase(state, asked, now, Trigger.ROLLBACK, _aborted)
    target = _previous(state, asked)
    if state is None or target is None:
        return refused(
            state,
            f"there is no version of {asked.command.model} to go back to: `penstock activate` lets any that is "
            "validated serve",
        )
    withdrawn = state.withdrawal_of(target.version)
    if withdrawn is not None:
        return refused(state, f"version {target.version} of {state.model} {told(withdrawn)}")
    return _gone_back(state, target, asked, now)


def freeze(state: DeploymentState | None, asked: CommandInput, now: int) -> Decision:
    """Let automation only tell what it would do."""
    if state is None:
        return refused(state, f"model {asked.command.model} has no deployment to freeze")
    who = asked.command.issued_by
    if state.frozen_by is not None:
        return accepted(state, f"frozen by {state.frozen_by} already")
    reason = f"frozen by {who}: automation only tells"
    event = _origin(asked.command, now).event(state.model, "Frozen", reason=_because(asked.command, reason))
    return accepted(replace(state, frozen_by=who), reason, event)


def unfreeze(state: DeploymentState | None, asked: CommandInput, now: int) -> Decision:
    """Let automation act again; what is due by then is done within a second."""
    if state is None or state.frozen_by is None:
        return refused(state, f"model {asked.command.model} is not frozen")
    rollout = None if state.rollout is None else replace(state.rollout, advised=())
    reason = f"{asked.command.issued_by} has lifted the freeze by {state.frozen_by}"
    event = _origin(asked.command, now).event(state.model, "Unfrozen", reason=_because(asked.command, reason))
    return accepted(replace(state, frozen_by=None, rollout=rollout), reason, event)


def outranked(state: DeploymentState | None, command: Command) -> str:
    """Why automation may not do this now, empty when it may or when a person asks."""
    if not is_automation(command.issued_by):
        return ""
    if command.action in _FOR_PEOPLE:
        return f"{command.action} is for people, and {command.issued_by} is none"
    if state is None or command.action not in {"start", "activate", "abort", "rollback", "shadow_start"}:
        return ""
    if state.frozen_by is not None:
        return f"automation is frozen by {state.frozen_by}: `penstock rollout unfreeze {state.model}` lets it act"
    rollout = in_progress(state)
    if rollout is not None and not is_automation(rollout.started_by):
        return f"a {rollout.strategy} that {rollout.started_by} started is under way, and a person outranks automation"
    return ""


_Apply = Callable[[DeploymentState, Rollout, CommandInput, int], Decision]


def _on_phase(
    state: DeploymentState | None, asked: CommandInput, now: int, trigger: Trigger, apply: _Apply
) -> Decision:
    """Do it where the table has it, else say what can be done now."""
    rollout = in_progress(state)
    if state is None or rollout is None:
        return refused(
            state,
            f"no rollout of {asked.command.model} is under way: `penstock rollout start {asked.command.model} VERSION`",
        )
    if after(Phase(rollout.phase), trigger) is None:
        legal = ", ".join(legal_for_people(Phase(rollout.phase)))
        return refused(state, f"{trigger} is not legal while the rollout is {rollout.phase}; legal are: {legal}")
    return apply(state, rollout, asked, now)


def _paused(state: DeploymentState, rollout: Rollout, asked: CommandInput, now: int) -> Decision:
    reason = _because(asked.command, f"paused by {asked.command.issued_by}")
    waiting = replace(state, rollout=moved(rollout, Trigger.PAUSE, reason, now))
    return accepted(waiting, reason, _origin(asked.command, now).event(state.model, "Paused", reason=reason))


def _resumed(state: DeploymentState, rollout: Rollout, asked: CommandInput, now: int) -> Decision:
    """With a new deadline, and as many labels again before it is Inconclusive once more."""
    reason = _because(asked.command, f"resumed by {asked.command.issued_by}")
    inconclusive = rollout.phase == Phase.INCONCLUSIVE
    going = replace(
        moved(rollout, Trigger.RESUME, reason, now),
        step_since=now if inconclusive else rollout.step_since + now - rollout.phase_since,
        labels_max=rollout.labels_max + (rollout.rules.labels_max if inconclusive else 0),
        ends_at=None if rollout.ends_at is not None and rollout.ends_at <= now else rollout.ends_at,
    )
    event = _origin(asked.command, now).event(state.model, "Resumed", reason=reason)
    return accepted(replace(state, rollout=going), reason, event)


def _stepped(state: DeploymentState, rollout: Rollout, asked: CommandInput, now: int) -> Decision:
    if rollout.step == len(rollout.steps) - 1:
        return refused(state, f"step {rollout.step + 1} is the last one: promote gives the candidate everything")
    reason = _because(asked.command, f"step {rollout.step + 2} taken by {asked.command.issued_by}")
    ahead = step_taken(state, moved(rollout, Trigger.STEP, reason, now), now)
    names = ",".join(each.version for each in on_trial(rollout))
    event = _origin(asked.command, now).event(
        state.model, "Widened", version=names, previous=rollout.control, reason=reason
    )
    return accepted(ahead, reason, event)


def _promoted(state: DeploymentState, rollout: Rollout, asked: CommandInput, now: int) -> Decision:
    choices = tuple(each.version for each in on_trial(rollout))
    winner = asked.command.arguments.get("version", "") or (choices[0] if len(choices) == 1 else "")
    if winner not in choices:
        return refused(state, f"say which of the candidates {', '.join(choices)} is promoted, with its version")
    facts = objection(state, state.model, winner, asked.facts_of(winner))
    if facts:
        return refused(state, facts)
    reason = _because(asked.command, f"version {winner} promoted by {asked.command.issued_by}")
    done = finished(state, moved(rollout, Trigger.PROMOTE, reason, now), winner)
    return accepted(done, reason, *promoted_events(state.model, rollout, winner, reason, _origin(asked.command, now)))


def _aborted(state: DeploymentState, rollout: Rollout, asked: CommandInput, now: int) -> Decision:
    action, who = asked.command.action, asked.command.issued_by
    trigger = Trigger.ROLLBACK if action == "rollback" else Trigger.ABORT
    reason = _because(asked.command, f"version {rollout.control} serves all again: {action} by {who}")
    back = fallen_back(state, moved(rollout, trigger, reason, now))
    origin = _origin(asked.command, now)
    events = [rolled_back_event(state.model, rollout, reason, origin)]
    for version in _to_bar(asked.command, tuple(each.version for each in rollout.candidates)):
        back = barred(back, version, reason, issued_by=who, now=now)
        events.append(origin.event(state.model, "Barred", version=version, reason=reason))
    return accepted(back, reason, *events)


def _gone_back(state: DeploymentState, target: StandbyVersion, asked: CommandInput, now: int) -> Decision:
    """One record: every worker has the version loaded, or finds it in its cache."""
    command = asked.command
    left = tuple(served.version for served in state.versions)
    reason = _because(command, f"version {target.version} serves again: rollback by {command.issued_by}")
    back = gone_back(state, target, reason, now)
    origin = _origin(command, now)
    event = origin.event(
        state.model, "RolledBack", version=target.version, previous=",".join(left) or None, reason=reason
    )
    events = [event]
    for version in _to_bar(command, left):
        back = barred(back, version, reason, issued_by=command.issued_by, now=now)
        events.append(origin.event(state.model, "Barred", version=version, reason=reason))
    return accepted(back, reason, *events)


def _obstacle(state: DeploymentState, control: ServedVersion, plan: Plan, asked: CommandInput, now: int) -> str:
    """Why no rollout can begin now, with the remedy; empty when it can."""
    if now < state.cool_down_until:
        left_s = (state.cool_down_until - now + 999) // 1_000
        return (
            f"a rollback has just taken place, and no rollout begins for another {left_s} s; "
            "`penstock activate` by a person does not wait"
        )
    for version in plan.versions:
        if version == control.version:
            return f"version {version} of {state.model} already serves: a rollout needs another one"
        against = objection(state, state.model, version, asked.facts_of(version))
        if against:
            return against
    return ""


def _begun(
    state: DeploymentState, control: ServedVersion, plan: Plan, asked: CommandInput, now: int
) -> DeploymentState:
    command, generation = asked.command, state.generation + 1
    rollout = new_rollout(
        command.command_id,
        plan.strategy,
        started_by=command.issued_by,
        now=now,
        generation=generation,
        control=control,
        candidates=[
            candidate_of(version, asked.facts_of(version).bundle, arm=arm_name(index, len(plan.versions)))
            for index, version in enumerate(plan.versions)
        ],
        steps=plan.steps,
        rules=plan.rules,
        ends_at=plan.ends_at,
    )
    schemas = _newest(asked, (control.version, *plan.versions))
    return replace(
        state,
        generation=generation,
        salt=zlib.crc32(command.command_id.encode()),
        versions=divided(state, rollout, 0),
        request_schema_id=schemas.request_schema_id if schemas else state.request_schema_id,
        prediction_schema_id=schemas.prediction_schema_id if schemas else state.prediction_schema_id,
        overrides=plan.overrides,
        rollout=rollout,
    )


def _newest(asked: CommandInput, versions: tuple[str, ...]) -> VersionFacts | None:
    """The version registered last, whose schemas hold the features of all: schemas only grow."""
    known = [facts for version in versions if (facts := asked.facts_of(version)).state is not None]
    return max(known, key=lambda facts: facts.registered_at, default=None)


def _control(state: DeploymentState | None) -> ServedVersion | None:
    """The version that serves all; None where there is none."""
    return state.versions[0] if state is not None and len(state.versions) == 1 else None


def _previous(state: DeploymentState | None, asked: CommandInput) -> StandbyVersion | None:
    """The version to go back to, which has served before; the shelf is asked only where the state has no bundle."""
    if state is None or state.previous_version is None:
        return None
    version = state.previous_version
    facts = asked.facts_of(version)
    known = [each for each in state.standby if each.version == version]
    if not known and not objection(state, state.model, version, facts):
        known = [StandbyVersion(version=version, bundle=facts.bundle)]
    return known[0] if known else None


def _to_bar(command: Command, versions: tuple[str, ...]) -> tuple[str, ...]:
    """Those versions that the person says are at fault: all of them, or none."""
    return versions if command.arguments.get("bar") == "true" else ()


def _because(command: Command, words: str) -> str:
    reason = command.arguments.get("reason", "")
    return f"{words} ({reason})" if reason else words


def _percent(served: ServedVersion) -> str:
    return f"{sum(each.end - each.start for each in served.buckets) / 100:g} %"


def _origin(command: Command, now: int) -> Origin:
    return Origin(input_id=command.command_id, issued_by=command.issued_by, now=now)


HANDLERS: Mapping[str, Callable[[DeploymentState | None, CommandInput, int], Decision]] = {
    "start": start,
    "pause": pause,
    "resume": resume,
    "step": step,
    "promote": promote,
    "abort": abort,
    "pin": pin,
    "rollback": rollback,
    "freeze": freeze,
    "unfreeze": unfreeze,
}
