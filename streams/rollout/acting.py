"""What drift and bad performance lead to: a retrain is asked for, a version is taken back, or it is only told.

A deployment, a signal and the rules of that moment come in, a decision goes out. Automation does
not act again while an earlier act of the kind is fresh, and acts so many times a day at most. A
person's veto turns its acts into words, a person's silence into nothing.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import orjson

from schemas.alarms import DRIFT, RETRAIN, ROLLBACK
from schemas.events import ActOfAutomation, DeploymentState, ModelEvent, ServedVersion, Signal, StandbyVersion
from schemas.issuers import is_automation
from streams.rollout.acting_rules import NOTIFY, OFF, ON_BASELINE, ON_DRIFT, ON_RISE, ActingRules, KindRules
from streams.rollout.changes import barred, gone_back
from streams.rollout.due import in_progress
from streams.rollout.inputs import CommandInput
from streams.rollout.restraints import SILENCE, restraint_on
from streams.rollout.standings import does_better, mean, record_of
from streams.rollout.verdicts import Decision, Origin, accepted, refused

DAY_MS = 86_400_000
_ADVISED = {RETRAIN: "RetrainAdvised", ROLLBACK: "RollbackAdvised"}
_WOULD = {RETRAIN: "ask for a retrain", ROLLBACK: "go back to the version before"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """An act and its grounds. `since`: event time (ms) from which on the world is another one; None: not known.

    `upon`: which kind of grounds, for a retrain.
    """

    kind: str
    upon: str
    grounds: str
    since: int | None
    target: StandbyVersion | None = None


def act_on(state: DeploymentState, signal: Signal, rules: ActingRules, origin: Origin) -> Decision:
    """Decide on a signal of the monitor; what does not concern the version that serves is ignored."""
    serving, details = serving_version(state), _details(signal)
    if serving is None or details.get("version") != serving.version:
        words = f"the signal is about version {details.get('version')}, which does not serve"
        return Decision(outcome="ignored", reason=words, state=state)
    proposal = _proposal(state, serving, signal, details, rules)
    of_kind = rules.of(proposal.kind)
    held = _not_upon(proposal, rules) or _held(state, proposal.kind, of_kind, origin.now)
    if held:
        return Decision(outcome="noted", reason=f"{proposal.grounds}; {held}", state=state)
    only_told = _only_told(state, proposal.kind, of_kind, origin.now)
    if only_told:
        words = f"{only_told}, or it would {_WOULD[proposal.kind]}: {proposal.grounds}"
        event = origin.event(state.model, _ADVISED[proposal.kind], version=serving.version, reason=words)
        return Decision(outcome="acted", reason=words, state=state, events=(event,))
    counted = _counted(state, proposal.kind, origin.now)
    if proposal.target is not None:
        return _taken_back(counted, serving, proposal, proposal.target, of_kind, origin)
    event = retrain_event(state.model, serving.version, proposal.grounds, origin, since=proposal.since)
    return Decision(outcome="acted", reason=f"a retrain is asked for: {event.reason}", state=counted, events=(event,))


def retrain(state: DeploymentState | None, asked: CommandInput, now: int) -> Decision:
    """Ask for a retrain because somebody says so; a person is bound by no budget."""
    command, serving = asked.command, serving_version(state)
    if state is None or serving is None:
        return refused(
            state, f"no version of {command.model} serves that could be refitted: `penstock activate` lets one serve"
        )
    since = command.arguments.get("since")
    if since is not None and not since.lstrip("-").isdecimal():
        return refused(state, f"since has {since!r}: it is an event time in ms since the epoch")
    restraint = restraint_on(state, RETRAIN, now)
    if restraint is not None and is_automation(command.issued_by):
        return refused(state, f"retrain of {state.model} is under a {restraint.word} by {restraint.issued_by}")
    origin = Origin(input_id=command.command_id, issued_by=command.issued_by, now=now)
    reason = command.arguments.get("reason", "")
    words = f"retrain by {command.issued_by}{f' ({reason})' if reason else ''}"
    event = retrain_event(state.model, serving.version, words, origin, since=None if since is None else int(since))
    return accepted(_counted(state, RETRAIN, now), f"a retrain of version {serving.version} is asked for", event)


def serving_version(state: DeploymentState | None) -> ServedVersion | None:
    """The version that serves: of a rollout under way the one that is control."""
    if state is None or not state.versions:
        return None
    rollout = in_progress(state)
    if rollout is None:
        return state.versions[0]
    return next((each for each in state.versions if each.version == rollout.control), None)


def retrain_event(model: str, version: str, reason: str, origin: Origin, *, since: int | None) -> ModelEvent:
    """The request that the trainer answers; its id is the unique key of the version that is made for it."""
    event = origin.event(model, "RetrainRequested", version=version, reason=reason)
    return replace(event, details=orjson.dumps({"since": since}).decode())


def _proposal(
    state: DeploymentState, serving: ServedVersion, signal: Signal, details: dict[str, Any], rules: ActingRules
) -> Proposal:
    """What the signal asks for: a retrain, unless the version should not serve and the one before it does better."""
    since = _moment(details.get("since"))
    if signal.kind == DRIFT or details.get("asks_for") != ROLLBACK:
        upon = ON_DRIFT if signal.kind == DRIFT else ON_RISE
        return Proposal(kind=RETRAIN, upon=upon, grounds=signal.message, since=since)
    target, words = _better(state, serving, rules)
    grounds = f"{signal.message}; {words}"
    kind = RETRAIN if target is None else ROLLBACK
    return Proposal(kind=kind, upon=ON_BASELINE, grounds=grounds, since=since, target=target)


def _better(state: DeploymentState, serving: ServedVersion, rules: ActingRules) -> tuple[StandbyVersion | None, str]:
    """The version before the one that serves, if it does better by its own record; and what was found."""
    name = state.previous_version
    if in_progress(state) is not None:
        return None, "a rollout is under way, which decides by itself who serves"
    warm = next((each for each in state.standby if each.version == name), None)
    if warm is None:
        return None, "there is no version to go back to"
    withdrawn = state.withdrawal_of(warm.version)
    if withdrawn is not None:
        return None, f"version {warm.version} was {withdrawn.state} by {withdrawn.issued_by}"
    before, now = record_of(state, warm.version), record_of(state, serving.version)
    least = rules.record_labels_min
    if before is None or now is None or min(before.labels, now.labels) < least:
        return None, f"versions {warm.version} and {serving.version} do not both have a record of {least:,} labels"
    words = f"version {warm.version} had a mean loss of {mean(before):.4g}, {serving.version} has {mean(now):.4g}"
    return (warm if does_better(before, now) else None), words


def _not_upon(proposal: Proposal, rules: ActingRules) -> str:
    """Why these grounds lead to no retrain; empty when they do."""
    if proposal.kind != RETRAIN or proposal.upon in rules.retrain_on:
        return ""
    return f"acting.retrain_on leaves out {proposal.upon}"


def _held(state: DeploymentState, kind: str, rules: KindRules, now: int) -> str:
    """Why nothing is done and nothing is told; empty when nothing holds it back."""
    if rules.mode == OFF:
        return f"acting.{kind} is off"
    restraint = restraint_on(state, kind, now)
    if restraint is not None and restraint.word == SILENCE:
        return f"silenced by {restraint.issued_by}"
    acts = [act.at for act in state.acts if act.kind == kind]
    if acts and now - acts[-1] < rules.cool_down_ms:
        ago_s, least_s = (now - acts[-1]) // 1_000, rules.cool_down_ms // 1_000
        return f"the last {kind} was {ago_s:,} s ago, and {least_s:,} s must pass"
    if kind == ROLLBACK and now < state.cool_down_until:
        return "a rollback has just taken place"
    return ""


def _only_told(state: DeploymentState, kind: str, rules: KindRules, now: int) -> str:
    """Why it is only told; empty when it is done."""
    if state.frozen_by is not None:
        return f"frozen by {state.frozen_by}"
    restraint = restraint_on(state, kind, now)
    if restraint is not None:
        return f"vetoed by {restraint.issued_by}"
    if rules.mode == NOTIFY:
        return f"acting.{kind} is notify"
    today = sum(1 for act in state.acts if act.kind == kind and now - act.at < DAY_MS)
    if today >= rules.per_day_max:
        return f"{today} of {rules.per_day_max} a day are spent"
    return ""


def _counted(state: DeploymentState, kind: str, now: int) -> DeploymentState:
    """With the act noted; acts of the day before are forgotten, but for the newest of each kind."""
    newest = {act.kind: act for act in state.acts}
    kept = tuple(act for act in state.acts if now - act.at < DAY_MS or newest[act.kind] is act)
    return replace(state, acts=(*kept, ActOfAutomation(kind=kind, at=now)))


def _taken_back(
    state: DeploymentState,
    serving: ServedVersion,
    proposal: Proposal,
    target: StandbyVersion,
    rules: KindRules,
    origin: Origin,
) -> Decision:
    """The version before serves again, and the one that failed is barred until a person lifts it."""
    reason = f"version {target.version} serves again: {proposal.grounds}"
    back = gone_back(state, target, reason, origin.now)
    back = replace(back, cool_down_until=max(back.cool_down_until, origin.now + rules.cool_down_ms))
    back = barred(back, serving.version, proposal.grounds, issued_by=origin.issued_by, now=origin.now)
    events = (
        origin.event(state.model, "RolledBack", version=target.version, previous=serving.version, reason=reason),
        origin.event(state.model, "Barred", version=serving.version, reason=proposal.grounds),
    )
    return Decision(outcome="acted", reason=reason, state=back, events=events)


def _details(signal: Signal) -> dict[str, Any]:
    """The signal's evidence; of what is no JSON object nothing."""
    try:
        found = orjson.loads(signal.evidence)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _moment(found: object) -> int | None:
    """A moment in ISO 8601, as evidence has it, in ms.

    >>> _moment("2013-06-01T00:00:00Z"), _moment("soon"), _moment(None)
    (1370044800000, None, None)
    """
    if not isinstance(found, str):
        return None
    try:
        moment = datetime.fromisoformat(found)
    except ValueError:
        return None
    return None if moment.tzinfo is None else round(moment.timestamp() * 1_000)
