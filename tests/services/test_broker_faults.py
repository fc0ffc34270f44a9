"""A broker that restarts, and one that hangs, while requests keep coming."""

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.services.deployment import Deployment
from tests.services.faults import FaultLog
from tests.services.kafka_server import KafkaServer
from tests.services.verdicts import assert_balanced, assert_each_exactly_once, assert_in_order
from tests.services.waiting import wait_for, wait_ready, wait_until_mid_transaction

PER_S = 1_000.0
RESTARTS = 2
DOWN_S = 2.0
UP_S = 6.0
FROZEN_S = 14.0
HANG_S = 6


@pytest.mark.timeout(420)
def test_a_broker_that_restarts_costs_time_and_nothing_else(deployment: Deployment, faults: FaultLog) -> None:
    """Producers and scorers wait for it, and every request that it ever accepted is answered exactly once."""
    unanswered = 0
    with deployment.up(workers=2), deployment.traffic(per_s=PER_S) as traffic:
        for _ in range(RESTARTS):
            wait_ready(deployment, (0, 1))
            time.sleep(UP_S)
            with deployment.open_transactions() as watch:
                wait_until_mid_transaction(watch)
            before = traffic.sent
            deployment.server.restart(down_s=DOWN_S)
            unanswered += traffic.sent - before
        time.sleep(UP_S)
        traffic.stop()
        deployment.wait_settled(timeout_s=150)
        predictions, ledger = deployment.predictions(), deployment.ledger()

    faults.hit("broker restarts under load", RESTARTS)
    faults.hit("requests sent while the broker was away", unanswered)
    assert traffic.refused == []
    assert_each_exactly_once(traffic.accepted, predictions)
    assert_in_order(predictions)
    assert_balanced(ledger, accepted=len(traffic.accepted))


@pytest.mark.timeout(420)
@pytest.mark.parametrize("deployment", [{"scoring": {"transaction_hang_s": HANG_S}}], indirect=True)
def test_a_call_that_hangs_ends_the_process_and_no_promise(deployment: Deployment, faults: FaultLog) -> None:
    """A broker that answers nothing for longer than the limit: scorers end and come back, exactly once holds."""
    with deployment.up(workers=2), deployment.traffic(per_s=PER_S) as traffic:
        before = wait_ready(deployment, (0, 1))
        time.sleep(UP_S)
        with deployment.open_transactions() as watch:
            wait_until_mid_transaction(watch)
        with frozen(deployment.server):
            time.sleep(FROZEN_S)
        wait_for(
            lambda: None not in {deployment.scorer_pid(slot) for slot in (0, 1)}, "both scorers serve", timeout_s=90
        )
        after = wait_ready(deployment, (0, 1))
        time.sleep(UP_S)
        traffic.stop()
        deployment.wait_settled(timeout_s=150)
        predictions, ledger = deployment.predictions(), deployment.ledger()

    faults.hit("scorers that ended and were started again", sum(before[slot] != after[slot] for slot in (0, 1)))
    assert_each_exactly_once(traffic.accepted, predictions)
    assert_in_order(predictions)
    assert_balanced(ledger, accepted=len(traffic.accepted))


@contextmanager
def frozen(server: KafkaServer) -> Iterator[None]:
    """The broker keeps its connections and answers nothing."""
    assert server.pid is not None, "a running broker is frozen"
    os.kill(server.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(server.pid, signal.SIGCONT)
