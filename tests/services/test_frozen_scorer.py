"""A scorer that stands still for longer than its transaction may last, and then goes on."""

import os
import signal
import time

from tests.services.deployment import Deployment
from tests.services.faults import FaultLog
from tests.services.topic_records import aborted_times
from tests.services.verdicts import assert_balanced, assert_each_exactly_once, assert_in_order
from tests.services.waiting import freeze_mid_transaction, wait_for, wait_ready

PER_S = 1_000.0
FREEZES = 2
FROZEN_S = 13.0


def test_a_scorer_that_stood_still_does_no_harm_and_comes_back(deployment: Deployment, faults: FaultLog) -> None:
    """Its transaction was aborted and its partitions taken over meanwhile; what it still tries is refused."""
    with (
        deployment.up(workers=2),
        deployment.traffic(per_s=PER_S) as traffic,
        deployment.open_transactions() as watch,
    ):
        for freeze in range(FREEZES):
            pid = wait_ready(deployment, (0, 1))[freeze % 2]
            freeze_mid_transaction(watch, (pid,))
            time.sleep(FROZEN_S)
            os.kill(pid, signal.SIGCONT)
            time.sleep(2.0)
            wait_for(lambda: deployment.serving_slots((0, 1)) == {0, 1}, "both scorers serve", timeout_s=60)
        traffic.stop()
        deployment.wait_settled()
        predictions, ledger = deployment.predictions(), deployment.ledger()

    faults.hit("scorers frozen under load", FREEZES)
    aborted = aborted_times(deployment.server.bootstrap_servers, deployment.predictions_topic)
    faults.hit("records of aborted transactions", len(aborted))
    assert_each_exactly_once(traffic.accepted, predictions)
    assert_in_order(predictions)
    assert_balanced(ledger, accepted=len(traffic.accepted))
