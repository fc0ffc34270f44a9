"""The outcome lane on a real broker: kills, lost disks, members that come and go, and always the same outcomes."""

import random
import shutil
import time
from pathlib import Path

import pytest
from confluent_kafka import Consumer, TopicPartition

from penstock import wiring
from runtime.groups import outcomes_group
from schemas.topics import LABELS, OUTCOMES, PREDICTIONS
from tests.services.deployment import MODEL, Deployment
from tests.services.faults import FaultLog
from tests.services.outcome_traffic import LabelTraffic, wait_labeled
from tests.services.outcome_verdicts import assert_as_a_batch_join, assert_cohorts_are_whole, coverages, read_joined
from tests.services.test_kills import caused
from tests.services.topic_records import OpenTransactions, aborted_times, read_topic
from tests.services.waiting import BACK_S, freeze_mid_transaction, wait_for
from tests.stack import kill_quietly

PER_S = 400.0
STRETCH_MS = 500
# Ten kills: one process or both at once, every second time with a transaction open for sure, else at whatever
# they are doing, coming back included; the second number says whose disk is lost with it.
KILLS: tuple[tuple[tuple[int, ...], int | None], ...] = (
    ((0,), None),
    ((0, 1), 1),
    ((1,), None),
    ((0, 1), None),
    ((0, 1), 0),
    ((0, 1), None),
)
SETTINGS = {
    "workers": 2,
    "stretch_s": STRETCH_MS / 1_000,
    "maturity_max_s": 2.0,
    "lateness_s": 0.0,
    "idle_s": 2.0,
}


@pytest.mark.timeout(600)
@pytest.mark.parametrize("deployment", [{"outcomes": SETTINGS}], indirect=True)
def test_ten_kills_and_lost_disks_end_with_a_batch_join(deployment: Deployment, faults: FaultLog) -> None:
    """Whoever dies, and with whatever disk, every prediction ends with the label that holds, told exactly once."""
    chooser = random.Random(13)
    killed_at: list[int] = []
    disks_lost = 0
    guest = deployment.process("outcomes", 2)
    names = wiring.topics(deployment.settings)
    with deployment.up(workers=1), deployment.traffic(per_s=PER_S) as traffic, _labels(deployment, traffic) as labels:
        watch = OpenTransactions(deployment.server.bootstrap_servers, names.of(OUTCOMES, MODEL), deployment.partitions)
        with watch:
            wait_labeled(labels, 500)
            for number, (slots, lost) in enumerate(KILLS):
                pids = _wait_ready(deployment, (0, 1))
                time.sleep(chooser.uniform(0.3, 1.0))
                if number % 2 == 0:
                    freeze_mid_transaction(watch, [pids[slot] for slot in slots])
                for slot in slots:
                    kill_quietly(pids[slot])
                killed_at.append(time.time_ns() // 1_000_000)
                if lost is not None:
                    disks_lost += _lose_disk(deployment.settings.state_dir / f"outcomes-{lost}")
                _wait_replaced(deployment, slots, pids)
                if number == 1:
                    guest.start()
                    _wait_ready(deployment, (2,))
            # A member that leaves while others are still coming back waits until they are, a minute at most.
            assert guest.stop(timeout_s=75.0) == 0, guest.said()
        traffic.stop()
        deployment.wait_settled()
        labels.finish()
        _wait_joined(deployment)
        joined, receipts = read_joined(deployment), coverages(deployment)

    faults.hit("outcome processes killed with SIGKILL under load", sum(len(slots) for slots, _ in KILLS))
    faults.hit("disks lost with what was pending on them", disks_lost)
    aborted = aborted_times(deployment.server.bootstrap_servers, names.of(OUTCOMES, MODEL))
    faults.hit("kills that left a transaction to be aborted", caused(killed_at, aborted))
    faults.hit("labels corrected or taken back", sum(label.revision for label in joined.labels))
    faults.hit("cohorts closed", len(joined.cohorts))
    assert len(joined.predictions) == len(traffic.accepted)
    assert_as_a_batch_join(joined)
    assert_cohorts_are_whole(joined, stretch_ms=STRETCH_MS)
    assert [finding for coverage in receipts for finding in coverage.findings] == []
    assert sum(coverage.records for coverage in receipts) == len(joined.predictions) + len(joined.labels)


def _labels(deployment: Deployment, traffic: object) -> LabelTraffic:
    topic = wiring.topics(deployment.settings).of(LABELS, MODEL)
    codec = wiring.codec(deployment.settings)
    return LabelTraffic(deployment.server.bootstrap_servers, topic, codec, traffic)  # type: ignore[arg-type]  # a Traffic


def _lose_disk(folder: Path) -> int:
    """How many partitions' states were on it."""
    states = [path for path in folder.glob("*/*/*") if path.is_dir()]
    shutil.rmtree(folder)
    return len(states)


def _wait_ready(deployment: Deployment, slots: tuple[int, ...]) -> dict[int, int]:
    return _wait_replaced(deployment, slots, {})


def _wait_replaced(deployment: Deployment, slots: tuple[int, ...], before: dict[int, int]) -> dict[int, int]:
    """The processes of these slots, once they are others than before and say that they serve."""
    pids: dict[int, int] = {}

    def all_back() -> bool:
        found = {slot: deployment.pid("outcomes", slot) for slot in slots}
        pids.update({slot: pid for slot, pid in found.items() if pid is not None and pid != before.get(slot)})
        return len(pids) == len(slots)

    wait_for(all_back, f"outcome processes {slots} are back", timeout_s=BACK_S)
    return pids


def _wait_joined(deployment: Deployment) -> None:
    """Wait until every prediction and label there is was committed by the lane."""
    names, server = wiring.topics(deployment.settings), deployment.server.bootstrap_servers
    ends: dict[tuple[str, int], int] = {}
    for topic in (names.of(PREDICTIONS, MODEL), names.of(LABELS, MODEL)):
        for record in read_topic(server, topic):
            ends[topic, record.partition] = record.offset + 1
    consumer = Consumer({"bootstrap.servers": server, "group.id": outcomes_group(deployment.prefix)})

    def joined() -> bool:
        places = consumer.committed([TopicPartition(*place) for place in ends], timeout=30)
        return all(place.offset >= ends[place.topic, place.partition] for place in places)

    wait_for(joined, "all is joined", timeout_s=BACK_S, every_s=0.3)
    consumer.close()
