"""Records that the broker deleted before a scorer read them: counted, and not skipped in silence."""

import os
import signal
import time

import pytest

from tests.services.deployment import MODEL, Deployment
from tests.services.faults import FaultLog
from tests.services.test_planted_faults import findings_of
from tests.services.traffic import send_at_once
from tests.services.verdicts import assert_in_order
from tests.services.waiting import wait_for, wait_ready, wait_until_mid_transaction
from tests.stack import penstock

REQUESTS = 6_000
HOLE = 2
DELETED = 150
KEPT = 20
# So small that the scorer is busy with what it fetched in one go for many transactions, and is
# frozen in their midst with the rest of it in hand.
SMALL_BATCH = 100
BACKLOG = 24_000


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
        accept_losses(deployment, HOLE)
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


@pytest.mark.parametrize("deployment", [{"scoring": {"batch_records_max": SMALL_BATCH}}], indirect=True)
def test_records_deleted_behind_a_scorers_back_are_neither_lost_in_silence_nor_counted_twice(
    deployment: Deployment, faults: FaultLog
) -> None:
    """A scorer that still has fetched records in hand when they and those behind them vanish: the sums come out."""
    with deployment.up(workers=1), deployment.open_transactions() as watch:
        pid = wait_ready(deployment, (0,))[0]
        first = deployment.traffic(per_s=0)
        send_at_once(first, REQUESTS)
        deployment.wait_settled()
        os.kill(pid, signal.SIGSTOP)
        second = deployment.traffic(per_s=0, first=REQUESTS)
        send_at_once(second, BACKLOG)
        os.kill(pid, signal.SIGCONT)
        wait_until_mid_transaction(watch)
        os.kill(pid, signal.SIGSTOP)
        third = deployment.traffic(per_s=0, first=REQUESTS + BACKLOG)
        send_at_once(third, REQUESTS)
        ends = deployment.log_ends()
        for partition in ends:
            deployment.delete_before(partition, ends[partition] - KEPT)
        continued_at = time.time_ns() // 1_000_000
        os.kill(pid, signal.SIGCONT)
        wait_for(lambda: deployment.ledger()["in_flight"] <= KEPT * len(ends), "all partitions wait", every_s=1.0)
        for partition in ends:
            accept_losses(deployment, partition)
        deployment.wait_settled()
        predictions, ledger = deployment.predictions(), deployment.ledger()

    accepted = first.accepted | second.accepted | third.accepted
    lost = accepted.keys() - set(predictions.numbers.tolist())
    in_hand = sum(
        written >= continued_at and offset < ends[partition] - KEPT
        for (partition, offset), written in zip(
            predictions.source_places, predictions.append_times.tolist(), strict=True
        )
    )
    faults.hit("records that were in hand when those behind them were deleted", in_hand)
    assert lost
    assert len(predictions) == len(set(predictions.numbers.tolist()))
    assert ledger["duplicates"] == 0
    assert ledger["in_flight"] == 0
    assert ledger["scored"] == len(predictions)
    assert ledger["lost"] == len(lost)
    assert ledger["accepted"] == len(accepted)


def accept_losses(deployment: Deployment, partition: int) -> None:
    """An operator's word that the hole in this partition is known."""
    penstock(
        "losses",
        "accept",
        MODEL,
        "--partition",
        str(partition),
        data_dir=deployment.data_dir,
        config=deployment.config,
    )


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
