"""The rollouts of a whole embedded stack, decided by labels, with a scorer that dies in the middle of one."""

from pathlib import Path

import pytest

from runtime.status import read_status
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
from tests.services.scoring_model import ENTITIES
from tests.services.waiting import BACK_S, wait_for
from tests.stack import kill_quietly

pytestmark = pytest.mark.wire


@pytest.mark.timeout(400)
def test_a_good_candidate_is_promoted_and_a_defective_one_rolled_back(tmp_path: Path) -> None:
    """By evidence and in time; no request is lost; a scorer that begins in mid-rollout assigns as the one before.

    At the end it goes back to the first version at once, though the shelf is away.
    """
    scene = RolloutScene(tmp_path)
    pids: set[int] = set()

    def another_worker() -> None:
        pids.add(scorer_pid(scene))
        kill_quietly(*pids)
        wait_for(lambda: scorer_pid(scene) not in (0, *pids), "a new scorer serves", timeout_s=BACK_S, every_s=0.1)
        pids.add(scorer_pid(scene))

    with scene.up():
        told = tell(scene, another_worker)
        assert_decided_rightly(told, scene)

    assert len(pids) == 2
    assert {int(row["request_id"]) for row in told.predictions} == set(told.accepted)
    assert_every_arm_is_the_documented_one(told)
    assert_entities_are_sticky(told)
    assert len(entities_scored_in(told, told.joined_in)) == ENTITIES
    assert_back_soon(told, BACK_MS_MAX)
    assert (told.ledger["accepted"], told.ledger["lost"], told.ledger["in_flight"]) == (len(told.accepted), 0, 0)
    assert_replayable(told)


def scorer_pid(scene: RolloutScene) -> int:
    """The scorer that serves, 0 while none says so."""
    status = read_status(scene.settings.run_dir, "scorer", 0)
    return status.pid if status is not None and status.state == "ready" else 0
