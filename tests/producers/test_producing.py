"""Producers on a real client: typed, delivered or raised, personal features as tokens, held back when it must be."""

import random
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from confluent_kafka import Consumer, TopicPartition
from pydantic import SecretStr

from producers.commands import CommandProducer
from producers.errors import DeliveryFailedError, HoldbackTimeoutError, PersonalKeyError, UnknownModelError
from producers.holdback import Holdback
from producers.labels import LabelProducer
from producers.model_schema import request_subject
from producers.publisher import Publisher
from producers.requests import RequestProducer
from runtime.clock import FixedClock
from runtime.errors import StackNotRunningError
from runtime.kafka import build_reader
from runtime.settings import KafkaSettings, ProducerSettings, Settings, load_settings
from schemas.codec import EventCodec
from schemas.decoders import build_decoder
from schemas.directory_registry import DirectoryRegistry
from schemas.errors import RequestValueError
from schemas.events import Command, Label
from schemas.request_schema import request_schema
from schemas.signature import Feature, FeatureKind
from schemas.topics import Topics
from tests.runtime.lane_parts import embedded_kafka

pytestmark = pytest.mark.wire

FEATURES = (
    Feature(name="weight", kind=FeatureKind.NUMBER, dtype="float64", nullable=True),
    Feature(name="items", kind=FeatureKind.INTEGER, dtype="int64"),
)
WITH_PERSON = (*FEATURES, Feature(name="street", kind=FeatureKind.STRING, dtype="object", nullable=True, personal=True))
VALUES = {"weight": 1.5, "items": 2}


@pytest.fixture(scope="module")
def kafka() -> Iterator[KafkaSettings]:
    with embedded_kafka() as running:
        yield running


@pytest.fixture
def settings(kafka: KafkaSettings, tmp_path: Path) -> Settings:
    """Settings on the mock cluster with topics of this test alone."""
    return load_settings(data_dir=tmp_path, kafka=kafka, topics={"prefix": f"{tmp_path.name}."})


@pytest.fixture
def registry(settings: Settings) -> DirectoryRegistry:
    """A registry where `parcels` has a request schema, and `letters` one with a personal feature."""
    made = DirectoryRegistry(settings.registry_dir / "schemas.sqlite")
    topics = Topics(settings.topics.prefix)
    made.register(request_subject(topics, "parcels"), request_schema("parcels", FEATURES))
    made.register(request_subject(topics, "letters"), request_schema("letters", WITH_PERSON))
    return made


def values_in(settings: Settings, topic: str, count: int) -> list[tuple[bytes | None, bytes]]:
    """Keys and values of a topic, once so many are there."""
    reader: Consumer = build_reader(settings.kafka)
    reader.assign([TopicPartition(topic, partition, 0) for partition in range(4)])
    found: list[tuple[bytes | None, bytes]] = []
    deadline = time.monotonic() + 20
    while len(found) < count and time.monotonic() < deadline:
        found += [(each.key(), each.value() or b"") for each in reader.consume(100, 0.1) if each.error() is None]
    reader.close()
    return found


def test_requests_arrive_typed_with_ids_that_order_by_time(settings: Settings, registry: DirectoryRegistry) -> None:
    """What was sent is what a scorer decodes; the ids are ours and ascend."""
    with RequestProducer(settings, "parcels", clock=FixedClock(1_000), chance=random.Random(1)) as producer:
        ids = [producer.send(f"c{number}", VALUES) for number in range(3)]
        given = producer.send("c9", {"items": 7}, event_time=5, request_id="mine")
    values = [value for _, value in values_in(settings, producer.topic, 4)]
    decoder = build_decoder("fastavro", registry=registry, request_schema_id=1, value_bytes_max=10_000)
    columns, rejections = decoder.decode(values)
    rows = dict(zip(columns.request_ids.to_pylist(), columns.features.to_pylist(), strict=True))

    assert (ids, given) == (sorted(set(ids)), "mine")
    assert rejections == []
    assert rows == {**dict.fromkeys(ids, VALUES), "mine": {"weight": None, "items": 7}}
    assert sorted(columns.event_times.tolist()) == [5, 1_000, 1_000, 1_000]
    assert producer.accepted == 4


@pytest.mark.parametrize(
    ("features", "field"),
    [({"weight": 1.0}, "items"), ({"items": "two"}, "items"), ({"items": 2, "wieght": 1.0}, "wieght")],
)
def test_what_does_not_fit_is_refused_by_name_and_not_sent(
    settings: Settings, registry: DirectoryRegistry, features: dict[str, object], field: str
) -> None:
    """Missing, of another kind, unknown."""
    with RequestProducer(settings, "parcels") as producer:
        with pytest.raises(RequestValueError, match=field):
            producer.send("c1", features)

        assert producer.flush() == 0


def test_personal_features_are_not_sent_without_a_key(settings: Settings, registry: DirectoryRegistry) -> None:
    """The producer refuses at once and names the feature and the setting."""
    with pytest.raises(PersonalKeyError, match=r"street of letters .* producers.personal_key"):
        RequestProducer(settings, "letters")


