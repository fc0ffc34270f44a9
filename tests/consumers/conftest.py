"""A mock cluster for the wire tests of this room, and a deployment of its own for each test."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from confluent_kafka import Producer

from runtime.kafka import ensure_topics
from runtime.settings import KafkaSettings, Settings, StoreSettings, TopicSettings


@pytest.fixture(scope="session")
def broker() -> Iterator[str]:
    """The address of librdkafka's mock cluster, which lives as long as its producer."""
    mock = Producer({"test.mock.num.brokers": 1, "log_level": 3})
    brokers = mock.list_topics(timeout=10).brokers.values()
    yield ",".join(f"{each.host}:{each.port}" for each in brokers)
    mock.flush(1)


@pytest.fixture
def deployment(broker: str, tmp_path: Path) -> Settings:
    """Settings with a data directory and a topic prefix of the test's own; topics of `flights` exist."""
    settings = Settings(
        data_dir=tmp_path,
        kafka=KafkaSettings(bootstrap_servers=broker, cluster_id="embedded-test"),
        topics=TopicSettings(prefix=f"{tmp_path.name}."),
        store=StoreSettings(batch_wait_ms=50),
    )
    ensure_topics(settings.kafka, settings.topics, ["flights"])
    return settings
