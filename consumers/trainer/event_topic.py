"""Model events from their topic, in order from the first one on, and the trainer's own back into it.

An event that can't be read is logged and left out: it can neither be answered nor waited for.
"""

from collections.abc import Iterator

import structlog
from confluent_kafka import KafkaError, Message

from runtime.batch import KafkaMessage
from runtime.errors import BrokerUnreachableError
from runtime.follower import Follower
from runtime.kafka import SYSTEM_PARTITION, build_producer
from runtime.settings import KafkaSettings
from schemas.codec import EventCodec
from schemas.errors import EventDecodeError
from schemas.events import ModelEvent

CATCH_UP_S = 45.0
DELIVERY_S = 60.0
_log = structlog.get_logger("penstock.trainer")


class ModelEventTopic:
    """The topic of model events, for one reader and writer."""

    def __init__(self, kafka: KafkaSettings, topic: str, codec: EventCodec) -> None:
        self._kafka = kafka
        self._topic = topic
        self._codec = codec
        self._follower = Follower(kafka, topic)
        self._producer = build_producer(kafka)
        self._fault: KafkaError | None = None

    def catch_up(self) -> Iterator[ModelEvent]:
        """All events up to now. Raises `BrokerUnreachableError`."""
        return self._events(self._follower.catch_up(CATCH_UP_S))

    def news(self) -> Iterator[ModelEvent]:
        """Events that have come since."""
        return self._events(self._follower.news())

    def publish(self, event: ModelEvent) -> None:
        """Deliver one event. Raises `BrokerUnreachableError` when the broker has not taken it in time."""
        self._producer.produce(
            self._topic,
            self._codec.encode(event),
            key=event.model.encode(),
            partition=SYSTEM_PARTITION,
            on_delivery=self._delivered,
        )
        if self._producer.flush(DELIVERY_S) or self._fault is not None:
            detail = "no answer in time" if self._fault is None else self._fault.str()
            raise BrokerUnreachableError(self._kafka.bootstrap_servers, f"{self._topic} took no event: {detail}")

    def close(self) -> None:
        self._follower.close()

    def _events(self, messages: Iterator[KafkaMessage]) -> Iterator[ModelEvent]:
        for message in messages:
            try:
                yield self._codec.decode(ModelEvent, message.value())
            except EventDecodeError as error:
                _log.error("model event not readable", offset=message.offset(), detail=str(error))

    def _delivered(self, error: KafkaError | None, _message: Message) -> None:
        self._fault = error or self._fault
