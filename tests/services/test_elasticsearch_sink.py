"""What only a real Elasticsearch shows of the sink: its mappings, its refusals, its limits and its own words."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import pytest
from elasticsearch import Elasticsearch

from consumers.documents import prediction_document
from consumers.errors import StoreMismatchError, StoreUnavailableError
from consumers.sinks.base import Document, FieldValue
from consumers.sinks.elasticsearch import ElasticsearchSink
from runtime.settings import StoreSettings
from schemas.signature import Feature, FeatureKind
from tests.consumers.stored import APRIL, DAY_MS, prediction
from tests.services.elasticsearch_server import ElasticsearchServer

PREFIX = "sink"
APRILS = "sink-predictions-flights.2013.04"
DELAY = Feature(name="delay", kind=FeatureKind.NUMBER, dtype="float64", nullable=True)
STOPS = Feature(name="stops", kind=FeatureKind.INTEGER, dtype="int64")
CARRIER = Feature(name="carrier", kind=FeatureKind.STRING, dtype="object")
TAIL = Feature(name="tail", kind=FeatureKind.STRING, dtype="object", personal=True)
REQUEST_ID_LONG = "r" * 600


@pytest.fixture
def settings(elasticsearch: ElasticsearchServer) -> StoreSettings:
    """An empty store."""
    return elasticsearch.store_settings(PREFIX)


@pytest.fixture
def client(elasticsearch: ElasticsearchServer) -> Iterator[Elasticsearch]:
    """A client of the test's own, to look at what was stored."""
    with elasticsearch.client() as made:
        yield made


def test_features_have_the_types_of_their_signature(settings: StoreSettings, client: Elasticsearch) -> None:
    """So analysts can add up numbers, count words and look for ranges; a personal feature has no place."""
    features = [DELAY, STOPS, CARRIER, TAIL]
    with _sink(settings, features) as sink:
        rejected = sink.write(
            [
                _document(1, features={"delay": 1.5, "stops": 1, "carrier": "UA"}),
                _document(2, features={"delay": 2.5, "stops": 2, "carrier": "UA"}),
                _document(3, features={"delay": None, "stops": 3, "carrier": "B6"}),
                _document(4, features={"delay": None, "stops": 3, "carrier": "B6", "tail": "N1"}),
            ]
        )
    client.indices.refresh(index=APRILS)
    answer = client.search(
        index=APRILS,
        size=0,
        query={"range": {"features.stops": {"lte": 3}}},
        aggs={
            "carrier": {"terms": {"field": "features.carrier"}},
            "delay": {"avg": {"field": "features.delay"}},
            "stops": {"sum": {"field": "features.stops"}},
        },
    )["aggregations"]
    mapped = client.indices.get_mapping(index=APRILS)[APRILS]["mappings"]["properties"]["features"]

    assert [(bucket["key"], bucket["doc_count"]) for bucket in answer["carrier"]["buckets"]] == [("UA", 2), ("B6", 1)]
    assert (answer["delay"]["value"], answer["stops"]["value"]) == (2.0, 6.0)
    assert {name: each["type"] for name, each in mapped["properties"].items()} == {
        "delay": "double",
        "stops": "long",
        "carrier": "keyword",
    }
    assert [rejection.document.id for rejection in rejected] == ["flights:r4:live"]
    assert "strict_dynamic_mapping_exception" in rejected[0].detail
    assert "tail" in rejected[0].detail


def test_a_feature_that_appears_later_is_mapped_before_it_is_written(
    settings: StoreSettings, client: Elasticsearch
) -> None:
    """In the month that is being written and in those that come; other models keep their own."""
    known = [DELAY]
    with _sink(settings, known) as sink:
        sink.write([_document(1, features={"delay": 1.0})])
        known.append(STOPS)
        later = _document(2, features={"delay": 1.0, "stops": 1})
        rejected = sink.write([later, _document(3, days=40, features={"stops": 2})])
    found = client.indices.get_mapping(index=f"{PREFIX}-predictions-*")

    assert rejected == []
    assert {
        index: sorted(each["mappings"]["properties"]["features"]["properties"]) for index, each in found.items()
    } == {
        APRILS: ["delay", "stops"],
        "sink-predictions-flights.2013.05": ["delay", "stops"],
    }


