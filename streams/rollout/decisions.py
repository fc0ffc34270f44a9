"""The rollout decision: (state, command, facts, now) -> what changes and what is said of it.

Pure: no client, clock, thread, environment or randomness. The same inputs always give the
same state, byte for byte, which is what makes the journal replayable.
"""

import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Literal

from schemas.events import AcceptedLoss, BucketRange, Command, DeploymentState, ModelEvent, ServedVersion

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
    if not version:
        return _refuse(state, "activate needs the argument version")
    if facts.state is None:
        return _refuse(state, f"model {command.model} has no version {version}; see `penstock models list`")
    if facts.state not in SERVABLE:
        why = f": {facts.failure}" if facts.failure else ""
        return _refuse(state, f"version {version} of {command.model} is {facts.state}, not validated{why}")
    if facts.failure:
        return _refuse(state, f"version {version} of {command.model} can't serve: {facts.failure}")
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
    )
    event = _event(command, kind="Activated", version=version, previous_version=previous, now=now)
    return Decision(outcome="accepted", reason=f"version {version} serves", state=after, events=(event,))


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
_HANDLERS: Mapping[str, _Handler] = {"activate": _activate, "accept_loss": _accept_loss, "probe": _probe}


def _refuse(state: DeploymentState | None, reason: str) -> Decision:
    return Decision(outcome="refused", reason=reason, state=state)


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
    )
