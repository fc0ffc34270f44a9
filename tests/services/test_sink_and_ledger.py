"""What only a real broker shows of the sink and the ledger: transactions, rebalances and restarts."""

from dataclasses import replace
from pathlib import Path

import pytest
from confluent_kafka import Producer

from consumers.coverage import FindingKind
from consumers.ledger import ModelLedger
from consumers.ledger_reading import LedgerReader
from consumers.queries import SqliteStore
from consumers.sinks.sqlite import SqliteSink
from runtime.kafka import build_producer, cluster_id, ensure_topics
from runtime.settings import KafkaSettings, Settings, StoreSettings, TopicSettings
from schemas.events import Receipt
from schemas.topics import PREDICTIONS, RECEIPTS, REQUESTS
from tests.consumers.receipts import receipt
from tests.consumers.sinking import Feed, eventually, running_sink
from tests.consumers.stored import prediction
from tests.services.kafka_server import KafkaServer

PARTITIONS = 4
PREDICTED = 400


@pytest.fixture
def settings(kafka: KafkaServer, tmp_path: Path) -> Settings:
    """A deployment of the test's own on the real broker, with the topics of `flights`."""
    made = Settings(
        data_dir=tmp_path,
        kafka=KafkaSettings(bootstrap_servers=kafka.bootstrap_servers),
        topics=TopicSettings(prefix=f"{tmp_path.name}.", partitions=PARTITIONS),
        store=StoreSettings(batch_wait_ms=50, batch_documents_max=20),
    )
    ensure_topics(made.kafka, made.topics, ["flights"])
    return made


def test_records_are_counted_and_not_offsets(settings: Settings) -> None:
    """Markers and aborted records take offsets but are no requests; an open transaction is not there yet."""
    feed = Feed(settings)
    topic = feed.topics.of(REQUESTS, "flights")
    producer = build_producer(settings.kafka, transactional_id=f"{settings.topics.prefix}test")
    producer.init_transactions(30)
    _transaction(producer, topic, 10)  # 0 to 9, marker at 10
    _transaction(producer, topic, 5)  # 11 to 15, marker at 16
    _transaction(producer, topic, 4, commit=False)  # 17 to 20 aborted, marker at 21
    _transaction(producer, topic, 3)  # 22 to 24, marker at 25
    producer.begin_transaction()
    _produce(producer, topic, 2)  # 26 and 27, open
    producer.flush(10)
    feed.events(RECEIPTS, [_receipt(settings, topic, 0, 10), _receipt(settings, topic, 22, 23)])
    model = _model(settings, feed)
    producer.abort_transaction(30)
    partition = model.partitions[0]
    findings = [(each.kind, each.offset_from, each.offset_to, each.records) for each in partition.findings]

    assert findings == [(FindingKind.GAP, 10, 22, 5)]
    assert (partition.in_flight, partition.estimated) == (2, False)
    assert model.accepted == 10 + 5 + 1 + 2


def test_sinks_that_come_and_go_leave_one_document_each(settings: Settings) -> None:
    """A second sink joins, the first leaves, while predictions flow: every one is stored, none twice."""
    feed = Feed(settings)
    store = SqliteStore(settings.store_path)
    with running_sink(settings, SqliteSink(settings.store_path)):
        _predict(feed, range(100))
        with running_sink(settings, SqliteSink(settings.store_path)) as second:
            _predict(feed, range(100, 300))
            eventually(lambda: second.store.documents > 0, timeout_s=40)
    with running_sink(settings, SqliteSink(settings.store_path)):
        _predict(feed, range(300, PREDICTED))
        eventually(lambda: _stored(store) == PREDICTED, timeout_s=40)

    assert store.query("SELECT count(*) AS n FROM repeated_requests") == [{"n": 0}]


def test_a_broker_that_goes_away_is_waited_for(settings: Settings, kafka: KafkaServer) -> None:
    """The sink outlives a restart of the broker and goes on."""
    feed = Feed(settings)
    store = SqliteStore(settings.store_path)
    with running_sink(settings, SqliteSink(settings.store_path)):
        _predict(feed, range(100))
        eventually(lambda: _stored(store) == 100)
        kafka.restart(down_s=3)
        _predict(feed, range(100, 200))
        eventually(lambda: _stored(store) == 200, timeout_s=60)


def _transaction(producer: Producer, topic: str, records: int, *, commit: bool = True) -> None:
    producer.begin_transaction()
    _produce(producer, topic, records)
    producer.flush(10)
    if commit:
        producer.commit_transaction(30)
    else:
        producer.abort_transaction(30)


def _produce(producer: Producer, topic: str, records: int) -> None:
    for _ in range(records):
        producer.produce(topic, value=b"request", key=b"key", partition=0)


def _receipt(settings: Settings, topic: str, offset_from: int, offset_to: int) -> Receipt:
    made = receipt(offset_from, offset_to)
    return replace(made, cluster_id=cluster_id(settings.kafka), topic=topic, lane="scoring")


def _model(settings: Settings, feed: Feed) -> ModelLedger:
    reader = LedgerReader(SqliteStore(settings.store_path), topics=feed.topics, codec=feed.codec, kafka=settings.kafka)
    (model,) = reader.read("exactly_once").models
    return model


def _predict(feed: Feed, numbers: range) -> None:
    for number in numbers:
        partition = number % PARTITIONS
        feed.predictions([prediction(number, source_partition=partition)], PREDICTIONS, partition=partition)


def _stored(store: SqliteStore) -> int:
    return int(str(store.query("SELECT count(*) AS n FROM predictions")[0]["n"]))
