"""Versions that score without serving: begun and ended by command, ended by a worker that can't have them. Pure.

What serves is not touched by any of it: no new generation begins, so scorers have nothing to do.
"""

import zlib
from dataclasses import replace

import orjson

from schemas.events import DeploymentState, PartitionEnd, ShadowVersion, Signal
from streams.rollout.allocation import BUCKETS
from streams.rollout.inputs import CommandInput
from streams.rollout.plan import PlanError, share_of
from streams.rollout.verdicts import Decision, Origin, accepted, refused
from streams.rollout.versions import objection

ROLE = "shadow"
SHADOWS_MAX = 4
_FAULTS = frozenset({"version_refused", "version_quarantined"})


def shadow_start(state: DeploymentState | None, asked: CommandInput, now: int) -> Decision:
    """Let a version score all requests that come from now on, or a share of them, without serving."""
    command = asked.command
    version = command.arguments.get("version", "")
    if not version:
        return refused(state, "shadow_start needs the argument version")
    try:
        share = share_of(command.arguments.get("share", "100%"), argument="share")
        starts = starts_of(command.arguments.get("starts", ""))
    except PlanError as error:
        return refused(state, str(error))
    if state is None or not state.versions:
        return refused(state, f"no version of {command.model} serves yet: `penstock activate {command.model} VERSION`")
    facts = asked.facts_of(version)
    obstacle = objection(state, command.model, version, facts) or _obstacle(state, version, share)
    if obstacle:
        return refused(state, obstacle)
    shadow = ShadowVersion(
        version=version,
        bundle=facts.bundle,
        share=share,
        salt=zlib.crc32(command.command_id.encode()),
        generation=state.generation,
        request_schema_id=facts.request_schema_id,
        prediction_schema_id=facts.prediction_schema_id,
        starts=starts,
        started_by=command.issued_by,
        started_at=now,
    )
    reason = f"version {version} scores {share * 100 / BUCKETS:g} % of the requests of {command.model} without serving"
    event = _origin(asked, now).event(command.model, "ShadowStarted", version=version, reason=reason)
    return accepted(replace(state, shadows=(*state.shadows, shadow)), reason, event)


def shadow_stop(state: DeploymentState | None, asked: CommandInput, now: int) -> Decision:
    """End one shadow, or the only one."""
    command = asked.command
    running = tuple(each.version for each in state.shadows) if state else ()
    version = command.arguments.get("version", "") or (running[0] if len(running) == 1 else "")
    if state is None or version not in running:
        named = f"version {version} of {command.model} is no shadow" if version else "say which shadow, by its version"
        return refused(state, f"{named}; shadows are: {', '.join(running) or 'none'}")
    reason = f"shadow of version {version} ended by {command.issued_by}"
    event = _origin(asked, now).event(command.model, "ShadowStopped", version=version, reason=reason)
    return accepted(_without(state, version), reason, event)


def starts_of(text: str) -> tuple[PartitionEnd, ...]:
    """Where a shadow begins in each partition. Raises `PlanError`.

    >>> [(each.partition, each.offset) for each in starts_of("0=7,1=0")]
    [(0, 7), (1, 0)]
    """
    try:
        pairs = [tuple(map(int, part.split("="))) for part in text.split(",")]
        return tuple(PartitionEnd(partition=partition, offset=offset) for partition, offset in pairs)
    except ValueError as error:
        raise PlanError(
            f"starts has {text!r}: it names each partition of the requests with an offset, like 0=125,1=98"
        ) from error


def is_of_shadow(signal: Signal) -> bool:
    """Whether a worker of the shadow lane has found something wrong with what it was to score with."""
    return signal.kind in _FAULTS and _details(signal).get("role") == ROLE


def shadow_failed(state: DeploymentState, signal: Signal, origin: Origin) -> Decision:
    """End a shadow that can't be loaded, hung, or ate memory; what serves goes on."""
    details = _details(signal)
    salts = {each.version: each.salt for each in state.shadows}
    version = str(details.get("version"))
    if salts.get(version) != details.get("salt"):
        words = f"version {version} is no shadow any more"
        return Decision(outcome="ignored", reason=words, state=state)
    event = origin.event(state.model, "ShadowFailed", version=version, reason=signal.message)
    return Decision(outcome="acted", reason=signal.message, state=_without(state, version), events=(event,))


def _obstacle(state: DeploymentState, version: str, share: int) -> str:
    if share == 0:
        return "share is 0%, and a shadow that scores nothing is none"
    if any(each.version == version for each in state.shadows):
        return f"version {version} of {state.model} is a shadow already: stop it first to change its share"
    if len(state.shadows) >= SHADOWS_MAX:
        return f"{state.model} has {len(state.shadows)} shadows, and {SHADOWS_MAX} are allowed: stop one first"
    return ""


def _without(state: DeploymentState, version: str) -> DeploymentState:
    return replace(state, shadows=tuple(each for each in state.shadows if each.version != version))


def _details(signal: Signal) -> dict[str, object]:
    try:
        found = orjson.loads(signal.evidence)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _origin(asked: CommandInput, now: int) -> Origin:
    return Origin(input_id=asked.command.command_id, issued_by=asked.command.issued_by, now=now)
