"""The door for people who write stream processors with Faust.

`build_app` gives an app that reads committed records only and starts from the configured
brokers; `topic_of` gives any topic of the catalogue with its codec. Agents see re-deliveries,
so what they do must be idempotent, and an exception in an agent still acknowledges the event:
catch what you can't lose.
"""

import ssl
from typing import Any

import faust
from faust.auth import Credentials
from faust.serializers.codecs import Codec
from faust.transport.drivers.aiokafka import AIOKafkaConsumerThread, Consumer, Transport
from faust.types import TopicT

from runtime.settings import KafkaSettings, Settings
from runtime.tls import TlsFiles, tls_context
from schemas.codec import EventCodec
from schemas.events import EVENT_TYPES
from schemas.prediction_reader import PredictionReader
from schemas.registry_port import SchemaRegistry
from schemas.topics import TopicKind, Topics

SESSION_S = 6.0
HEARTBEAT_S = 1.0
_EVENTS = {event_type.__name__: event_type for event_type in EVENT_TYPES}


class PenstockApp(faust.App):
    """A Faust app whose consumer sees committed records only."""

    def _new_transport(self) -> "ReadCommittedTransport":
        return ReadCommittedTransport(self.conf.broker_consumer, self)


def build_app(name: str, settings: Settings, **options: Any) -> PenstockApp:
    """An app of that name, which is also its consumer group; `options` are Faust's own.

    `settings` name a broker that exists (see `runtime.stack.attach`). Topics are not declared
    by the app: they are penstock's, made by it.
    """
    servers = settings.kafka.bootstrap_servers.split(",")
    credentials = _credentials(settings.kafka)
    defaults: dict[str, Any] = {
        "broker": [f"kafka://{server}" for server in servers],
        "store": "memory://",
        "topic_allow_declare": False,
        "topic_disable_leader": True,
        "web_enabled": False,
        "broker_session_timeout": SESSION_S,
        "broker_heartbeat_interval": HEARTBEAT_S,
        "consumer_auto_offset_reset": "earliest",
        **({} if credentials is None else {"broker_credentials": credentials}),
    }
    return PenstockApp(name, **{**defaults, **options})


def topic_of(
    app: faust.App, kind: TopicKind, model: str | None = None, *, settings: Settings, schemas: SchemaRegistry
) -> TopicT:
    """A topic of the catalogue whose values arrive decoded: a prediction as a dict, others as their event.

    Keys stay bytes. Values can't be sent through it: publish with the `producers` API.
    """
    name = Topics(settings.topics.prefix).of(kind, model)
    return app.topic(name, key_serializer="raw", value_serializer=_ReadCodec(kind, schemas))


def _credentials(kafka: KafkaSettings) -> Credentials | None:
    """Who the app is and whom it believes, as Faust wants to hear it. Raises `SettingsError`."""
    context = _tls(kafka) if kafka.ssl else None
    if kafka.sasl:
        assert kafka.sasl_password is not None, "settings give user and password together"
        return faust.SASLCredentials(
            username=kafka.sasl_username,
            password=kafka.sasl_password.get_secret_value(),
            mechanism=kafka.sasl_mechanism,
            ssl_context=context,
        )
    return None if context is None else faust.SSLCredentials(context)


def _tls(kafka: KafkaSettings) -> ssl.SSLContext:
    return tls_context(
        TlsFiles(
            ca=("kafka.ssl_ca_file", kafka.ssl_ca_file),
            certificate=("kafka.ssl_cert_file", kafka.ssl_cert_file),
            key=("kafka.ssl_key_file", kafka.ssl_key_file),
            key_password=kafka.ssl_key_password,
        )
    )


class ReadCommittedTransport(Transport):
    """aiokafka as Faust drives it, with `isolation_level=read_committed`, for which Faust has no setting."""


class _ReadCommittedThread(AIOKafkaConsumerThread):
    def _create_worker_consumer(self, transport: Transport) -> Any:
        consumer = super()._create_worker_consumer(transport)
        # aiokafka reads it when the consumer starts, which is after this.
        consumer._isolation_level = "read_committed"
        return consumer


class _ReadCommittedConsumer(Consumer):
    def _new_consumer_thread(self) -> _ReadCommittedThread:
        return _ReadCommittedThread(self, loop=self.loop, beacon=self.beacon)


ReadCommittedTransport.Consumer = _ReadCommittedConsumer


class _ReadCodec(Codec):
    """Decodes the values of one kind of topic."""

    def __init__(self, kind: TopicKind, schemas: SchemaRegistry) -> None:
        super().__init__()
        event_type = _EVENTS.get(kind.value)
        self._read = (
            PredictionReader(schemas).read
            if event_type is None
            else lambda value: EventCodec(schemas).decode(event_type, value)
        )

    def _loads(self, value: bytes) -> Any:
        return self._read(value)
