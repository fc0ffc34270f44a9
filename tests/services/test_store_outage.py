"""Elasticsearch goes away in the middle of the load, and comes back: the whole stack on real servers."""

from pathlib import Path

import pytest
from elasticsearch import ApiError

from runtime.group_lag import GroupLag
from runtime.groups import sink_group
from tests.services.deployment import MODEL, Deployment
from tests.services.elasticsearch_server import ElasticsearchServer
from tests.services.faults import FaultLog
from tests.services.kafka_server import KafkaServer
from tests.services.scoring_model import FEATURES, ScoringModel
from tests.services.verdicts import assert_balanced, assert_each_exactly_once
from tests.services.waiting import BACK_S, wait_for
from tests.stack import (
    PenstockProcess,
    StackFailedError,
    command_line,
    descendants,
    penstock,
    penstock_json,
    resident_bytes_max,
)

PER_S = 400.0
STORED_FIRST = 1_000
SCORED_WHILE_AWAY = 3_000
UNAVAILABLE = 503
SINK_BYTES_MAX = 500_000_000


@pytest.fixture
def deployment(
    kafka: KafkaServer, elasticsearch: ElasticsearchServer, model: ScoringModel, tmp_path: Path
) -> Deployment:
    """A penstock whose store is Elasticsearch."""
    settings = elasticsearch.store_settings("outage")
    store = {"elasticsearch_urls": settings.elasticsearch_urls, "index_prefix": settings.index_prefix}
    return Deployment(server=kafka, folder=tmp_path, prefix="outage.", model=model, store=store)


@pytest.mark.timeout(600)
def test_elasticsearch_that_goes_away_loses_nothing_and_stops_nobody(
    deployment: Deployment, elasticsearch: ElasticsearchServer, faults: FaultLog
) -> None:
    """Scoring goes on, the sink stays small and waits, and afterwards every document is there once."""
    with deployment.up(workers=1) as stack:
        with deployment.traffic(per_s=PER_S) as traffic:
            wait_for(lambda: _stored(elasticsearch) >= STORED_FIRST, "documents are stored", every_s=0.5)
            elasticsearch.stop()
            scored = sum(deployment.committed().values())
            wait_for(
                lambda: sum(deployment.committed().values()) >= scored + SCORED_WHILE_AWAY,
                "scoring goes on without the store",
                timeout_s=BACK_S,
            )
            behind = _behind(deployment)
            faults.hit("predictions made and not stored while Elasticsearch was away", behind)
            away = _doctor(deployment)
            elasticsearch.start()
        deployment.wait_settled()
        wait_for(
            lambda: _stored(elasticsearch) == len(traffic.accepted),
            "everything is stored",
            timeout_s=BACK_S,
            every_s=0.5,
        )
        # The last offset of a partition is a transaction's marker, which nobody reads.
        wait_for(lambda: _behind(deployment) <= deployment.partitions, "all offsets are committed", timeout_s=BACK_S)
        largest = resident_bytes_max(_sink_pid(stack))
        _assert_asked(deployment, len(traffic.accepted))
        predictions, ledger = deployment.predictions(), deployment.ledger()

    assert "the broken hop is store" in away
    assert behind >= SCORED_WHILE_AWAY, "an offset is committed only after its document is stored"
    assert largest < SINK_BYTES_MAX
    assert_each_exactly_once(traffic.accepted, predictions)
    assert_balanced(ledger, accepted=len(traffic.accepted))
    with elasticsearch.client() as client:
        index = next(iter(client.indices.get(index=f"outage-predictions-{MODEL}.*").items()))[1]
    mapped = index["mappings"]["properties"]["features"]["properties"]
    assert {name: each["type"] for name, each in mapped.items()} == dict.fromkeys(FEATURES, "double")


def _doctor(deployment: Deployment) -> str:
    """What `penstock doctor` says on standard error while something is broken."""
    with pytest.raises(StackFailedError, match="ended with 1") as failure:
        penstock("doctor", "--timeout", "2", data_dir=deployment.data_dir, config=deployment.config)
    return str(failure.value)


def _assert_asked(deployment: Deployment, accepted: int) -> None:
    """Every command that reads the store works on Elasticsearch as it does on the embedded store."""
    data_dir, config = deployment.data_dir, deployment.config
    report = penstock_json("report", "predictions", MODEL, data_dir=data_dir, config=config)
    letters = penstock_json("dead-letters", "list", data_dir=data_dir, config=config)
    search = '{"size": 3, "query": {"term": {"model": "boxes"}}}'
    hits = penstock_json("query", search, data_dir=data_dir, config=config)
    penstock("doctor", data_dir=data_dir, config=config)
    penstock("store", "check", data_dir=data_dir, config=config)

    assert sum(day["predictions"] for day in report["days"]) == accepted
    assert report["latency"]["predictions"] == accepted
    assert letters == []
    assert len(hits) == 3


def _stored(elasticsearch: ElasticsearchServer) -> int:
    """Predictions that can be found; none while an index is being made or recovered."""
    try:
        elasticsearch.refresh("outage")
        with elasticsearch.client() as client:
            return int(client.count(index=f"outage-predictions-{MODEL}.*")["count"])
    except ApiError as error:
        if error.status_code != UNAVAILABLE:
            raise
        return 0


def _behind(deployment: Deployment) -> int:
    """Offsets of predictions that the sink has not committed."""
    lag = GroupLag(deployment.settings.kafka, sink_group(deployment.prefix))
    try:
        return sum(part.records for part in lag.of_topic(deployment.predictions_topic, deployment.partitions))
    finally:
        lag.close()


def _sink_pid(stack: PenstockProcess) -> int:
    return next(pid for pid in descendants(stack.pid) if "run sink " in command_line(pid))
