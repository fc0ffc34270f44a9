"""The shadows that deployments name, as deployments of their own: what the shadow lane loads, reads and scores."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from runtime.batch import RecordColumns, TopicPartitionKey
from schemas.events import BucketRange, DeploymentState, ServedVersion, ShadowVersion
from schemas.topics import REQUESTS, Topics
from streams.scoring.roles import ARM_SHADOW
from streams.scoring.routing import BUCKETS, Sample


def deployment_of(state: DeploymentState, shadow: ShadowVersion) -> DeploymentState:
    """The deployment in which one shadow serves all, with its own schemas."""
    whole = (BucketRange(start=0, end=BUCKETS),)
    return replace(
        state,
        generation=shadow.generation,
        salt=shadow.salt,
        versions=(ServedVersion(version=shadow.version, bundle=shadow.bundle, arm=ARM_SHADOW, buckets=whole),),
        previous_version=None,
        request_schema_id=shadow.request_schema_id,
        prediction_schema_id=shadow.prediction_schema_id,
        standby=(),
        overrides=(),
        rollout=None,
    )


def name_of(deployment: DeploymentState) -> str:
    """What one shadow goes by.

    >>> shadow_name("flights", "2")
    'flights@2'
    """
    return shadow_name(deployment.model, deployment.versions[0].version)


def shadow_name(model: str, version: str) -> str:
    return f"{model}@{version}"


@dataclass(slots=True)
class Shadows:
    """Knows which shadows there are, from deployments in the order in which they come."""

    active: dict[str, tuple[ShadowVersion, ...]] = field(default_factory=dict)

    def take(self, states: Iterable[DeploymentState]) -> Sequence[DeploymentState]:
        """Every shadow of the deployments that have come, as a deployment of its own."""
        found = []
        for state in states:
            self.active[state.model] = state.shadows
            if not state.shadows:
                del self.active[state.model]
            found += [deployment_of(state, shadow) for shadow in state.shadows]
        return [each for each in found if self._is_active(each)]

    @property
    def names(self) -> frozenset[str]:
        """What the shadows that there are go by."""
        return frozenset(
            shadow_name(model, shadow.version) for model, shadows in self.active.items() for shadow in shadows
        )

    def floors(self, topics: Topics) -> Mapping[TopicPartitionKey, int]:
        """Where the first shadow of each model begins, by partition of its requests."""
        floors: dict[TopicPartitionKey, int] = {}
        for model, shadows in self.active.items():
            topic = topics.of(REQUESTS, model)
            for start in (each for shadow in shadows for each in shadow.starts):
                place = (topic, start.partition)
                floors[place] = min(floors.get(place, start.offset), start.offset)
        return floors

    def _is_active(self, deployment: DeploymentState) -> bool:
        """Of several states of one model in a row the newest counts."""
        return any(
            (shadow.version, shadow.salt) == (deployment.versions[0].version, deployment.salt)
            for shadow in self.active.get(deployment.model, ())
        )


def sample_of(shadow: ShadowVersion) -> Sample:
    """Which requests the shadow scores."""
    return Sample(share=shadow.share, salt=shadow.salt)


def since_start(columns: RecordColumns, shadow: ShadowVersion) -> RecordColumns:
    """The records from where the shadow began on; nearly always all of them."""
    starts = {start.partition: start.offset for start in shadow.starts}
    rows = [
        row
        for row, (partition, offset) in enumerate(zip(columns.partitions, columns.offsets, strict=True))
        if offset >= starts.get(partition, 0)
    ]
    return columns if len(rows) == len(columns) else columns.take(rows)
