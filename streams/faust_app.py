"""The door for people who write stream processors with Faust.

`build_app` gives an app that reads committed records only and starts from the configured
brokers; `topic_of` gives any topic of the catalogue with its codec. Agents see re-deliveries,
so what they do must be idempotent, and an exception in an agent still acknowledges the event:
catch what you can't lose.
"""

from typing import Any

import faust
from faust.serializers.codecs import Codec
from faust.transport.drivers.aiokafka import AIOKafkaConsumerThread, Consumer, Transport
from faust.types import TopicT

from runtime.settings import Settings
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
    defaults: dict[str, Any] = {
        "broker": [f"kafka://{server}" for server in servers],
        "store": "memory://",
        "topic_allow_declare": False,
        "topic_disable_leader": True,
        "web_enabled": False,
        "broker_session_timeout": SESSION_S,
        "broker_heartbeat_interval": HEARTBEAT_S,
        "consumer_auto_offset_reset": "earliest",
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
