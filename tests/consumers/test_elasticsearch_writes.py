"""Writes to an Elasticsearch that is busy, broken or full: nothing is lost, and only the rest travels again."""

import threading
from collections.abc import Iterator

import pytest

from consumers.documents import prediction_document, signal_document
from consumers.errors import StoreUnavailableError
from consumers.sinks import elasticsearch as elasticsearch_sink
from consumers.sinks.base import Document
from consumers.sinks.elasticsearch import ElasticsearchSink
from runtime.settings import StoreSettings
from schemas.events import Signal
from tests.consumers.scripted_elasticsearch import (
    BROKEN,
    NO_DOCUMENT,
    TOO_BUSY,
    TOO_LONG,
    ScriptedElasticsearch,
    scripted_elasticsearch,
)
from tests.consumers.stored import prediction

DEADLINE_S = 10.0


@pytest.fixture
def server() -> Iterator[ScriptedElasticsearch]:
    """An Elasticsearch that takes everything unless told otherwise."""
    with scripted_elasticsearch() as script:
        yield script


@pytest.fixture
def sink(server: ScriptedElasticsearch) -> Iterator[ElasticsearchSink]:
    """A sink in front of it."""
    made = ElasticsearchSink(
        StoreSettings(elasticsearch_urls=server.url, bulk_bytes_max=1 << 16, bulk_requests_max=2),
        features_of=lambda _model: (),
    )
    made.setup()
    yield made
    made.close()


def test_only_what_was_not_taken_is_written_again(server: ScriptedElasticsearch, sink: ElasticsearchSink) -> None:
    """Busy and broken items are kept for the next call; what was refused for good is told once, at the end."""
    documents = _signals(5)
    server.items = {"s1": [TOO_BUSY, TOO_BUSY], "s2": [NO_DOCUMENT], "s3": [BROKEN]}
    for words in ("the queue is full", "the queue is full"):
        with pytest.raises(StoreUnavailableError, match=words):
            sink.write(documents)
    rejected = sink.write(documents)

    assert server.bulks == [["s0", "s1", "s2", "s3", "s4"], ["s1", "s3"], ["s1"]]
    assert [(each.document.id, each.detail) for each in rejected] == [
        ("s2", "document_parsing_exception: a number was expected")
    ]
    assert server.documents.keys() == {"s0", "s1", "s3", "s4"}


def test_the_next_batch_is_written_whole(server: ScriptedElasticsearch, sink: ElasticsearchSink) -> None:
    """What is remembered of one write is forgotten with its success."""
    documents = _signals(2)
    server.items = {"s1": [TOO_BUSY]}
    with pytest.raises(StoreUnavailableError):
        sink.write(documents)
    sink.write(documents)
    sink.write(documents)

    assert server.bulks == [["s0", "s1"], ["s1"], ["s0", "s1"]]


def test_a_conflict_of_versions_is_a_success(server: ScriptedElasticsearch, sink: ElasticsearchSink) -> None:
    """A newer revision is there already."""
    server.items = {"s0": [(409, {"type": "version_conflict_engine_exception", "reason": "current is higher"})]}

    assert sink.write(_signals(1)) == []


def test_requests_are_under_way_together_but_no_more_than_allowed(
    server: ScriptedElasticsearch, sink: ElasticsearchSink
) -> None:
    """Two meet at the server, as the setting says; a third is not begun before one has ended."""
    meeting = threading.Barrier(2)
    under_way: list[int] = []
    most: list[int] = []

    def meet() -> None:
        under_way.append(1)
        most.append(len(under_way))
        meeting.wait(DEADLINE_S)
        under_way.pop()

    sink.write(_signals(1))
    server.before_answer = meet
    sink.write(_signals(4, length=60_000))

    assert len(server.bulks) == 1 + 4
    assert max(most) == 2


def test_the_request_that_makes_an_index_goes_alone(server: ScriptedElasticsearch, sink: ElasticsearchSink) -> None:
    """While an index is being made nothing in it can be looked up, so others wait for its first documents."""
    second = threading.Event()
    came: list[bool] = []

    def watch() -> None:
        if came:
            second.set()
        else:
            came.append(False)
            came[0] = second.wait(0.2)

    server.before_answer = watch
    sink.write(_signals(3, length=60_000))

    assert len(server.bulks) == 3
    assert came == [False]


def test_a_request_that_is_too_long_is_halved(server: ScriptedElasticsearch, sink: ElasticsearchSink) -> None:
    """A proxy may allow less than we send; a document that is too long by itself is refused with its words."""
    server.whole = [TOO_LONG, TOO_LONG, TOO_LONG]
    rejected = sink.write(_signals(4))

    assert server.bulks == [["s0", "s1", "s2", "s3"], ["s0", "s1"], ["s0"], ["s1"], ["s2", "s3"]]
    assert [(each.document.id, each.detail) for each in rejected] == [("s0", "content_too_long: too many bytes")]


def test_documents_of_one_id_travel_one_after_the_other(server: ScriptedElasticsearch, sink: ElasticsearchSink) -> None:
    """The later one stays, however many requests are under way."""
    sink.write([*_signals(2), *_signals(2, message="later")])

    assert server.bulks == [["s0", "s1"], ["s0", "s1"]]
    assert {source["message"] for source in server.documents.values()} == {"later"}


def test_a_repeat_is_noted_before_its_prediction_is_written(
    server: ScriptedElasticsearch, sink: ElasticsearchSink
) -> None:
    """Or a crash in between would hide it; while the note is not taken the prediction waits."""
    first, second = (
        prediction_document(prediction(1, features={}, source_offset=offset), cluster_id="c", personal=frozenset())
        for offset in (1, 2)
    )
    notes = [f"{first.id}:c:0:{offset}" for offset in (1, 2)]
    sink.write([first])
    server.items = {notes[0]: [TOO_BUSY]}
    with pytest.raises(StoreUnavailableError):
        sink.write([second])
    before = server.documents[second.id]["source_offset"]
    sink.write([second])

    assert before == 1
    assert server.bulks == [[first.id], notes, notes, [second.id]]
    assert server.documents[second.id]["source_offset"] == 2


def test_a_write_that_takes_too_long_keeps_what_was_taken(
    server: ScriptedElasticsearch, sink: ElasticsearchSink, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The group must not wait for ever for its sink: a slow store gets the rest with the next call."""
    monkeypatch.setattr(elasticsearch_sink, "SUBMIT_DEADLINE_S", -1.0)
    documents = _signals(2)
    with pytest.raises(StoreUnavailableError, match="no request is begun later"):
        sink.write(documents)
    monkeypatch.undo()
    sink.write(documents)

    assert server.documents.keys() == {"s0", "s1"}


def _signals(count: int, *, message: str = "drift", length: int = 0) -> list[Document]:
    return [
        signal_document(
            Signal(
                signal_id=f"s{number}",
                model="flights",
                kind="drift",
                message=message.ljust(length, "."),
                evidence="{}",
                raised_at=1_364_774_400_000,
            )
        )
        for number in range(count)
    ]
