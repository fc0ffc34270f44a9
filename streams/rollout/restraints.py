"""What people say to automation: veto or silence a kind of act for a while, allow it again.

A state and a command come in, a decision goes out. A veto takes back what is asked for and not yet
answered, and turns further acts of the kind into words; a silence turns them into nothing.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace

import orjson

from schemas.alarms import ASKS_FOR, RETRAIN, ROLLBACK
from schemas.events import DeploymentState, Restraint
from schemas.issuers import is_automation
from streams.rollout.inputs import CommandInput
from streams.rollout.plan import PlanError, duration_of
from streams.rollout.verdicts import Decision, Origin, accepted, refused

VETO, SILENCE = "veto", "silence"
DURATION = "1d"
_EVENTS = {
    (RETRAIN, VETO): "RetrainVetoed",
    (ROLLBACK, VETO): "RollbackVetoed",
    (RETRAIN, SILENCE): "RetrainSilenced",
    (ROLLBACK, SILENCE): "RollbackSilenced",
}
_ALLOWED = {RETRAIN: "RetrainAllowed", ROLLBACK: "RollbackAllowed"}


def veto(state: DeploymentState | None, asked: CommandInput, now: int) -> Decision:
    """Take back what is open of a kind, and let automation only tell of it for a while."""
    return _restrain(state, asked, now, VETO)


def silence(state: DeploymentState | None, asked: CommandInput, now: int) -> Decision:
    """Let automation neither do a kind of act nor tell of it for a while."""
    return _restrain(state, asked, now, SILENCE)


def allow(state: DeploymentState | None, asked: CommandInput, now: int) -> Decision:
    """Lift a veto or a silence before its time."""
    command = asked.command
    kind, fault = _kind(state, asked)
    if state is None or fault:
        return refused(state, fault)
    restraint = restraint_on(state, kind, now)
    if restraint is None:
        return accepted(state, f"nothing restrains {kind} of {state.model}")
    words = f"{kind} is allowed again by {command.issued_by}"
    event = _origin(asked, now).event(state.model, _ALLOWED[kind], reason=_because(asked, words))
    return accepted(_without(state, kind), words, event)


def restraint_on(state: DeploymentState, kind: str, now: int) -> Restraint | None:
    """The veto or silence on a kind of act that holds now."""
    return next((each for each in state.restraints if each.kind == kind and now < each.until), None)


def _restrain(state: DeploymentState | None, asked: CommandInput, now: int, word: str) -> Decision:
    command = asked.command
    kind, fault = _kind(state, asked)
    if state is None or fault:
        return refused(state, fault)
    try:
        until = now + duration_of(command.arguments.get("for", DURATION), argument="for")
    except PlanError as error:
        return refused(state, str(error))
    restraint = Restraint(
        kind=kind, word=word, until=until, issued_by=command.issued_by, reason=command.arguments.get("reason", "")
    )
    words = f"{kind}: {word} by {command.issued_by} for {command.arguments.get('for', DURATION)}"
    event = _origin(asked, now).event(state.model, _EVENTS[kind, word], reason=_because(asked, words))
    told = replace(event, details=orjson.dumps({"until": until}).decode())
    held = _without(state, kind)
    return accepted(replace(held, restraints=(*held.restraints, restraint)), words, told)


def _kind(state: DeploymentState | None, asked: CommandInput) -> tuple[str, str]:
    """The kind that a command names, and what is wrong with the command; empty when nothing is."""
    command = asked.command
    kind = command.arguments.get("kind", "")
    if is_automation(command.issued_by):
        return kind, f"{command.issued_by} can't {command.action}: only a person may"
    if kind not in ASKS_FOR:
        return kind, f"{command.action} needs the argument kind: {' or '.join(ASKS_FOR)}"
    return kind, "" if state is not None else f"model {command.model} has no deployment that automation could act on"


def _without(state: DeploymentState, kind: str) -> DeploymentState:
    return replace(state, restraints=tuple(each for each in state.restraints if each.kind != kind))


def _because(asked: CommandInput, words: str) -> str:
    reason = asked.command.arguments.get("reason", "")
    return f"{words} ({reason})" if reason else words


def _origin(asked: CommandInput, now: int) -> Origin:
    return Origin(input_id=asked.command.command_id, issued_by=asked.command.issued_by, now=now)


HANDLERS: Mapping[str, Callable[[DeploymentState | None, CommandInput, int], Decision]] = {
    "veto": veto,
    "silence": silence,
    "allow": allow,
}