def test_personal_features_travel_as_tokens(settings: Settings, registry: DirectoryRegistry) -> None:
    """The same text gives the same token; the text itself is nowhere in the bytes."""
    key = ProducerSettings(personal_key=SecretStr("secret"))
    keyed = settings.model_copy(update={"producers": key})
    with RequestProducer(keyed, "letters") as producer:
        for number in range(2):
            producer.send("c1", {**VALUES, "street": "Elm Street"}, request_id=f"r{number}")
        producer.send("c1", {**VALUES, "street": None}, request_id="r2")
    values = [value for _, value in values_in(settings, producer.topic, 3)]
    decoder = build_decoder("fastavro", registry=registry, request_schema_id=2, value_bytes_max=10_000)
    columns, _ = decoder.decode(values)
    tokens = columns.features.column("street").to_pylist()

    assert b"Elm" not in b"".join(values)
    assert tokens[0] == tokens[1]
    assert (len(tokens[0]), tokens[2]) == (32, None)


def test_a_model_without_versions_is_refused(settings: Settings, registry: DirectoryRegistry) -> None:
    """With the command that registers one."""
    with pytest.raises(UnknownModelError, match="penstock models add nothing"):
        RequestProducer(settings, "nothing")


def test_without_a_stack_or_servers_there_is_nothing_to_send_to(tmp_path: Path) -> None:
    """The remedy names both."""
    with pytest.raises(StackNotRunningError, match="penstock up"):
        CommandProducer(load_settings(data_dir=tmp_path))


def test_labels_and_commands_arrive_as_their_events(settings: Settings, registry: DirectoryRegistry) -> None:
    """Labels under the entity's key, commands in partition 0 under the model's."""
    codec = EventCodec(registry)
    with LabelProducer(settings, "parcels", clock=FixedClock(9)) as labels:
        labels.send("r1", "c1", label="1", revision=2)
    commands = CommandProducer(settings, clock=FixedClock(9))
    sent = commands.send("activate", "parcels", arguments={"version": "1"}, command_id="id", issued_by="ada")
    topics = settings.topics.prefix
    ((label_key, label),) = values_in(settings, f"{topics}parcels.labels", 1)
    ((command_key, command),) = values_in(settings, f"{topics}commands", 1)

    assert (label_key, command_key) == (b"c1", b"parcels")
    assert codec.decode(Label, label) == Label(
        model="parcels", request_id="r1", entity_id="c1", label="1", event_time=9, revision=2
    )
    assert codec.decode(Command, command) == sent


def test_a_broker_that_does_not_answer_is_an_error_in_time(settings: Settings) -> None:
    """Nothing is dropped silently, and no wait is for ever."""
    away = settings.model_copy(
        update={
            "kafka": KafkaSettings(bootstrap_servers="127.0.0.1:1", cluster_id="real"),
            "producers": ProducerSettings(delivery_timeout_s=1.0),
        }
    )
    publisher = Publisher(away)
    publisher.publish("topic", b"value", key=b"key")
    started = time.monotonic()
    with pytest.raises(DeliveryFailedError, match=r"1 record\(s\) were not accepted"):
        publisher.flush()

    assert time.monotonic() - started < 10


class Readers:
    """A group that has read a topic up to where it is told."""

    def __init__(self, settings: Settings, group: str, topic: str) -> None:
        self._consumer = build_reader(settings.kafka, group=group)
        self._topic = topic

    def read_to(self, offset: int) -> None:
        places = [TopicPartition(self._topic, partition, offset) for partition in range(4)]
        self._consumer.commit(offsets=places, asynchronous=False)


@pytest.fixture
def narrow(settings: Settings) -> Callable[[float], tuple[Holdback, Publisher, str]]:
    """A holdback with the smallest bound, and a publisher with eight records of 16 KiB sent to partition 0."""

    def make(timeout_s: float) -> tuple[Holdback, Publisher, str]:
        bounded = settings.model_copy(
            update={
                "embedded": settings.embedded.model_copy(update={"lag_bytes_max": 65_536}),
                "producers": ProducerSettings(holdback_timeout_s=timeout_s),
            }
        )
        topic = f"{settings.topics.prefix}narrow"
        holdback = Holdback(bounded, groups=["slow"], topic=topic)
        publisher = Publisher(bounded)
        for _ in range(8):
            holdback.is_due(16_384)
            publisher.publish(topic, bytes(16_384), key=b"k", partition=0)
        publisher.flush()
        return holdback, publisher, topic

    return make


def test_a_producer_waits_until_its_readers_have_caught_up(
    settings: Settings, narrow: Callable[[float], tuple[Holdback, Publisher, str]]
) -> None:
    """It is let go when the lag is below the bound, no earlier."""
    holdback, _, topic = narrow(30.0)
    readers = Readers(settings, "slow", topic)
    released = threading.Event()

    def wait() -> None:
        holdback.wait()
        released.set()

    waiting = threading.Thread(target=wait, daemon=True)
    waiting.start()

    assert not released.wait(0.5)
    readers.read_to(6)
    assert released.wait(10)
    waiting.join(5)
    holdback.close()


def test_readers_that_stand_still_are_an_error_in_time(
    narrow: Callable[[float], tuple[Holdback, Publisher, str]],
) -> None:
    """It names the group, the topic and what to do."""
    holdback, _, topic = narrow(0.3)
    with pytest.raises(HoldbackTimeoutError, match=rf"slow is about [\d,]+ bytes behind on {topic}"):
        holdback.wait()
    holdback.close()


def test_a_holdback_looks_every_eighth_of_its_bound(
    narrow: Callable[[float], tuple[Holdback, Publisher, str]],
) -> None:
    """Small records count as at least 64 bytes, so that very many of them are looked at too."""
    holdback, _, _ = narrow(0.3)
    with pytest.raises(HoldbackTimeoutError):
        holdback.wait()
    looks = [holdback.is_due(1) for _ in range(128)]
    holdback.close()

    assert looks == [False] * 127 + [True]