def test_documents_lie_in_the_month_of_their_event_time_with_their_revision(
    settings: StoreSettings, client: Elasticsearch
) -> None:
    """A replay finds its document again, and an older revision changes nothing and is no failure."""
    documents = [_document(number, days=days) for number, days in ((1, 0), (2, 29), (3, 30))]
    older = _document(1, requested_at=APRIL - 1, score=0.0)
    with _sink(settings, []) as sink:
        rejected = sink.write(documents) + sink.write(documents) + sink.write([older])
    first = client.get(index=APRILS, id="flights:r1:live")
    client.indices.refresh(index=f"{PREFIX}-*")

    assert rejected == []
    assert (first["_version"], first["_source"]["score"]) == (documents[0].revision, 0.25)
    assert client.count(index=APRILS)["count"] == 2
    assert client.count(index="sink-predictions-flights.2013.05")["count"] == 1


def test_an_id_that_is_too_long_is_hashed(settings: StoreSettings, client: Elasticsearch) -> None:
    """Elasticsearch takes 512 bytes, and would refuse all that came with it; the request's id stays whole."""
    with _sink(settings, []) as sink:
        documents = [_document(1, request_id=REQUEST_ID_LONG), _document(2)]
        rejected = sink.write(documents) + sink.write(documents)
    client.indices.refresh(index=APRILS)
    hits = client.search(index=APRILS, sort="source_offset")["hits"]["hits"]

    assert rejected == []
    assert [hit["_id"][:7] for hit in hits] == ["sha256:", "flights"]
    assert hits[0]["_source"]["request_id"] == REQUEST_ID_LONG


def test_a_cluster_that_can_take_no_more_indices_is_waited_for(settings: StoreSettings, client: Elasticsearch) -> None:
    """It is refused with the code of a wrong document, and yet no document is at fault."""
    new_month = _document(1, days=400)
    with _sink(settings, []) as sink:
        sink.write([_document(2)])
        client.cluster.put_settings(persistent={"cluster.max_shards_per_node": 1})
        with pytest.raises(StoreUnavailableError, match="maximum normal shards open"):
            sink.write([new_month, _document(3)])
        client.cluster.put_settings(persistent={"cluster.max_shards_per_node": None})
        rejected = sink.write([new_month, _document(3)])

    assert rejected == []
    assert client.exists(index="sink-predictions-flights.2014.05", id=new_month.id)


def test_a_month_that_was_closed_is_waited_for(settings: StoreSettings, client: Elasticsearch) -> None:
    """An operator who closes an index has not thrown its documents away."""
    with _sink(settings, []) as sink:
        sink.write([_document(1)])
        client.indices.close(index=APRILS)
        with pytest.raises(StoreUnavailableError, match="index_closed_exception"):
            sink.write([_document(2)])
        client.indices.open(index=APRILS)

        assert sink.write([_document(2)]) == []


def test_one_document_that_is_too_long_is_refused_alone(elasticsearch: ElasticsearchServer) -> None:
    """Whatever Elasticsearch refuses as a whole is halved until the document at fault is alone."""
    settings = elasticsearch.store_settings(PREFIX)
    huge = _document(1, entity_id="x" * (101 << 20))
    with _sink(settings, []) as sink:
        rejected = sink.write([_document(2), huge, _document(3)])

    assert [rejection.document.id for rejection in rejected] == [huge.id]


def test_an_index_of_another_form_is_told(settings: StoreSettings, client: Elasticsearch) -> None:
    """A field can't change its type: that is for a person, and `penstock store check` has the list."""
    client.indices.create(index="sink-signals.2013.04", mappings={"properties": {"kind": {"type": "long"}}})
    with (
        pytest.raises(StoreMismatchError, match=r"index sink-signals.2013.04 .* cannot be changed"),
        _sink(settings, []),
    ):
        pass


def test_a_server_that_does_not_answer_is_unavailable() -> None:
    """With the address that was tried."""
    settings = StoreSettings(elasticsearch_urls="http://127.0.0.1:1", request_timeout_s=1)
    with pytest.raises(StoreUnavailableError, match=r"http://127\.0\.0\.1:1 can't be reached"), _sink(settings, []):
        pass


@contextmanager
def _sink(settings: StoreSettings, features: Sequence[Feature]) -> Iterator[ElasticsearchSink]:
    sink = ElasticsearchSink(settings, features_of=lambda _model: tuple(features))
    try:
        sink.setup()
        yield sink
    finally:
        sink.close()


def _document(number: int, *, days: int = 0, **changes: FieldValue) -> Document:
    time = APRIL + days * DAY_MS
    fields = prediction(number, features={}, event_time=time, requested_at=time, scored_at=time) | changes
    return prediction_document(fields, cluster_id="cluster", personal=frozenset())
