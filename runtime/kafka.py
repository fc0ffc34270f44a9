"""The one door to librdkafka: every property that matters is spelled out here.

Clients are built from settings and nothing else; all hash keys to partitions with murmur2,
so that producers in any language put the same key in the same place.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import structlog
from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # re-exported without __all__
    AdminClient,
    ConfigResource,
    NewTopic,
    OffsetSpec,
    ResourceType,
)

from runtime.errors import AccessDeniedError, BrokerUnreachableError, TopicMismatchError
from runtime.groups import READER_GROUP
from runtime.settings import KafkaSettings, TopicSettings
from schemas.topics import CATALOGUE, TopicKind, Topics

EMBEDDED_PARTITIONS = 4
SYSTEM_PARTITION = 0
LOG_END_TIMEOUT_S = 2.0
VALUE_BYTES_MAX = 8 << 20

_SECURITY_FAULTS = frozenset({KafkaError._AUTHENTICATION, KafkaError._SSL})
_DENIED = frozenset(
    {
        KafkaError.TOPIC_AUTHORIZATION_FAILED,
        KafkaError.GROUP_AUTHORIZATION_FAILED,
        KafkaError.CLUSTER_AUTHORIZATION_FAILED,
        KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
    }
)

_log = structlog.get_logger("penstock.kafka")


def is_embedded(kafka: KafkaSettings) -> bool:
    """Whether the broker is librdkafka's mock cluster, which `penstock up` marks by its cluster id."""
    return kafka.cluster_id.startswith("embedded-")


def build_producer(kafka: KafkaSettings, *, transactional_id: str | None = None) -> Producer:
    """An idempotent producer; with an id, a transactional one."""
    config: dict[str, Any] = {
        **_common(kafka),
        "partitioner": "murmur2_random",
        "enable.idempotence": True,
        "acks": "all",
        "linger.ms": 5,
        "batch.size": 262_144,
        "compression.type": "lz4",
        "message.max.bytes": VALUE_BYTES_MAX,
        "queue.buffering.max.messages": 500_000,
        "queue.buffering.max.kbytes": 131_072,
        "delivery.timeout.ms": 60_000,
    }
    if transactional_id is not None:
        config |= {
            "transactional.id": transactional_id,
            "transaction.timeout.ms": kafka.transaction_timeout_ms,
            "delivery.timeout.ms": kafka.transaction_timeout_ms,
            # The first call of a transaction is answered "concurrent transactions" while the broker still
            # writes the markers of the one before; at the default of 100 ms every batch would wait that long.
            "retry.backoff.ms": 4,
            "retry.backoff.max.ms": 500,
        }
    return Producer(config, logger=_StructlogAdapter())


def build_log_producer(kafka: KafkaSettings) -> Producer:
    """A producer of log lines: little is kept while the broker is away, and dropped after half a minute."""
    return Producer(
        {
            **_common(kafka),
            "enable.idempotence": True,
            "acks": "all",
            "linger.ms": 50,
            "compression.type": "lz4",
            "queue.buffering.max.messages": 10_000,
            "queue.buffering.max.kbytes": 16_384,
            "delivery.timeout.ms": 30_000,
        },
        logger=_StructlogAdapter(),
    )


