"""The embedded broker: librdkafka's mock cluster in a process of its own.

In memory, at-least-once, one scorer: it is for laptops and demos. It keeps 5 MiB of each
partition and nothing over a restart; only the deployments are saved to disk here and given
back at the next start, so that activated models serve again.
"""

import sqlite3
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from types import TracebackType
from typing import Self

import orjson
import structlog
from confluent_kafka import Producer

from runtime.follower import Follower
from runtime.kafka import SYSTEM_PARTITION, build_producer, ensure_topics
from runtime.settings import KafkaSettings, Settings
from schemas.layout import mark_layout
from schemas.topics import DEPLOYMENTS, Topics

LAYOUT_VERSION = 1
_FLUSH_S = 10.0
_log = structlog.get_logger("penstock.embedded")


def run_embedded_broker(settings: Settings, *, stop: threading.Event, ready: Callable[[], None]) -> None:
    """Serve until `stop`; the address is in `run/broker-address.json` once `ready` was called."""
    mock = Producer({"test.mock.num.brokers": 1, "log_level": 3})
    brokers = mock.list_topics(timeout=settings.kafka.request_timeout_s).brokers.values()
    address = ",".join(f"{broker.host}:{broker.port}" for broker in brokers)
    kafka = KafkaSettings(bootstrap_servers=address, cluster_id=settings.kafka.cluster_id)
    ensure_topics(kafka, settings.topics)
    topic = Topics(settings.topics.prefix).of(DEPLOYMENTS)
    with SavedRecords(settings.data_dir / "embedded.sqlite", topic) as saved:
        restored = saved.restore(kafka)
        ensure_topics(kafka, settings.topics, restored)
        _log.info("embedded broker serves, in memory and at-least-once", address=address, models=restored)
        address_path(settings).write_bytes(orjson.dumps({"address": address, "cluster_id": kafka.cluster_id}))
        ready()
        follower = Follower(kafka, topic)
        while not stop.wait(0.2):
            saved.save((message.key() or b"", message.value()) for message in follower.news())
        saved.save((message.key() or b"", message.value()) for message in follower.news())
        follower.close()
    mock.flush(1.0)


def address_path(settings: Settings) -> Path:
    return settings.run_dir / "broker-address.json"


def read_address(settings: Settings, cluster_id: str) -> str:
    """The address of the broker that was started under that cluster id."""
    fields = orjson.loads(address_path(settings).read_bytes())
    assert fields["cluster_id"] == cluster_id, "the address was written by the broker that has just become ready"
    return str(fields["address"])


class SavedRecords:
    """The newest record per key of one topic, on disk."""

    def __init__(self, path: Path, topic: str) -> None:
        self._topic = topic
        path.parent.mkdir(parents=True, exist_ok=True)
        self._connection = sqlite3.connect(path)
        mark_layout(self._connection, path, layout=LAYOUT_VERSION)
        self._connection.execute("PRAGMA journal_mode=WAL")
        self._connection.execute(
            "CREATE TABLE IF NOT EXISTS records (topic TEXT, key BLOB, value BLOB, PRIMARY KEY (topic, key))"
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._connection.close()

    def restore(self, kafka: KafkaSettings) -> list[str]:
        """Publish what was saved; return the keys."""
        rows = self._connection.execute("SELECT key, value FROM records WHERE topic = ?", (self._topic,)).fetchall()
        producer = build_producer(kafka)
        for key, value in rows:
            producer.produce(self._topic, key=key, value=value, partition=SYSTEM_PARTITION)
        assert producer.flush(_FLUSH_S) == 0, "the broker in this very process takes records"
        return [key.decode() for key, _value in rows]

    def save(self, records: Iterable[tuple[bytes, bytes | None]]) -> None:
        with self._connection:
            self._connection.executemany(
                "INSERT INTO records VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET value = excluded.value",
                [(self._topic, key, value) for key, value in records],
            )
