"""The trainer's way to the topic of model events, on librdkafka's mock cluster."""

from contextlib import closing

import pytest

from consumers.trainer.event_topic import ModelEventTopic
from runtime.kafka import SYSTEM_PARTITION, build_producer
from runtime.process import wait_until
from runtime.settings import Settings
from schemas.codec import EventCodec
from schemas.events import ModelEvent
from schemas.topics import MODEL_EVENTS, Topics
from tests.consumers.trainer.test_requests import asked, event
from tests.contracts.schemas_in_memory import SchemasInMemory

pytestmark = pytest.mark.wire
DEADLINE_S = 30.0


@pytest.fixture
def codec() -> EventCodec:
    return EventCodec(SchemasInMemory())


@pytest.fixture
def topic(deployment: Settings) -> str:
    return Topics(deployment.topics.prefix).of(MODEL_EVENTS)


def test_events_are_read_from_the_first_on(deployment: Settings, topic: str, codec: EventCodec) -> None:
    """All events up to now come first and in order, what was published later comes as news."""
    writer = ModelEventTopic(deployment.kafka, topic, codec)
    first, second, third = asked("a"), asked("b"), event("Trained", "a:Trained", caused_by="a")
    for each in (first, second):
        writer.publish(each)

    with closing(ModelEventTopic(deployment.kafka, topic, codec)) as reader:
        caught_up = list(reader.catch_up())
        writer.publish(third)
        news: list[ModelEvent] = []

        def arrived() -> bool:
            news.extend(reader.news())
            return bool(news)

        assert wait_until(arrived, timeout_s=DEADLINE_S)
    writer.close()

    assert caught_up == [first, second]
    assert news == [third]


def test_what_can_not_be_read_is_left_out(deployment: Settings, topic: str, codec: EventCodec) -> None:
    """Bytes that are no event, and a tombstone, hide nothing that comes after them."""
    producer = build_producer(deployment.kafka)
    for value in (b"no event", None, codec.encode(asked("a"))):
        producer.produce(topic, value, key=b"m", partition=SYSTEM_PARTITION)
    assert producer.flush(DEADLINE_S) == 0

    with closing(ModelEventTopic(deployment.kafka, topic, codec)) as reader:
        assert list(reader.catch_up()) == [asked("a")]
