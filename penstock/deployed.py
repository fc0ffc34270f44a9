"""What serves now, as the deployments say: for commands that ask before they act."""

from penstock import wiring
from runtime.follower import read_to_end
from runtime.kafka import partition_counts
from runtime.settings import Settings
from runtime.stack import attach
from schemas.events import DeploymentState
from schemas.topics import DEPLOYMENTS

READ_S = 20.0


def deployments(settings: Settings) -> dict[str, DeploymentState]:
    """The newest deployment of each model.

    Raises `StackNotRunningError` when there is no broker to ask, `BrokerUnreachableError` when it does not answer.
    """
    kafka, topic, codec = attach(settings).kafka, wiring.topics(settings).of(DEPLOYMENTS), wiring.codec(settings)
    if topic not in partition_counts(kafka):
        return {}
    messages = read_to_end(kafka, topic, deadline_s=READ_S)
    states = [codec.decode(DeploymentState, message.value()) for message in messages if message.value() is not None]
    return {state.model: state for state in states}


def version_that_serves(state: DeploymentState | None) -> str | None:
    """The version with the largest share of the requests, or None when none serves."""
    if state is None or not state.versions:
        return None
    return max(state.versions, key=lambda served: sum(span.end - span.start for span in served.buckets)).version
