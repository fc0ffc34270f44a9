"""Questions to a real Elasticsearch: a person's own searches, whole answers, and the ledger."""

from dataclasses import replace
from pathlib import Path

import pytest
from confluent_kafka import TopicPartition

from consumers.documents import RecordPosition, prediction_document, receipt_document
from consumers.errors import QueryError, StoreUnavailableError
from consumers.ledger_reading import LedgerReader
from consumers.questions import Question, by
from consumers.searches import ElasticsearchStore
from consumers.sinks.elasticsearch import ElasticsearchSink
from consumers.stored_collections import PREDICTIONS
from runtime.groups import sink_group
from runtime.kafka import build_group_consumer, cluster_id, ensure_topics
from runtime.settings import KafkaSettings, Settings, StoreSettings, TopicSettings
from schemas.events import Receipt
from schemas.topics import RECEIPTS, REQUESTS
from tests.consumers.receipts import receipt
from tests.consumers.sinking import Feed
from tests.consumers.stored import prediction
from tests.services.elasticsearch_server import ElasticsearchServer
from tests.services.kafka_server import KafkaServer

PREDICTED = 30


@pytest.fixture
def settings(elasticsearch: ElasticsearchServer) -> StoreSettings:
    """A store with predictions of two versions."""
    made = elasticsearch.store_settings("asked")
    sink = ElasticsearchSink(made, features_of=lambda _model: ())
    sink.setup()
    documents = [
        prediction_document(
            prediction(number, version=str(number % 2), features={}), cluster_id="cluster", personal=frozenset()
        )
        for number in range(PREDICTED)
    ]
    assert sink.write(documents) == []
    sink.close()
    elasticsearch.refresh("asked")
    return made


@pytest.fixture
def store(settings: StoreSettings) -> ElasticsearchStore:
    return ElasticsearchStore(settings)


def test_a_search_is_asked_as_it_would_be_in_kibana(store: ElasticsearchStore) -> None:
    """The body alone asks everything that is stored; a line before it says which indices."""
    body = '{"size": 0, "aggs": {"version": {"terms": {"field": "version"}}}}'
    rows = [{"version": "0", "doc_count": 15}, {"version": "1", "doc_count": 15}]

    assert store.query(body) == rows
    assert store.query(f"GET asked-predictions-flights.2013.04/_search\n{body}") == rows
    assert store.query(f"POST /asked-signals.*/_search\n{body}") == []
    (hit,) = store.query('{"size": 1, "sort": ["source_offset"], "_source": ["version", "score"]}')
    assert hit == {"id": "flights:r0:live", "version": "0", "score": 0.25}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("SELECT 1", "SQL is for the embedded store"),
        ("{not json}", "the search body is not JSON"),
        ('GET elsewhere-*/_search\n{"size": 1}', r"only indices of this deployment can be asked: asked-\*"),
        ('GET asked-*,other/_search\n{"size": 1}', "only indices of this deployment"),
        ('{"query": {"surprise": {}}}', "the query is wrong: .*surprise"),
        ('GET asked-nothing/_search\n{"size": 1}', "the query is wrong: .*no such index"),
    ],
)
def test_a_wrong_question_is_told_with_the_right_words(store: ElasticsearchStore, text: str, words: str) -> None:
    """Elasticsearch's own, or what can be asked instead."""
    with pytest.raises(QueryError, match=words):
        store.query(text)


