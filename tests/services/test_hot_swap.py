"""Another version takes over between two batches, while requests keep coming."""

import time

import numpy as np

from schemas.events import DeadLetter
from tests.services.deployment import Deployment
from tests.services.faults import FaultLog
from tests.services.topic_records import read_topic
from tests.services.verdicts import assert_balanced, assert_each_exactly_once, assert_in_order, assert_scored_right

PER_S = 2_000.0
SWAPS = ("2", "1", "2")
BETWEEN_S = 3.0


def test_a_swap_under_load_scores_every_request_once(deployment: Deployment, faults: FaultLog) -> None:
    """Each request is scored once, by the version that it names; none is refused; generations never fall."""
    with deployment.up(workers=2), deployment.traffic(per_s=PER_S) as traffic:
        time.sleep(BETWEEN_S)
        for version in SWAPS:
            deployment.activate(version)
            time.sleep(BETWEEN_S)
        traffic.stop()
        deployment.wait_settled()
        predictions, ledger = deployment.predictions(), deployment.ledger()
    dead_letters = read_topic(deployment.server.bootstrap_servers, deployment.dead_letters_topic)

    faults.hit("swaps seen within a partition", swaps_seen(predictions.partitions, predictions.generations))
    assert set(predictions.versions.tolist()) == {"1", "2"}
    assert dead_letters == [], [deployment.decode(DeadLetter, record) for record in dead_letters[:3]]
    assert_each_exactly_once(traffic.accepted, predictions)
    assert_scored_right(predictions, deployment.model)
    assert_in_order(predictions)
    assert_balanced(ledger, accepted=len(traffic.accepted))


def swaps_seen(partitions: np.ndarray, generations: np.ndarray) -> int:
    """How often the generation changes from one prediction to the next within a partition."""
    return sum(
        int(np.count_nonzero(np.diff(generations[partitions == partition]))) for partition in np.unique(partitions)
    )
