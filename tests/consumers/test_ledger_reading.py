"""The ledger read from store, receipts topic and request logs of librdkafka's mock cluster."""

from collections.abc import Callable, Generator
from dataclasses import replace
from pathlib import Path

import pytest

from consumers.coverage import FindingKind, LanePartition
from consumers.documents import RecordPosition, prediction_document, receipt_document
from consumers.errors import StoreNotFoundError
from consumers.ledger import ModelLedger, OffsetRange
from consumers.ledger_reading import NO_BROKER, NO_STORE, LedgerReader
from consumers.log_counting import count_records
from consumers.queries import SqliteStore
from consumers.questions import TIME_MAX_S, Parameters, Question, Row
from consumers.sinks.sqlite import SqliteSink
from runtime.kafka import build_reader
from runtime.settings import KafkaSettings, Settings
from schemas.events import Receipt
from schemas.topics import RECEIPTS, REQUESTS
from tests.consumers.receipts import receipt
from tests.consumers.sinking import Feed
from tests.consumers.stored import prediction

pytestmark = pytest.mark.wire

CLUSTER = "embedded-test"


def test_receipts_in_the_store_and_on_the_topic_count_once(deployment: Settings) -> None:
    """Two are stored, one of them and a third are read from the topic again: all touch, nothing twice."""
    feed = Feed(deployment)
    receipts = [_receipt(feed, 0, 10), _receipt(feed, 10, 20), _receipt(feed, 20, 25)]
    _requests(feed, 30)
    feed.events(RECEIPTS, receipts)
    _store(deployment, feed, receipts[:2])
    model = _model(deployment, feed)

    assert (model.accepted, model.total("scored"), model.total("in_flight")) == (30, 25, 5)
    assert (model.balanced, model.total("redelivered"), model.total("lost")) == (True, 0, 0)
    assert [partition.partition for partition in model.partitions] == [0, 1, 2, 3]
    assert not any(partition.estimated for partition in model.partitions)


def test_a_receipt_that_the_sink_stores_meanwhile_counts_once(deployment: Settings) -> None:
    """The store holds more than when the tail was begun, as when the sink goes on writing."""
    feed = Feed(deployment)
    receipts = [_receipt(feed, 0, 10), _receipt(feed, 10, 20)]
    _requests(feed, 20)
    feed.events(RECEIPTS, receipts)
    _store(deployment, feed, receipts[:1])
    growing = _GrowingStore(deployment.store_path, lambda: _store(deployment, feed, receipts))
    ledger = LedgerReader(growing, topics=feed.topics, codec=feed.codec, kafka=deployment.kafka).read("at_least_once")

    assert growing.grown
    assert (ledger.models[0].accepted, ledger.models[0].total("redelivered"), ledger.balanced) == (20, 0, True)


def test_a_gap_is_counted_in_the_log(deployment: Settings) -> None:
    """The records between two receipts are read and counted, on several partitions at once."""
    feed = Feed(deployment)
    for partition in (0, 1):
        _requests(feed, 20, partition=partition)
    feed.events(
        RECEIPTS,
        [
            _receipt(feed, 0, 5),
            _receipt(feed, 8, 20),
            _receipt(feed, 0, 4, partition=1),
            _receipt(feed, 6, 7, partition=1),
        ],
    )
    model = _model(deployment, feed)
    gaps = [
        (partition.partition, finding.kind, finding.records, finding.estimated)
        for partition in model.partitions
        for finding in partition.findings
    ]

    assert gaps == [(0, FindingKind.GAP, 3, False), (1, FindingKind.GAP, 2, False)]
    assert (model.total("lost"), model.total("in_flight"), model.balanced) == (5, 13, False)


def test_a_deleted_range_is_found_from_the_log_start(deployment: Settings) -> None:
    """The mock cluster drops the oldest records of a full partition."""
    feed = Feed(deployment)
    _requests(feed, 5)
    feed.events(RECEIPTS, [_receipt(feed, 0, 5)])
    topic = feed.topics.of(REQUESTS, "flights")
    for number in range(30):
        feed.raw(topic, bytes([number]) * 1_000 + _incompressible(400_000))
    model = _model(deployment, feed)
    (partition, *_rest) = model.partitions
    (deleted,) = partition.findings
    assert partition.log_start is not None

    assert (deleted.kind, deleted.offset_from, deleted.offset_to) == (FindingKind.DELETED, 5, partition.log_start)
    assert partition.log_start > 5
    assert partition.in_flight == 35 - partition.log_start


def test_another_lanes_receipts_stay_out(deployment: Settings) -> None:
    """A shadow lane reads the same requests; that is no redelivery."""
    feed = Feed(deployment)
    _requests(feed, 10)
    feed.events(RECEIPTS, [_receipt(feed, 0, 10), replace(_receipt(feed, 0, 10), lane="shadow")])
    model = _model(deployment, feed)

    assert (model.total("scored"), model.total("redelivered")) == (10, 0)


def test_without_a_broker_the_store_alone_is_settled(deployment: Settings) -> None:
    """And the ledger says what it could not look at."""
    feed = Feed(deployment)
    _store(deployment, feed, [_receipt(feed, 0, 10), _receipt(feed, 12, 20)])
    reader = LedgerReader(SqliteStore(deployment.store_path), topics=feed.topics, codec=feed.codec, kafka=None)
    ledger = reader.read("at_least_once")

    assert ledger.notes == (NO_BROKER,)
    assert (ledger.models[0].total("lost"), ledger.models[0].partitions[0].log_end) == (2, None)


