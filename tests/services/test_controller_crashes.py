"""A controller that is killed with -9 at each point of its transactions, on a real broker."""

import uuid
from pathlib import Path

import pytest

from tests.controller_crashes import DEATHS, by_revision, decided, outline
from tests.rollout_scene import RolloutScene
from tests.services.faults import FaultLog
from tests.services.kafka_server import KafkaServer


@pytest.mark.timeout(400)
def test_what_a_controller_decides_does_not_depend_on_its_deaths(
    kafka: KafkaServer, tmp_path: Path, faults: FaultLog
) -> None:
    """Journal, deployments and events are those of a clean run, each of them once."""
    run = uuid.uuid4().hex[:8]

    def scene(name: str) -> RolloutScene:
        """With the same shelf for both."""
        return RolloutScene(tmp_path, bootstrap_servers=kafka.bootstrap_servers, prefix=f"t{run}.{name}.")

    clean, deadly = decided(scene("clean"), ()), decided(scene("deadly"), DEATHS)

    faults.hit("controllers that died in the middle of a commit", deadly.killed)
    assert [outline(each) for each in deadly.journal] == [outline(each) for each in clean.journal]
    assert [(each.event_id, each.kind) for each in deadly.events] == [
        (each.event_id, each.kind) for each in clean.events
    ]
    assert [each.revision for each in deadly.deployments] == [each.revision for each in clean.deployments]
    assert by_revision(deadly.deployments) == by_revision(clean.deployments)
