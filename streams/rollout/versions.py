"""What speaks against letting a version serve: the shelf's facts and the deployment's own word. Pure."""

from schemas.events import DeploymentState, WithdrawnVersion
from schemas.issuers import is_automation
from streams.rollout.inputs import SERVABLE, CommandInput, VersionFacts
from streams.rollout.plan import versions_named
from streams.rollout.withdrawal import BARRED, REJECTED

_LETS_SERVE = frozenset({"activate", "start", "promote"})


def objection(state: DeploymentState | None, model: str, version: str, facts: VersionFacts) -> str:
    """Why a version may not serve, with the remedy; empty when nothing speaks against it."""
    if facts.unreachable:
        return f"the shelf can't be read now, so nothing is known of version {version}: {facts.unreachable}; ask again"
    if facts.state is None:
        return f"model {model} has no version {version}; see `penstock models list`"
    withdrawn = state.withdrawal_of(version) if state else None
    if withdrawn is not None:
        return f"version {version} of {model} {told(withdrawn)}"
    if facts.state not in SERVABLE:
        why = f": {facts.failure}" if facts.failure else ""
        return f"version {version} of {model} is {facts.state}, not validated{why}"
    return f"version {version} of {model} can't serve: {facts.failure}" if facts.failure else ""


def automatic_objection(asked: CommandInput) -> str:
    """Why automation may not let a version serve that a person might; empty when it may, or when a person asks."""
    command = asked.command
    if not is_automation(command.issued_by) or command.action not in _LETS_SERVE:
        return ""
    for version, facts in asked.facts.items():
        if version in versions_named(command.arguments) and facts.unapproved:
            return (
                f"version {version} of {command.model} is not for {command.issued_by} to let serve: {facts.unapproved}"
            )
    return ""


def told(withdrawn: WithdrawnVersion) -> str:
    """What became of a version, with the remedy where there is one."""
    return f"was {withdrawn.state} by {withdrawn.issued_by} ({withdrawn.reason}){_remedy(withdrawn)}"


def _remedy(withdrawn: WithdrawnVersion) -> str:
    if withdrawn.state == BARRED:
        return "; `penstock models unbar` lifts it"
    if withdrawn.state == REJECTED:
        return f"; only {withdrawn.issued_by} can approve it after all"
    return ", which is for good"