def test_all_rows_are_given_however_many_pages_they_take(
    store: ElasticsearchStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Hits in the order that was asked for, out of one view; buckets of a composite page by page."""
    monkeypatch.setattr("consumers.searches.PAGE_ROWS", 7)
    hits = Question(
        collection=PREDICTIONS, sql="", search=lambda _: {"sort": [{"source_offset": "desc"}], "_source": ["version"]}
    )
    buckets = Question(
        collection=PREDICTIONS, sql="", search=lambda _: {"aggs": {"each": {"composite": by("request_id", size=7)}}}
    )

    assert [row["id"] for row in store.ask(hits)] == [f"flights:r{n}:live" for n in reversed(range(PREDICTED))]
    assert sorted(str(row["request_id"]) for row in store.ask(buckets)) == sorted(f"r{n}" for n in range(PREDICTED))
    assert next(store.rows(hits))["id"] == "flights:r29:live"


def test_documents_are_counted_by_collection(store: ElasticsearchStore) -> None:
    """Models' indices count together."""
    counts = store.counts()

    assert (counts["predictions"], counts["signals"]) == (PREDICTED, 0)


def test_a_store_that_is_away_is_told(settings: StoreSettings) -> None:
    """Not as an empty answer."""
    away = ElasticsearchStore(settings.model_copy(update={"elasticsearch_urls": "http://127.0.0.1:1"}))
    with pytest.raises(StoreUnavailableError, match="can't be reached"):
        away.query("{}")


def test_the_ledger_takes_receipts_from_store_and_topic(
    kafka: KafkaServer, elasticsearch: ElasticsearchServer, tmp_path: Path
) -> None:
    """A store that holds a later receipt and not an earlier one, as between two bulk requests, makes no gap.

    What counts as stored is what the sink has committed; the rest is read from the topic.
    """
    settings = _deployment(kafka, elasticsearch, tmp_path)
    feed = Feed(settings)
    topic = feed.topics.of(REQUESTS, "flights")
    for _ in range(40):
        feed.raw(topic, b"request")
    receipts = [_receipt(settings, topic, start) for start in (0, 10, 20)]
    feed.events(RECEIPTS, receipts)
    _commit(settings, feed, 1)
    _store(settings, feed, {0: receipts[0], 2: receipts[2]})
    reader = LedgerReader(
        ElasticsearchStore(settings.store), topics=feed.topics, codec=feed.codec, kafka=settings.kafka
    )
    (model,) = reader.read("exactly_once").models

    assert (model.accepted, model.total("scored"), model.total("in_flight"), model.balanced) == (40, 30, 10, True)
    assert [partition.findings for partition in model.partitions] == [()]


def test_repeats_are_counted_in_the_ledger(
    kafka: KafkaServer, elasticsearch: ElasticsearchServer, tmp_path: Path
) -> None:
    """Three records of one request are two repeats."""
    settings = _deployment(kafka, elasticsearch, tmp_path)
    feed = Feed(settings)
    _store(settings, feed, {0: _receipt(settings, feed.topics.of(REQUESTS, "flights"), 0)})
    sink = ElasticsearchSink(settings.store, features_of=lambda _model: ())
    for offset in range(3):
        fields = prediction(1, source_offset=offset, features={})
        sink.write([prediction_document(fields, cluster_id="cluster", personal=frozenset())])
    sink.close()
    reader = LedgerReader(ElasticsearchStore(settings.store), topics=feed.topics, codec=feed.codec, kafka=None)

    assert reader.read("exactly_once").models[0].repeated_request_ids == 2


def _deployment(kafka: KafkaServer, elasticsearch: ElasticsearchServer, folder: Path) -> Settings:
    settings = Settings(
        data_dir=folder,
        kafka=KafkaSettings(bootstrap_servers=kafka.bootstrap_servers),
        topics=TopicSettings(prefix=f"{folder.name}.", partitions=1),
        store=elasticsearch.store_settings("ledger"),
    )
    ensure_topics(settings.kafka, settings.topics, ["flights"])
    return settings


def _receipt(settings: Settings, topic: str, offset_from: int) -> Receipt:
    made = receipt(offset_from, offset_from + 10)
    return replace(made, cluster_id=cluster_id(settings.kafka), topic=topic, lane="scoring")


def _store(settings: Settings, feed: Feed, receipts: dict[int, Receipt]) -> None:
    """Put receipts into the store under the offsets that they have on their topic."""
    sink = ElasticsearchSink(settings.store, features_of=lambda _model: ())
    sink.setup()
    topic = feed.topics.of(RECEIPTS)
    cluster = cluster_id(settings.kafka)
    documents = [receipt_document(each, RecordPosition(cluster, topic, 0, offset)) for offset, each in receipts.items()]
    assert sink.write(documents) == []
    sink.close()


def _commit(settings: Settings, feed: Feed, offset: int) -> None:
    """Say for the sink's group that receipts before that offset are stored."""
    consumer = build_group_consumer(settings.kafka, group=sink_group(settings.topics.prefix))
    consumer.commit(offsets=[TopicPartition(feed.topics.of(RECEIPTS), 0, offset)], asynchronous=False)
    consumer.close()
