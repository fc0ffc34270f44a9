"""The main job on a real broker: two scorers, exactly once, from a producer's record to a consumer's."""

from tests.services.deployment import Deployment
from tests.services.traffic import send_at_once
from tests.services.verdicts import assert_balanced, assert_each_exactly_once, assert_in_order, assert_scored_right

REQUESTS = 20_000


def test_two_scorers_answer_every_request_once(deployment: Deployment) -> None:
    """Every request has one prediction with its version's own score, in order, and the ledger balances."""
    with deployment.up(workers=2):
        traffic = deployment.traffic(per_s=0)
        send_at_once(traffic, REQUESTS)
        deployment.wait_settled()
        predictions, ledger = deployment.predictions(), deployment.ledger()

    assert_each_exactly_once(traffic.accepted, predictions)
    assert_scored_right(predictions, deployment.model)
    assert_in_order(predictions)
    assert_balanced(ledger, accepted=REQUESTS)
