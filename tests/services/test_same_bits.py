"""Scores are the estimator's own, to the last bit, on the same batch."""

import numpy as np
import pytest

from schemas.events import Receipt
from tests.services.deployment import Deployment
from tests.services.scoring_model import ROWS
from tests.services.topic_records import read_topic
from tests.services.traffic import send_at_once
from tests.services.waiting import wait_ready

BACKLOG = 5_000


@pytest.mark.parametrize("deployment", [{"partitions": 1}], indirect=True)
def test_scores_are_bit_equal_on_the_same_batch(deployment: Deployment) -> None:
    """With one partition every receipt is one batch: its rows, given to the estimator at once, give the same bits."""
    with deployment.up(workers=1):
        wait_ready(deployment, (0,))
    accepted: dict[int, tuple[int, int]] = {}
    for decoder in ("arrow", "fastavro"):
        traffic = deployment.traffic(per_s=0, first=len(accepted))
        send_at_once(traffic, BACKLOG)
        accepted |= traffic.accepted
        work_off(deployment, decoder)
    predictions = deployment.predictions()
    receipts = [
        deployment.decode(Receipt, record)
        for record in read_topic(deployment.server.bootstrap_servers, deployment.receipts_topic)
    ]

    number_at = {offset: number for number, (_partition, offset) in accepted.items()}
    score_of = dict(zip(predictions.numbers.tolist(), predictions.scores.tolist(), strict=True))
    assert max(receipt.records for receipt in receipts) > 1_000
    assert sum(receipt.records for receipt in receipts) == 2 * BACKLOG
    for receipt in receipts:
        numbers = [number_at[offset] for offset in range(receipt.offset_from, receipt.offset_to)]
        rows = deployment.model.rows[np.array(numbers) % ROWS]
        expected = deployment.model.estimators["1"].predict_proba(rows)[:, 1].tolist()

        assert [score_of[number] for number in numbers] == expected


def work_off(deployment: Deployment, decoder: str) -> None:
    """Let a scorer with that decoder score what is there."""
    deployment.scoring = {"decoder": decoder}
    deployment.write_config()
    scorer = deployment.scorer(0)
    scorer.start()
    try:
        deployment.wait_settled()
    finally:
        scorer.stop()
