"""Commands that take a version out of use, and back: bar, retire, unbar. Pure."""

from schemas.events import DeploymentState, WithdrawnVersion
from schemas.issuers import is_automation
from streams.rollout.inputs import CommandInput
from streams.rollout.verdicts import Decision, Origin, accepted, refused
from streams.rollout.versions import told
from streams.rollout.withdrawal import BARRED, REJECTED, RETIRED, reinstate, withdraw, without_versions


def bar(state: DeploymentState | None, asked: CommandInput, now: int) -> Decision:
    return _withdraw(state, asked, now, BARRED)


def retire(state: DeploymentState | None, asked: CommandInput, now: int) -> Decision:
    return _withdraw(state, asked, now, RETIRED)


def unbar(state: DeploymentState | None, asked: CommandInput, now: int) -> Decision:
    """Only a person may lift a bar."""
    command = asked.command
    version, reason = command.arguments.get("version", ""), command.arguments.get("reason", "")
    if not version or not reason:
        return refused(state, "unbar needs the arguments version and reason")
    if is_automation(command.issued_by):
        return refused(state, f"{command.issued_by} can't lift a bar: only a person may")
    known = state.withdrawal_of(version) if state else None
    if state is None or known is None:
        return refused(state, f"version {version} of {command.model} is not barred")
    if known.state != BARRED:
        return refused(state, f"version {version} of {command.model} {told(known)}")
    event = _origin(asked, now).event(command.model, "Unbarred", version=version, reason=reason)
    return accepted(reinstate(state, version), f"version {version} is not barred any more", event)


def _withdraw(state: DeploymentState | None, asked: CommandInput, now: int, into: str) -> Decision:
    command = asked.command
    version, reason = command.arguments.get("version", ""), command.arguments.get("reason", "")
    if not version or not reason:
        return refused(state, f"{command.action} needs the arguments version and reason")
    facts = asked.facts_of(version)
    if facts.state is None and (state is None or not facts.unreachable):
        return refused(state, f"model {command.model} has no version {version}; see `penstock models list`")
    known = state.withdrawal_of(version) if state else None
    # A bar over a rejection would lift the rejection when it is lifted itself.
    if known is not None and (known.state in {into, RETIRED} or (known.state, into) == (REJECTED, BARRED)):
        words = f"version {version} {told(known)}"
        return accepted(state, words) if known.state == into else refused(state, words)
    if state is not None and state.serves(version):
        return refused(state, f"version {version} of {command.model} serves: {_remedy(state, version)} first")
    before = state or without_versions(
        command, request_schema_id=facts.request_schema_id, prediction_schema_id=facts.prediction_schema_id
    )
    withdrawn = WithdrawnVersion(
        version=version, state=into, reason=reason, issued_by=command.issued_by, decided_at=now
    )
    event = _origin(asked, now).event(command.model, into.capitalize(), version=version, reason=reason)
    return accepted(withdraw(before, withdrawn), f"version {version} {told(withdrawn)}", event)


def _remedy(state: DeploymentState, version: str) -> str:
    on_trial = state.rollout is not None and len(state.versions) > 1 and version != state.rollout.control
    return "abort its rollout" if on_trial else "activate another version"


def _origin(asked: CommandInput, now: int) -> Origin:
    return Origin(input_id=asked.command.command_id, issued_by=asked.command.issued_by, now=now)
