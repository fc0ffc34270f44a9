"""A controller that dies at each point of its commits without transactions decides as one that lives on."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from runtime.settings import KafkaSettings
from tests.controller_crashes import DEATHS, by_revision, decided, outline
from tests.rollout_scene import RolloutScene
from tests.runtime.lane_parts import embedded_kafka

pytestmark = pytest.mark.wire


@pytest.fixture
def broker() -> Iterator[KafkaSettings]:
    with embedded_kafka() as kafka:
        yield kafka


@pytest.mark.timeout(400)
def test_what_a_controller_decides_does_not_depend_on_its_deaths(broker: KafkaSettings, tmp_path: Path) -> None:
    """Journal, deployments and events are those of a clean run; what was told again has the same id or generation."""

    def scene(prefix: str) -> RolloutScene:
        """With the same shelf for both."""
        return RolloutScene(
            tmp_path, bootstrap_servers=broker.bootstrap_servers, cluster_id=broker.cluster_id, prefix=prefix
        )

    clean, deadly = decided(scene("clean."), ()), decided(scene("deadly."), DEATHS)

    assert deadly.killed == len(DEATHS)
    assert [outline(each) for each in deadly.journal] == [outline(each) for each in clean.journal]
    assert len({each.command_id for each in deadly.journal}) == len(deadly.journal)
    assert {each.event_id: each.kind for each in deadly.events} == {each.event_id: each.kind for each in clean.events}
    assert by_revision(deadly.deployments) == by_revision(clean.deployments)
