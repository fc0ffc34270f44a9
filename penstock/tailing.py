"""Predictions as others read them: read_committed, from all partitions, without joining a group."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, Message, TopicPartition

from penstock import wiring
from penstock.errors import TopicNotFoundError
from runtime.errors import BrokerUnreachableError
from runtime.kafka import build_reader, partition_counts
from runtime.settings import Settings
from runtime.stack import attach
from schemas.topics import PREDICTIONS

_POLL_RECORDS = 500
# A poll waits this long for a full batch, so it adds to how late a prediction is seen.
_POLL_S = 0.02
_CALL_S = 10.0
TIMES = ("event_time", "requested_at", "scored_at")


@dataclass(frozen=True, slots=True)
class TailedPrediction:
    """One prediction and where its record lies."""

    prediction: Mapping[str, object]
    partition: int
    offset: int


class PredictionTail:
    """The predictions of one model, from the start of the topic or from now on."""

    def __init__(self, settings: Settings, model: str, *, from_start: bool) -> None:
        attached = attach(settings)
        topic = wiring.topics(settings).of(PREDICTIONS, model)
        partitions = partition_counts(attached.kafka).get(topic)
        if partitions is None:
            raise TopicNotFoundError(topic)
        self._bootstrap = attached.kafka.bootstrap_servers
        self._decode = wiring.prediction_reader(settings).read
        self._reader = build_reader(attached.kafka)
        places = [TopicPartition(topic, partition, OFFSET_BEGINNING) for partition in range(partitions)]
        self._reader.assign(places if from_start else [self._at_end(place) for place in places])

    def poll(self) -> list[TailedPrediction]:
        """What has come since; waits for a moment when there is nothing. Raises `EventDecodeError`."""
        return [self._tailed(message) for message in _records(self._reader)]

    def close(self) -> None:
        self._reader.close()

    def _at_end(self, place: TopicPartition) -> TopicPartition:
        try:
            _, end = self._reader.get_watermark_offsets(place, timeout=_CALL_S)
        except KafkaException as error:
            raise BrokerUnreachableError(self._bootstrap, error.args[0].str()) from error
        return TopicPartition(place.topic, place.partition, end)

    def _tailed(self, message: Message) -> TailedPrediction:
        value = message.value()
        assert isinstance(value, bytes), "a prediction is never a tombstone"
        return TailedPrediction(self._decode(value), message.partition() or 0, message.offset() or 0)


def _records(reader: Consumer) -> Iterator[Message]:
    """Records without the ends of partitions. Raises `KafkaException` for what does not pass by itself."""
    for message in reader.consume(_POLL_RECORDS, _POLL_S):
        fault = message.error()
        if fault is None:
            yield message
        elif fault.code() != KafkaError._PARTITION_EOF and not fault.retriable():
            raise KafkaException(fault)