def build_group_consumer(kafka: KafkaSettings, *, group: str, co_partitioned: bool = False) -> Consumer:
    """A read_committed member of a group that never lets the library choose where to start.

    `co_partitioned` members get the same numbers of every topic's partitions, and are told of each log's
    end (`KafkaError._PARTITION_EOF`). Only the range assignor does so: the sticky one moves less and mixes.
    """
    return Consumer(
        {
            **_common(kafka),
            **_consumer(),
            "group.id": group,
            "auto.offset.reset": "error",
            "partition.assignment.strategy": "range" if co_partitioned else "cooperative-sticky",
            "enable.partition.eof": co_partitioned,
            "session.timeout.ms": kafka.session_timeout_ms,
            "heartbeat.interval.ms": max(kafka.session_timeout_ms // 6, 100),
            "max.poll.interval.ms": 60_000,
        },
        logger=_StructlogAdapter(),
    )


def build_reader(kafka: KafkaSettings, *, group: str = READER_GROUP) -> Consumer:
    """A read_committed consumer for `assign()`: it joins no group and commits nothing.

    It reports the end of each partition as `KafkaError._PARTITION_EOF`; `group` only says whose
    committed offsets `committed()` returns.
    """
    return Consumer(
        {
            **_common(kafka),
            **_consumer(),
            "group.id": group,
            "auto.offset.reset": "earliest",
            "enable.partition.eof": True,
        },
        logger=_StructlogAdapter(),
    )


def log_end(reader: Consumer, topic: str, partition: int) -> int | None:
    """The offset behind the last record of the log now; None while the broker does not tell.

    Whoever waits for `_PARTITION_EOF` alone waits for ever where records keep coming.
    """
    try:
        offsets = reader.get_watermark_offsets(TopicPartition(topic, partition), timeout=LOG_END_TIMEOUT_S)
    except KafkaException:
        return None
    return None if offsets is None else offsets[1]


def build_admin(kafka: KafkaSettings) -> AdminClient:
    return AdminClient(_common(kafka), logger=_StructlogAdapter())


def cluster_id(kafka: KafkaSettings) -> str:
    """The id of the cluster whose offsets these are. Raises `BrokerUnreachableError`."""
    if kafka.cluster_id:
        return kafka.cluster_id
    return str(_metadata(kafka).cluster_id)


def partition_counts(kafka: KafkaSettings) -> dict[str, int]:
    """Every topic that exists, with its number of partitions. Raises `BrokerUnreachableError`."""
    metadata = _metadata(kafka)
    return {name: len(topic.partitions) for name, topic in metadata.topics.items()}


def log_ends(kafka: KafkaSettings, admin: AdminClient, places: Iterable[tuple[str, int]]) -> dict[tuple[str, int], int]:
    """The offset after the last record of each partition, open transactions included; unknown ones are left out.

    Raises `BrokerUnreachableError` when none can be told.
    """
    latest = {TopicPartition(*place): OffsetSpec.latest() for place in places}  # type: ignore[no-untyped-call]  # has no annotation there
    ends: dict[tuple[str, int], int] = {}
    fault: KafkaError | None = None
    futures = admin.list_offsets(latest, request_timeout=kafka.request_timeout_s) if latest else {}
    for place, future in futures.items():
        try:
            ends[place.topic, place.partition] = future.result(kafka.request_timeout_s).offset
        except KafkaException as error:
            fault = error.args[0]
    if fault is not None and not ends:
        raise BrokerUnreachableError(kafka.bootstrap_servers, fault.str())
    return ends


def ensure_topics(kafka: KafkaSettings, settings: TopicSettings, models: Iterable[str] = ()) -> list[str]:
    """Create the system topics and those of the models that do not exist; return the created names.

    Raises `TopicMismatchError` when a per-model topic has another partition count than the settings,
    `AccessDeniedError` when one is missing and this user may not create it. On the embedded broker
    topics appear on first use, so a look is enough.
    """
    topics = Topics(settings.prefix)
    wanted: dict[str, tuple[TopicKind, int]] = {}
    for kind in CATALOGUE:
        if kind.per_model:
            wanted |= {topics.of(kind, model): (kind, settings.partitions) for model in models}
        else:
            wanted[topics.of(kind)] = (kind, 1)
    admin = build_admin(kafka)
    if is_embedded(kafka):
        for name in wanted:
            _call(kafka, lambda name=name: admin.list_topics(name, timeout=kafka.request_timeout_s))
        return []
    existing = partition_counts(kafka)
    for name, (_kind, partitions) in wanted.items():
        if name in existing and existing[name] != partitions:
            raise TopicMismatchError(name, existing[name], partitions)
    missing = [
        NewTopic(
            name,
            num_partitions=partitions,
            replication_factor=settings.replication_factor,
            config=topic_config(kind),
        )
        for name, (kind, partitions) in wanted.items()
        if name not in existing
    ]
    return _create(kafka, admin, missing) if missing else []


def topic_config(kind: TopicKind) -> dict[str, str]:
    """The broker-side configuration of a topic of that kind."""
    config = {"cleanup.policy": kind.cleanup, "message.timestamp.type": "LogAppendTime"}
    if kind.cleanup == "compact":
        return {**config, "min.cleanable.dirty.ratio": "0.1"}
    # A topic of both policies keeps the newest of each key, and that no longer than retention says.
    return {**config, "retention.ms": str(kind.retention_ms)}


def describe_topic(kafka: KafkaSettings, topic: str) -> dict[str, str]:
    """The broker-side configuration in force (empty on the embedded broker, which has none)."""
    if is_embedded(kafka):
        return {}
    resource = ConfigResource(ResourceType.TOPIC, topic)
    # The client must outlive the answer: a call of one that is collected ends with it.
    admin = build_admin(kafka)
    future = admin.describe_configs([resource])[resource]
    entries = _call(kafka, lambda: future.result(kafka.request_timeout_s))
    return {name: str(entry.value) for name, entry in entries.items()}


def system_partition(topic: str, offset: int) -> TopicPartition:
    """A place in a system topic, whose records are all in partition 0."""
    return TopicPartition(topic, SYSTEM_PARTITION, offset)


def _common(kafka: KafkaSettings) -> dict[str, Any]:
    assert kafka.bootstrap_servers, "the address of the embedded broker is filled in before clients are built"
    return {
        "bootstrap.servers": kafka.bootstrap_servers,
        "client.id": "penstock",
        "socket.keepalive.enable": True,
        "reconnect.backoff.max.ms": 2_000,
        "topic.metadata.refresh.interval.ms": 10_000,
        "allow.auto.create.topics": is_embedded(kafka),
        **_security(kafka),
    }


def _security(kafka: KafkaSettings) -> dict[str, Any]:
    """Who we are and whom we believe; host names are checked, and there is no switch for that."""
    config: dict[str, Any] = {"security.protocol": kafka.security_protocol}
    if kafka.sasl:
        assert kafka.sasl_password is not None, "settings give user and password together"
        config |= {
            "sasl.mechanism": kafka.sasl_mechanism,
            "sasl.username": kafka.sasl_username,
            "sasl.password": kafka.sasl_password.get_secret_value(),
        }
    if kafka.ssl:
        files = {
            "ssl.ca.location": kafka.ssl_ca_file,
            "ssl.certificate.location": kafka.ssl_cert_file,
            "ssl.key.location": kafka.ssl_key_file,
        }
        config |= {name: str(path) for name, path in files.items() if path is not None}
        config["ssl.endpoint.identification.algorithm"] = "https"
    if kafka.ssl and kafka.ssl_key_password is not None:
        config["ssl.key.password"] = kafka.ssl_key_password.get_secret_value()
    return config


def _consumer() -> Mapping[str, Any]:
    return {
        "isolation.level": "read_committed",
        "enable.auto.commit": False,
        "enable.auto.offset.store": False,
        "queued.min.messages": 100_000,
        "queued.max.messages.kbytes": 32_768,
        "fetch.queue.backoff.ms": 20,
        "fetch.wait.max.ms": 100,
    }


def _metadata(kafka: KafkaSettings) -> Any:
    """Brokers and topics; where nobody answers, with the reason that the client was given by the way."""
    faults: list[KafkaError] = []
    config: dict[str, Any] = {**_common(kafka), "error_cb": faults.append}
    admin = AdminClient(config, logger=_StructlogAdapter())
    try:
        return admin.list_topics(timeout=kafka.request_timeout_s)
    except KafkaException as error:
        admin.poll(0)
        told = [fault for fault in faults if fault.code() in _SECURITY_FAULTS] or [error.args[0]]
        raise BrokerUnreachableError(kafka.bootstrap_servers, told[-1].str()) from error


def _call(kafka: KafkaSettings, call: Any) -> Any:
    try:
        return call()
    except KafkaException as error:
        fault: KafkaError = error.args[0]
        if fault.code() in _DENIED:
            remedy = "docs/reference/access.md says what each role may"
            raise AccessDeniedError(f"ask the broker this ({fault.str()})", remedy) from error
        raise BrokerUnreachableError(kafka.bootstrap_servers, fault.str()) from error


def _create(kafka: KafkaSettings, admin: AdminClient, missing: list[NewTopic]) -> list[str]:
    created = []
    for name, future in admin.create_topics(missing, operation_timeout=kafka.request_timeout_s).items():
        try:
            future.result(kafka.request_timeout_s)
            created.append(name)
        except KafkaException as error:
            fault: KafkaError = error.args[0]
            if fault.code() in _DENIED:
                remedy = "run `penstock topics create` as someone who is, or see that this process may describe it"
                raise AccessDeniedError(f"create the topic {name}", remedy) from error
            if fault.code() != KafkaError.TOPIC_ALREADY_EXISTS:
                raise BrokerUnreachableError(kafka.bootstrap_servers, fault.str()) from error
    return created


class _StructlogAdapter:
    """Gives librdkafka's own log lines to our log, at their level."""

    def log(self, level: int, message: str, *args: Any) -> None:
        _log.log(level, "librdkafka", detail=message % args if args else message)
