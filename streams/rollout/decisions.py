"""The rollout decision: (state, command, facts, now) -> what changes and what is said of it.

Pure: no client, clock, thread, environment or randomness. The same inputs always give the
same state, byte for byte, which is what makes the journal replayable.
"""

import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Literal

from schemas.events import (
    AcceptedLoss,
    BucketRange,
    Command,
    DeploymentState,
    ModelEvent,
    ServedVersion,
    WithdrawnVersion,
)
from schemas.issuers import is_automation
from streams.rollout.withdrawal import BARRED, RETIRED, reinstate, withdraw, without_versions

BUCKETS = 10_000
SERVABLE = frozenset({"validated", "approved"})


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionFacts:
    """What the shelf says of the version that a command names; `state` None: it has no such version.

    `failure`: why it can't serve, empty when nothing speaks against it.
    """

    state: str | None
    failure: str = ""
    bundle: str = ""
    request_schema_id: int = 0
    prediction_schema_id: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """The state after, whether the command was accepted, why, and the events that tell of it."""

    outcome: Literal["accepted", "refused"]
    reason: str
    state: DeploymentState | None
    events: tuple[ModelEvent, ...] = ()


def decide(state: DeploymentState | None, command: Command, facts: VersionFacts, now: int) -> Decision:
    """Decide one command for one model; a refusal leaves the state as it was and says the remedy."""
    handler = _HANDLERS.get(command.action)
    if handler is None:
        known = ", ".join(sorted(_HANDLERS))
        return _refuse(state, f"action {command.action!r} is unknown; known are {known}")
    return handler(state, command, facts, now)


def _activate(state: DeploymentState | None, command: Command, facts: VersionFacts, now: int) -> Decision:
    version = command.arguments.get("version", "")
    objection = _objection(state, command, facts)
    if objection:
        return _refuse(state, objection)
    serving = {served.version for served in state.versions} if state else set()
    if state is not None and serving == {version}:
        return Decision(outcome="accepted", reason=f"version {version} already serves", state=state)
    previous = next(iter(sorted(serving)), None)
    after = DeploymentState(
        model=command.model,
        generation=state.generation + 1 if state else 1,
        salt=zlib.crc32(command.command_id.encode()),
        versions=(
            ServedVersion(
                version=version, bundle=facts.bundle, arm="live", buckets=(BucketRange(start=0, end=BUCKETS),)
            ),
        ),
        previous_version=previous,
        request_schema_id=facts.request_schema_id,
        prediction_schema_id=facts.prediction_schema_id,
        accepted_losses=state.accepted_losses if state else (),
        command_id=command.command_id,
        decided_at=now,
        withdrawn=state.withdrawn if state else (),
    )
    activated = _event(command, kind="Activated", version=version, previous_version=previous, now=now)
    superseded = [_superseded(command, each, by=version, now=now) for each in sorted(serving - {version})]
    return Decision(
        outcome="accepted", reason=f"version {version} serves", state=after, events=(activated, *superseded)
    )


def _objection(state: DeploymentState | None, command: Command, facts: VersionFacts) -> str:
    """What speaks against letting a version serve, empty when nothing does."""
    version = command.arguments.get("version", "")
    if not version:
        return "activate needs the argument version"
    if facts.state is None:
        return f"model {command.model} has no version {version}; see `penstock models list`"
    withdrawn = state.withdrawal_of(version) if state else None
    if withdrawn is not None:
        return f"version {version} of {command.model} {_told(withdrawn)}"
    if facts.state not in SERVABLE:
        why = f": {facts.failure}" if facts.failure else ""
        return f"version {version} of {command.model} is {facts.state}, not validated{why}"
    return f"version {version} of {command.model} can't serve: {facts.failure}" if facts.failure else ""


def _bar(state: DeploymentState | None, command: Command, facts: VersionFacts, now: int) -> Decision:
    return _withdraw(state, command, facts, now, BARRED)


def _retire(state: DeploymentState | None, command: Command, facts: VersionFacts, now: int) -> Decision:
    return _withdraw(state, command, facts, now, RETIRED)


