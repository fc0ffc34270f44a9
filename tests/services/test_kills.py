"""Scorers that are killed, and stopped, in the middle of their work."""

import os
import random
import signal
import time
from collections.abc import Sequence

import pytest

from tests.services.deployment import Deployment
from tests.services.faults import FaultLog
from tests.services.topic_records import aborted_times
from tests.services.verdicts import assert_balanced, assert_each_exactly_once, assert_in_order, assert_scored_right
from tests.services.waiting import freeze_mid_transaction, wait_ready, wait_replaced
from tests.stack import kill_quietly

PER_S = 1_500.0
# Ten kills, one scorer or both at once, every second time with a transaction open for sure; then each
# scorer is asked to stop.
KILLS: tuple[tuple[int, ...], ...] = ((0,), (1,), (0, 1), (1,), (0,), (0, 1), (1,), (0,))
STOPS = (0, 1)
CAUSED_WITHIN_MS = 2_000


@pytest.mark.timeout(600)
def test_ten_kills_and_two_stops_lose_nothing_and_repeat_nothing(deployment: Deployment, faults: FaultLog) -> None:
    """Whatever moment a scorer dies at, every accepted request has exactly one committed prediction."""
    chooser = random.Random(11)
    killed_at: list[int] = []
    with (
        deployment.up(workers=2),
        deployment.traffic(per_s=PER_S) as traffic,
        deployment.open_transactions() as watch,
    ):
        for kill, slots in enumerate(KILLS):
            pids = wait_ready(deployment, (0, 1))
            time.sleep(chooser.uniform(0.5, 2.0))
            if kill % 2 == 0:
                freeze_mid_transaction(watch, [pids[slot] for slot in slots])
            for slot in slots:
                kill_quietly(pids[slot])
            killed_at.append(time.time_ns() // 1_000_000)
            wait_replaced(deployment, slots, pids)
        for slot in STOPS:
            pids = wait_ready(deployment, (0, 1))
            os.kill(pids[slot], signal.SIGTERM)
            wait_replaced(deployment, (slot,), pids)
        traffic.stop()
        deployment.wait_settled()
        predictions, ledger = deployment.predictions(), deployment.ledger()

    faults.hit("processes killed with SIGKILL under load", sum(len(slots) for slots in KILLS))
    aborted = aborted_times(deployment.server.bootstrap_servers, deployment.predictions_topic)
    faults.hit("kills that left a transaction to be aborted", caused(killed_at, aborted))
    assert_each_exactly_once(traffic.accepted, predictions)
    assert_scored_right(predictions, deployment.model)
    assert_in_order(predictions)
    assert_balanced(ledger, accepted=len(traffic.accepted))


def caused(faults_at: Sequence[int], aborted: Sequence[int]) -> int:
    """How many of these moments (ms) have a record that was written just before and then aborted."""
    return sum(any(0 <= at - written <= CAUSED_WITHIN_MS for written in aborted) for at in faults_at)
