"""Scorers that join and leave while requests keep coming."""

from confluent_kafka.admin import AdminClient

from runtime.groups import scorer_group
from tests.services.deployment import Deployment
from tests.services.faults import FaultLog
from tests.services.verdicts import assert_balanced, assert_each_exactly_once, assert_in_order
from tests.services.waiting import BACK_S, wait_for

PER_S = 1_500.0
# Which slots run beside slot 0 of the stack, step by step.
STEPS: tuple[tuple[int, ...], ...] = ((1,), (1, 2), (2,), (2, 1), ())


def test_scorers_join_and_leave_under_load(deployment: Deployment, faults: FaultLog) -> None:
    """Partitions change hands at every step, and every accepted request is still answered exactly once, in order."""
    running = {slot: deployment.scorer(slot) for slot in (1, 2)}
    with deployment.up(workers=1), deployment.traffic(per_s=PER_S) as traffic:
        moved = 0
        owners = wait_for_members(deployment, 1)
        try:
            for slots in STEPS:
                for slot, scorer in running.items():
                    if slot in slots and not scorer.running:
                        scorer.start()
                    elif slot not in slots and scorer.running:
                        assert scorer.stop() == 0, scorer.said()
                before, owners = owners, wait_for_members(deployment, 1 + len(slots))
                moved += sum(before[partition] != owners[partition] for partition in before)
        finally:
            for scorer in running.values():
                if scorer.running:
                    scorer.kill()
        traffic.stop()
        deployment.wait_settled()
        predictions, ledger = deployment.predictions(), deployment.ledger()

    faults.hit("partitions that changed hands under load", moved)
    assert_each_exactly_once(traffic.accepted, predictions)
    assert_in_order(predictions)
    assert_balanced(ledger, accepted=len(traffic.accepted))


def wait_for_members(deployment: Deployment, members: int) -> dict[int, str]:
    """The owner of each partition, once that many members share all of them."""
    owners: dict[int, str] = {}
    admin = AdminClient({"bootstrap.servers": deployment.server.bootstrap_servers})

    def shared() -> bool:
        owners.clear()
        owners.update(owners_of(admin, scorer_group(deployment.prefix)))
        return len(owners) == deployment.partitions and len(set(owners.values())) == members

    wait_for(shared, f"{members} scorers share all partitions", timeout_s=BACK_S, every_s=0.5)
    return dict(owners)


def owners_of(admin: AdminClient, group: str) -> dict[int, str]:
    """The group's member for each partition, as the broker knows it."""
    described = admin.describe_consumer_groups([group], request_timeout=10)[group].result(10)
    return {
        place.partition: member.member_id
        for member in described.members
        if member.assignment is not None
        for place in member.assignment.topic_partitions
    }
