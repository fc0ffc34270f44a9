"""Receipts that tell of a gap, an overlap and a deleted range: the ledger names each where it is."""

from confluent_kafka import Producer

from penstock import wiring
from runtime.kafka import cluster_id, ensure_topics
from schemas.events import Receipt
from tests.services.deployment import MODEL, Deployment
from tests.services.traffic import send_at_once

REQUESTS = 600
LANE = "scoring"


def test_the_ledger_names_a_gap_an_overlap_and_a_deleted_range(deployment: Deployment) -> None:
    """Planted receipts over real logs that nobody scored: which partition, which offsets, which fault."""
    ensure_topics(deployment.settings.kafka, deployment.settings.topics, [MODEL])
    deployment.add_versions()
    traffic = deployment.traffic(per_s=0)
    send_at_once(traffic, REQUESTS)
    ends = deployment.log_ends()
    plant_receipts(deployment, 0, [(0, 20), (30, ends[0])])
    plant_receipts(deployment, 1, [(0, 20), (15, ends[1])])
    plant_receipts(deployment, 2, [(0, 20)])
    deployment.delete_before(2, 45)
    for partition in range(3, deployment.partitions):
        plant_receipts(deployment, partition, [(0, 10), (10, ends[partition])])

    ledger = deployment.ledger()

    assert findings_of(ledger) == [(0, "gap", 20, 30), (1, "overlap", 15, 20), (2, "deleted", 20, 45)]
    assert (ledger["lost"], ledger["duplicates"], ledger["in_flight"]) == (10 + 25, 5, ends[2] - 45)
    assert not ledger["balanced"]


def plant_receipts(deployment: Deployment, partition: int, ranges: list[tuple[int, int]]) -> None:
    """Receipts as a scorer would have written them for these ranges of offsets."""
    codec = wiring.codec(deployment.settings)
    producer = Producer({"bootstrap.servers": deployment.server.bootstrap_servers})
    for committed_at, (offset_from, offset_to) in enumerate(ranges):
        receipt = Receipt(
            cluster_id=cluster_id(deployment.settings.kafka),
            lane=LANE,
            guarantee="exactly_once",
            model=MODEL,
            topic=deployment.requests_topic,
            partition=partition,
            offset_from=offset_from,
            offset_to=offset_to,
            records=offset_to - offset_from,
            scored=offset_to - offset_from,
            dead_lettered={},
            committed_at=committed_at,
        )
        producer.produce(deployment.receipts_topic, codec.encode(receipt), partition=0)
    assert producer.flush(30) == 0


def findings_of(ledger: dict[str, list[dict[str, list[dict[str, object]]]]]) -> list[tuple[object, ...]]:
    """What the ledger found, by partition and place."""
    return [
        (partition["partition"], finding["kind"], finding["offset_from"], finding["offset_to"])
        for partition in ledger["partitions"]
        for finding in partition["findings"]
    ]
