"""Records that the broker deleted before a scorer read them: counted, and not skipped in silence."""

import os
import signal
import time

from tests.services.deployment import MODEL, Deployment
from tests.services.test_planted_faults import findings_of
from tests.services.traffic import send_at_once
from tests.services.verdicts import assert_in_order
from tests.services.waiting import wait_for, wait_ready
from tests.stack import penstock

REQUESTS = 6_000
HOLE = 2
DELETED = 150


def test_deleted_records_are_counted_as_lost_and_wait_for_a_person(deployment: Deployment) -> None:
    """The partition with the hole waits, the others go on; after acceptance it goes on behind the hole."""
    with deployment.up(workers=1):
        pid = wait_ready(deployment, (0,))[0]
        first = deployment.traffic(per_s=0)
        send_at_once(first, REQUESTS)
        deployment.wait_settled()
        os.kill(pid, signal.SIGSTOP)
        hole_from = deployment.log_ends()[HOLE]
        second = deployment.traffic(per_s=0, first=REQUESTS)
        send_at_once(second, REQUESTS)
        deployment.delete_before(HOLE, hole_from + DELETED)
        os.kill(pid, signal.SIGCONT)
        deployment.wait_settled(but=frozenset({HOLE}))
        time.sleep(2.0)
        waiting = deployment.ledger()
        in_hole = [number for number, (partition, _offset) in second.accepted.items() if partition == HOLE]
        answered_before = set(deployment.predictions().numbers.tolist())
        penstock(
            "losses", "accept", MODEL, "--partition", str(HOLE), data_dir=deployment.data_dir, config=deployment.config
        )
        deployment.wait_settled()
        predictions, settled = deployment.predictions(), deployment.ledger()

    deleted = sorted(in_hole, key=lambda number: second.accepted[number])[:DELETED]
    assert answered_before.isdisjoint(in_hole)
    assert waiting["lost"] == DELETED
    assert waiting["in_flight"] == len(in_hole) - DELETED
    assert sorted(predictions.numbers.tolist()) == sorted(
        (first.accepted.keys() | second.accepted.keys()) - set(deleted)
    )
    assert_in_order(predictions)
    assert settled["lost"] == DELETED
    assert settled["duplicates"] == 0
    assert settled["in_flight"] == 0
    assert settled["accepted"] == 2 * REQUESTS
    assert settled["scored"] == 2 * REQUESTS - DELETED
    assert findings_of(settled) == [(HOLE, "accepted_loss", hole_from, hole_from + DELETED)]


def test_records_deleted_while_nobody_scored_are_found_at_the_start(deployment: Deployment) -> None:
    """A scorer that starts behind the log's first offset waits with that partition and says how many are gone."""
    with deployment.up(workers=1):
        first = deployment.traffic(per_s=0)
        send_at_once(first, REQUESTS)
        deployment.wait_settled()
    hole_from = deployment.log_ends()[HOLE]
    second = deployment.traffic(per_s=0, first=REQUESTS)
    send_at_once(second, REQUESTS)
    deployment.delete_before(HOLE, hole_from + DELETED)
    scorer = deployment.scorer(0)
    scorer.start()
    try:
        deployment.wait_settled(but=frozenset({HOLE}))
        waiting = deployment.ledger()
        wait_for(lambda: "losses accept" in scorer.err.read_text(), "the scorer says what to do", timeout_s=10)
    finally:
        returncode = scorer.stop()

    assert returncode == 0
    assert waiting["lost"] == DELETED
    assert not waiting["balanced"]