def test_a_broker_that_does_not_answer_is_no_broker(deployment: Settings) -> None:
    """A dead address gives the store's ledger, not a failure."""
    feed = Feed(deployment)
    _store(deployment, feed, [_receipt(feed, 0, 10)])
    nowhere = KafkaSettings(bootstrap_servers="127.0.0.1:1", request_timeout_s=0.5)
    reader = LedgerReader(SqliteStore(deployment.store_path), topics=feed.topics, codec=feed.codec, kafka=nowhere)

    assert reader.read("at_least_once").notes == (NO_BROKER,)


def test_without_a_store_the_topic_alone_is_settled(deployment: Settings) -> None:
    """Before the sink has run, receipts are on their topic."""
    feed = Feed(deployment)
    _requests(feed, 10)
    feed.events(RECEIPTS, [_receipt(feed, 0, 10)])
    ledger = _ledger_reader(deployment, feed).read("at_least_once")

    assert ledger.notes == (NO_STORE,)
    assert (ledger.models[0].accepted, ledger.balanced) == (10, True)


def test_without_either_there_is_nothing_to_settle(deployment: Settings) -> None:
    """The missing store is told with its remedy."""
    feed = Feed(deployment)
    reader = LedgerReader(SqliteStore(deployment.store_path), topics=feed.topics, codec=feed.codec, kafka=None)
    with pytest.raises(StoreNotFoundError):
        reader.read("at_least_once")


def test_repeated_ids_come_from_the_store(deployment: Settings) -> None:
    """Three records of one request are two repeats."""
    feed = Feed(deployment)
    _store(deployment, feed, [_receipt(feed, 0, 3)])
    sink = SqliteSink(deployment.store_path)
    sink.setup()
    sink.write(
        [
            prediction_document(prediction(1, source_offset=offset), cluster_id=CLUSTER, personal=frozenset())
            for offset in range(3)
        ]
    )
    sink.close()

    assert _model(deployment, feed).repeated_request_ids == 2


def test_the_weakest_guarantee_is_told(deployment: Settings) -> None:
    """One receipt of at-least-once is enough; without receipts the default is."""
    feed = Feed(deployment)
    none = _ledger_reader(deployment, feed).read("exactly_once").guarantee
    feed.events(RECEIPTS, [_receipt(feed, 0, 5), replace(_receipt(feed, 5, 9), guarantee="at_least_once")])

    assert (none, _ledger_reader(deployment, feed).read("exactly_once").guarantee) == ("exactly_once", "at_least_once")


@pytest.mark.parametrize(("records_max", "deadline_s"), [(25, 20.0), (1_000_000, 0.0)])
def test_what_goes_beyond_a_bound_is_not_counted(deployment: Settings, records_max: int, deadline_s: float) -> None:
    """Ranges that fit the bound are counted, the rest is left to an estimate; without time nothing is."""
    feed = Feed(deployment)
    topic = feed.topics.of(REQUESTS, "flights")
    for partition in (0, 1):
        _requests(feed, 20, partition=partition)
    ranges = [
        OffsetRange(place=LanePartition(CLUSTER, "flights", topic, partition), offset_from=0, offset_to=20)
        for partition in (0, 1)
    ]
    reader = build_reader(deployment.kafka)
    counted = count_records(reader, ranges, records_max=records_max, deadline_s=deadline_s)
    reader.close()

    assert counted == ({ranges[0]: 20} if deadline_s else {})


class _GrowingStore(SqliteStore):
    """A store into which the sink writes just before its receipts are asked for."""

    def __init__(self, path: Path, grow: Callable[[], None]) -> None:
        super().__init__(path)
        self._grow = grow
        self.grown = False

    def rows(
        self, question: Question, parameters: Parameters | None = None, *, time_max_s: float = TIME_MAX_S
    ) -> Generator[Row, None, None]:
        if "offset_from" in question.sql:
            self._grow()
            self.grown = True
        yield from super().rows(question, parameters, time_max_s=time_max_s)


def _receipt(feed: Feed, offset_from: int, offset_to: int, *, partition: int = 0) -> Receipt:
    topic = feed.topics.of(REQUESTS, "flights")
    made = receipt(offset_from, offset_to)
    return replace(made, cluster_id=CLUSTER, topic=topic, partition=partition, lane="scoring")


def _requests(feed: Feed, records: int, *, partition: int = 0) -> None:
    for _ in range(records):
        feed.raw(feed.topics.of(REQUESTS, "flights"), b"request", partition=partition)


def _store(settings: Settings, feed: Feed, receipts: list[Receipt]) -> None:
    """Put receipts into the store as the sink would, having read them from the start of the topic."""
    topic = feed.topics.of(RECEIPTS)
    sink = SqliteSink(settings.store_path)
    sink.setup()
    sink.write(
        [receipt_document(each, RecordPosition(CLUSTER, topic, 0, offset)) for offset, each in enumerate(receipts)]
    )
    sink.close()


def _ledger_reader(settings: Settings, feed: Feed) -> LedgerReader:
    return LedgerReader(SqliteStore(settings.store_path), topics=feed.topics, codec=feed.codec, kafka=settings.kafka)


def _model(settings: Settings, feed: Feed) -> ModelLedger:
    (model,) = _ledger_reader(settings, feed).read("exactly_once").models
    return model


def _incompressible(size: int) -> bytes:
    return bytes((number * number * 2_654_435_761 >> 11) & 0xFF for number in range(size))
