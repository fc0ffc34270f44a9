"""Records of one topic as documents; a record that does not decode is rejected alone.

The only place that knows which event travels on which topic and which document it becomes.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from consumers.documents import (
    PersonalFeatures,
    RecordPosition,
    command_document,
    dead_letter_document,
    deployment_document,
    journal_document,
    label_document,
    log_document,
    model_event_document,
    prediction_document,
    receipt_document,
    signal_document,
)
from consumers.errors import PoisonRecordError
from consumers.sinks.base import Document, FieldValue
from runtime.batch import RecordColumns
from schemas.codec import EventCodec
from schemas.columns import Rejection
from schemas.errors import EventDecodeError, SchemaNotFoundError
from schemas.events import (
    Command,
    DeadLetter,
    DeploymentState,
    JournalEntry,
    Label,
    LogEntry,
    ModelEvent,
    Receipt,
    Signal,
)
from schemas.reasons import Reason
from schemas.topics import (
    COMMANDS,
    DEAD_LETTERS,
    DEPLOYMENTS,
    JOURNAL,
    LABELS,
    LOGS,
    MODEL_EVENTS,
    PREDICTIONS,
    RECEIPTS,
    SHADOWS,
    SIGNALS,
    TopicKind,
    Topics,
)

Decode = Callable[[bytes, RecordPosition], Document]


class PredictionDecoder(Protocol):
    """Reads the framed bytes of a prediction; times come as milliseconds."""

    def read(self, value: bytes) -> Mapping[str, FieldValue]:
        """Raises `EventDecodeError`, and `SchemaRegistryUnavailableError` when asking again may help."""
        ...


@dataclass(slots=True)
class DecodedRecords:
    """Documents with the row of the record that each came from, and the rows that gave none."""

    documents: list[Document] = field(default_factory=list)
    rows: list[int] = field(default_factory=list)
    rejections: list[Rejection] = field(default_factory=list)


class RecordDecoder:
    """Decodes the topics that are stored."""

    def __init__(
        self,
        *,
        topics: Topics,
        codec: EventCodec,
        predictions: PredictionDecoder,
        cluster_id: str,
        personal_features: PersonalFeatures,
    ) -> None:
        self._topics = topics
        self._codec = codec
        self._predictions = predictions
        self._cluster_id = cluster_id
        self._personal_features = personal_features
        self._decodes: Mapping[str, Decode] = {
            LABELS.name: lambda value, _: label_document(codec.decode(Label, value)),
            DEPLOYMENTS.name: lambda value, _: deployment_document(codec.decode(DeploymentState, value)),
            COMMANDS.name: lambda value, _: command_document(codec.decode(Command, value)),
            SIGNALS.name: lambda value, _: signal_document(codec.decode(Signal, value)),
            JOURNAL.name: lambda value, _: journal_document(codec.decode(JournalEntry, value)),
            MODEL_EVENTS.name: lambda value, _: model_event_document(codec.decode(ModelEvent, value)),
            RECEIPTS.name: lambda value, at: receipt_document(codec.decode(Receipt, value), at),
            LOGS.name: lambda value, at: log_document(codec.decode(LogEntry, value), at),
        }

    def stored(self, topics: Sequence[str]) -> frozenset[str]:
        """Those of the topics whose records become documents."""
        return frozenset(topic for topic in topics if self._is_stored(self._topics.kind_of(topic)))

    def model_of(self, topic: str) -> str:
        """The model whose topic it is; empty for a system topic."""
        kind = self._topics.kind_of(topic)
        return (self._topics.model_of(topic, kind) if kind else None) or ""

    def decode(self, columns: RecordColumns) -> DecodedRecords:
        """Every row becomes a document or a rejection; a tombstone of a compacted topic is neither.

        Raises `SchemaRegistryUnavailableError`: the same records can be decoded later.
        """
        kind = self._topics.kind_of(columns.topic)
        assert self._is_stored(kind), f"{columns.topic} is not subscribed to"
        assert kind is not None
        decode = self._decode_of(kind, columns.topic)
        decoded = DecodedRecords()
        for row, value in enumerate(columns.values):
            if value is None and kind.cleanup == "compact":
                continue
            position = RecordPosition(self._cluster_id, columns.topic, columns.partitions[row], columns.offsets[row])
            try:
                document = decode(_present(value), position)
            except PoisonRecordError as error:
                decoded.rejections.append(Rejection(row=row, reason=error.reason, detail=error.detail))
            except SchemaNotFoundError as error:
                decoded.rejections.append(Rejection(row=row, reason=Reason.UNKNOWN_SCHEMA_ID, detail=str(error)))
            except EventDecodeError as error:
                decoded.rejections.append(Rejection(row=row, reason=Reason.MALFORMED, detail=str(error)))
            else:
                decoded.documents.append(document)
                decoded.rows.append(row)
        return decoded

    def _is_stored(self, kind: TopicKind | None) -> bool:
        return kind is not None and (kind.name in self._decodes or kind in (PREDICTIONS, SHADOWS, DEAD_LETTERS))

    def _decode_of(self, kind: TopicKind, topic: str) -> Decode:
        """The decoder of a topic; what a model keeps personal is asked for once per batch."""
        if kind in (PREDICTIONS, SHADOWS):
            model = self._topics.model_of(topic, kind)
            assert model is not None, topic
            return self._prediction(model, self._personal_features(model))
        if kind == DEAD_LETTERS:
            return self._dead_letter()
        return self._decodes[kind.name]

    def _prediction(self, model: str, personal: frozenset[str]) -> Decode:
        read, cluster_id = self._predictions.read, self._cluster_id

        def decode(value: bytes, _: RecordPosition) -> Document:
            prediction = read(value)
            if prediction.get("model") != model:
                raise PoisonRecordError(Reason.MALFORMED, f"not a prediction of {model}: {prediction.get('model')!r}")
            try:
                return prediction_document(prediction, cluster_id=cluster_id, personal=personal)
            except KeyError as error:
                raise PoisonRecordError(Reason.MALFORMED, f"the prediction has no field {error}") from error

        return decode

    def _dead_letter(self) -> Decode:
        known: dict[str, bool] = {}

        def decode(value: bytes, _: RecordPosition) -> Document:
            letter = self._codec.decode(DeadLetter, value)
            if letter.model not in known:
                known[letter.model] = bool(letter.model) and bool(self._personal_features(letter.model))
            return dead_letter_document(letter, personal=known[letter.model])

        return decode


def _present(value: bytes | None) -> bytes:
    if value is None:
        raise PoisonRecordError(Reason.TOMBSTONE, "the record has no value")
    return value