def _withdraw(state: DeploymentState | None, command: Command, facts: VersionFacts, now: int, into: str) -> Decision:
    version, reason = command.arguments.get("version", ""), command.arguments.get("reason", "")
    if not version or not reason:
        return _refuse(state, f"{command.action} needs the arguments version and reason")
    if facts.state is None:
        return _refuse(state, f"model {command.model} has no version {version}; see `penstock models list`")
    known = state.withdrawal_of(version) if state else None
    if known is not None and known.state in {into, RETIRED}:
        outcome: Literal["accepted", "refused"] = "accepted" if known.state == into else "refused"
        return Decision(outcome=outcome, reason=f"version {version} {_told(known)}", state=state)
    if state is not None and state.serves(version):
        return _refuse(state, f"version {version} of {command.model} serves: activate another version first")
    before = state or without_versions(
        command, request_schema_id=facts.request_schema_id, prediction_schema_id=facts.prediction_schema_id
    )
    withdrawn = WithdrawnVersion(
        version=version, state=into, reason=reason, issued_by=command.issued_by, decided_at=now
    )
    event = _event(command, kind=into.capitalize(), version=version, previous_version=None, now=now)
    return Decision(
        outcome="accepted",
        reason=f"version {version} {_told(withdrawn)}",
        state=withdraw(before, withdrawn, command_id=command.command_id),
        events=(replace(event, reason=reason),),
    )


def _unbar(state: DeploymentState | None, command: Command, _facts: VersionFacts, now: int) -> Decision:
    version, reason = command.arguments.get("version", ""), command.arguments.get("reason", "")
    if not version or not reason:
        return _refuse(state, "unbar needs the arguments version and reason")
    if is_automation(command.issued_by):
        return _refuse(state, f"{command.issued_by} can't lift a bar: only a person may")
    known = state.withdrawal_of(version) if state else None
    if state is None or known is None:
        return _refuse(state, f"version {version} of {command.model} is not barred")
    if known.state != BARRED:
        return _refuse(state, f"version {version} of {command.model} {_told(known)}")
    event = _event(command, kind="Unbarred", version=version, previous_version=None, now=now)
    return Decision(
        outcome="accepted",
        reason=f"version {version} is not barred any more",
        state=reinstate(state, version, command_id=command.command_id, now=now),
        events=(replace(event, reason=reason),),
    )


def _told(withdrawn: WithdrawnVersion) -> str:
    """What became of a version, with the remedy where there is one."""
    remedy = "; `penstock models unbar` lifts it" if withdrawn.state == BARRED else ", which is for good"
    return f"was {withdrawn.state} by {withdrawn.issued_by} ({withdrawn.reason}){remedy}"


def _accept_loss(state: DeploymentState | None, command: Command, _facts: VersionFacts, now: int) -> Decision:
    if state is None:
        return _refuse(state, f"model {command.model} has no deployment whose records could be lost")
    try:
        loss = AcceptedLoss(
            topic=command.arguments["topic"],
            partition=int(command.arguments["partition"]),
            offset_next=int(command.arguments["offset_next"]),
        )
    except (KeyError, ValueError):
        return _refuse(state, "accept_loss needs the arguments topic, partition and offset_next, the last two integers")
    others = tuple(
        known for known in state.accepted_losses if (known.topic, known.partition) != (loss.topic, loss.partition)
    )
    after = replace(
        state,
        generation=state.generation + 1,
        accepted_losses=(*others, loss),
        command_id=command.command_id,
        decided_at=now,
    )
    event = _event(command, kind="LossAccepted", version=None, previous_version=None, now=now)
    where = f"{loss.topic} partition {loss.partition} before offset {loss.offset_next}"
    return Decision(outcome="accepted", reason=f"loss accepted in {where}", state=after, events=(event,))


def _probe(state: DeploymentState | None, _command: Command, _facts: VersionFacts, _now: int) -> Decision:
    return Decision(outcome="accepted", reason="the controller answers", state=state)


_Handler = Callable[[DeploymentState | None, Command, VersionFacts, int], Decision]
_HANDLERS: Mapping[str, _Handler] = {
    "activate": _activate,
    "accept_loss": _accept_loss,
    "bar": _bar,
    "unbar": _unbar,
    "retire": _retire,
    "probe": _probe,
}


def _refuse(state: DeploymentState | None, reason: str) -> Decision:
    return Decision(outcome="refused", reason=reason, state=state)


def _superseded(command: Command, version: str, *, by: str, now: int) -> ModelEvent:
    event = _event(command, kind="Superseded", version=version, previous_version=None, now=now)
    return replace(event, event_id=f"{event.event_id}:{version}", reason=f"version {by} serves in its place")


def _event(command: Command, *, kind: str, version: str | None, previous_version: str | None, now: int) -> ModelEvent:
    return ModelEvent(
        event_id=f"{command.command_id}:{kind}",
        model=command.model,
        kind=kind,
        version=version,
        previous_version=previous_version,
        reason=f"{command.action} by {command.issued_by}",
        caused_by=command.command_id,
        occurred_at=now,
        issued_by=command.issued_by,
    )
