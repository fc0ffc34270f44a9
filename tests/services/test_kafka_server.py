"""The harness itself: what a test may expect of the broker that it is given."""

import multiprocessing
import os
from pathlib import Path

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic  # type: ignore[attr-defined]  # its stubs forget to export it

from tests.services import kafka_jars
from tests.services.kafka_server import KafkaServer
from tests.services.ports import answers


def _make_topic(server: KafkaServer, topic: str) -> None:
    admin = AdminClient({"bootstrap.servers": server.bootstrap_servers})
    admin.create_topics([NewTopic(topic, num_partitions=1, replication_factor=1)])[topic].result(10)


def _send(server: KafkaServer, topic: str, *, values: list[bytes]) -> None:
    producer = Producer({"bootstrap.servers": server.bootstrap_servers})
    for value in values:
        producer.produce(topic, value)
    assert producer.flush(10) == 0


def _read(server: KafkaServer, topic: str) -> list[bytes]:
    consumer = Consumer(
        {"bootstrap.servers": server.bootstrap_servers, "group.id": "harness", "auto.offset.reset": "error"}
    )
    start = TopicPartition(topic, 0, 0)
    _low, high = consumer.get_watermark_offsets(start, timeout=10)
    consumer.assign([start])
    values: list[bytes] = []
    while len(values) < high:
        values += [message.value() or b"" for message in consumer.consume(high, timeout=5)]
    consumer.close()
    return values


def test_the_broker_keeps_its_data_and_port_over_a_stop_and_a_kill(tmp_path: Path) -> None:
    """What was acknowledged before a clean stop and before a kill is there afterwards, at the same address."""
    server = KafkaServer(data_dir=tmp_path / "broker")
    server.start()
    try:
        address = server.bootstrap_servers
        _make_topic(server, "kept")
        _send(server, "kept", values=[b"before the stop"])
        server.restart()
        _send(server, "kept", values=[b"before the kill"])
        server.kill()
        assert not answers(server.port)
        server.start()
        kept = _read(server, "kept")
    finally:
        server.stop()

    assert kept == [b"before the stop", b"before the kill"]
    assert server.bootstrap_servers == address
    assert not server.running


def test_one_broker_serves_the_whole_run(kafka: KafkaServer) -> None:
    """The session's broker answers, and says nothing about brokers that it does not have."""
    metadata = AdminClient({"bootstrap.servers": kafka.bootstrap_servers}).list_topics(timeout=10)

    assert [broker.port for broker in metadata.brokers.values()] == [kafka.port]


def _fetch_into(cache: str) -> None:
    os.environ["XDG_CACHE_HOME"] = cache
    kafka_jars.kafka_jars()


def test_fetches_at_once_leave_one_whole_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two processes that fetch the jars at the same time both succeed and leave nothing half done."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    context = multiprocessing.get_context("spawn")
    fetchers = [context.Process(target=_fetch_into, args=(str(tmp_path),)) for _ in range(2)]
    for fetcher in fetchers:
        fetcher.start()
    for fetcher in fetchers:
        fetcher.join(120)

    assert [fetcher.exitcode for fetcher in fetchers] == [0, 0]
    folders = [path for path in (tmp_path / "penstock").iterdir() if path.is_dir()]
    assert [folder.name for folder in folders] == [kafka_jars.kafka_jars().name]
