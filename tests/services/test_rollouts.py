"""Rollouts on a real broker, decided by labels, with a worker that comes in the middle of one."""

import uuid
from pathlib import Path

import pytest
from confluent_kafka.admin import AdminClient

from runtime.groups import scorer_group
from tests.rollout_scene import RolloutScene
from tests.rollout_story import (
    BACK_MS_MAX,
    assert_back_soon,
    assert_decided_rightly,
    assert_entities_are_sticky,
    assert_every_arm_is_the_documented_one,
    assert_replayable,
    entities_scored_in,
    tell,
)
from tests.services.faults import FaultLog
from tests.services.kafka_server import KafkaServer
from tests.services.scoring_model import ENTITIES
from tests.services.test_rebalances import owners_of
from tests.services.verdicts import assert_balanced
from tests.services.waiting import BACK_S, wait_for
from tests.stack import PenstockProcess


@pytest.mark.timeout(400)
def test_a_good_candidate_is_promoted_and_a_defective_one_rolled_back(
    kafka: KafkaServer, tmp_path: Path, faults: FaultLog
) -> None:
    """By evidence and in time; no request is lost or scored twice; a scorer that joins assigns as the other does.

    At the end both go back to the first version at once, though the shelf is away.
    """
    scene = RolloutScene(tmp_path, bootstrap_servers=kafka.bootstrap_servers, prefix=f"t{uuid.uuid4().hex[:8]}.")
    admin = AdminClient({"bootstrap.servers": kafka.bootstrap_servers})
    group = scorer_group(scene.prefix)
    second = PenstockProcess(
        arguments=("run", "scorer", "--slot", "1"), data_dir=scene.data_dir, config=scene.config, name="scorer-1"
    )

    def another_worker() -> None:
        second.start()
        wait_for(lambda: len(set(owners_of(admin, group).values())) == 2, "both share", timeout_s=BACK_S, every_s=0.3)
        owners.update(owners_of(admin, group))

    owners: dict[int, str] = {}
    with scene.up():
        told = tell(scene, another_worker)
        second.stop()
        assert_decided_rightly(told, scene)

    faults.hit("partitions that a second scorer took over in mid-rollout", len(owners) // 2)
    numbers = [int(row["request_id"]) for row in told.predictions]
    assert sorted(numbers) == sorted(told.accepted)
    assert_every_arm_is_the_documented_one(told)
    assert_entities_are_sticky(told)
    assert len(entities_scored_in(told, told.joined_in)) == ENTITIES
    faults.hit("ms from a rollback's acceptance to the last partition's change", max(told.back_ms.values()))
    assert_back_soon(told, BACK_MS_MAX)
    assert_balanced(told.ledger, accepted=len(told.accepted))
    assert_replayable(told)
