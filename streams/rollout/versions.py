"""What speaks against letting a version serve: the shelf's facts and the deployment's own word. Pure."""

from schemas.events import DeploymentState, WithdrawnVersion
from streams.rollout.inputs import SERVABLE, VersionFacts
from streams.rollout.withdrawal import BARRED


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


def told(withdrawn: WithdrawnVersion) -> str:
    """What became of a version, with the remedy where there is one."""
    remedy = "; `penstock models unbar` lifts it" if withdrawn.state == BARRED else ", which is for good"
    return f"was {withdrawn.state} by {withdrawn.issued_by} ({withdrawn.reason}){remedy}"
