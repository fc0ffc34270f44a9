"""Taking versions out of use, and back: what a deployment looks like after it. Pure.

Barred: may not serve until a person lifts it; rejected: until the approver who rejected it approves
it; retired: never again. The deployment itself says so, since every worker follows it and it
outlives the shelf.
"""

import zlib
from dataclasses import replace

from schemas.events import Command, DeploymentState, WithdrawnVersion

BARRED, REJECTED, RETIRED = "barred", "rejected", "retired"


def without_versions(command: Command, *, request_schema_id: int, prediction_schema_id: int) -> DeploymentState:
    """The deployment of a model of which nothing has served yet, before its first generation."""
    return DeploymentState(
        model=command.model,
        generation=0,
        salt=zlib.crc32(command.command_id.encode()),
        versions=(),
        previous_version=None,
        request_schema_id=request_schema_id,
        prediction_schema_id=prediction_schema_id,
        accepted_losses=(),
        command_id=command.command_id,
        decided_at=command.issued_at,
    )


def withdraw(state: DeploymentState, withdrawn: WithdrawnVersion) -> DeploymentState:
    """The deployment in which that version is withdrawn, and none goes back to it.

    The caller has made sure that it does not serve.
    """
    assert not state.serves(withdrawn.version), f"{withdrawn.version} of {state.model} serves"
    return replace(
        state,
        generation=state.generation + 1,
        previous_version=None if state.previous_version == withdrawn.version else state.previous_version,
        standby=tuple(each for each in state.standby if each.version != withdrawn.version),
        shadows=tuple(each for each in state.shadows if each.version != withdrawn.version),
        withdrawn=(*_others(state, withdrawn.version), withdrawn),
    )


def reinstate(state: DeploymentState, version: str) -> DeploymentState:
    """The deployment in which that version may serve again, as far as the deployment is concerned."""
    return replace(state, generation=state.generation + 1, withdrawn=_others(state, version))


def _others(state: DeploymentState, version: str) -> tuple[WithdrawnVersion, ...]:
    return tuple(each for each in state.withdrawn if each.version != version)
