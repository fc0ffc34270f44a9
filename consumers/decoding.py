"""Records of one topic as documents; a record that does not decode is rejected alone.

The only place that knows which event travels on which topic and which document it becomes.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from consumers.documents import (
    PersonalFeatures,
    RecordPosition,
    cohort_document,
    command_document,
    dead_letter_document,
    deployment_document,
    journal_document,
    label_document,
    log_document,
    model_event_document,
    outcome_document,
    prediction_document,
    profile_document,
    receipt_document,
    signal_document,
)
from consumers.errors import PoisonRecordError
from consumers.performance_table import PerformanceTable
from consumers.sinks.base import Document, FieldValue
from runtime.batch import RecordColumns
from schemas.codec import EventCodec
from schemas.columns import Rejection
from schemas.errors import EventDecodeError, SchemaNotFoundError
from schemas.events import (
    Cohort,
    Command,
    DeadLetter,
    DeploymentState,
    JournalEntry,
    Label,
    LogEntry,
    ModelEvent,
    Performance,
    Profile,
    Receipt,
    Signal,
)
from schemas.reasons import Reason
from schemas.topics import (
    COHORTS,
    COMMANDS,
    DEAD_LETTERS,
    DEPLOYMENTS,
    JOURNAL,
    LABELS,
    LOGS,
    MODEL_EVENTS,
    OUTCOMES,
    PERFORMANCE,
    PREDICTIONS,
    PROFILES,
    RECEIPTS,
    SHADOWS,
    SIGNALS,
    TopicKind,
    Topics,
)

Decode = Callable[[bytes, RecordPosition], Document]
_REFUSALS = (PoisonRecordError, SchemaNotFoundError, EventDecodeError)


class PredictionDecoder(Protocol):
    """Reads the framed bytes of predictions or of outcomes; times come as milliseconds."""

    def read_all(self, values: Sequence[bytes]) -> Sequence[Mapping[str, FieldValue] | EventDecodeError]:
        """Each of them, or why there is none, in order.

        Raises `SchemaRegistryUnavailableError` when asking again may help.
        """
        ...


class ToDocument(Protocol):
    """Makes a document of a decoded prediction or outcome. Raises `PoisonRecordError` for what is none."""

    def __call__(
        self, prediction: Mapping[str, FieldValue], *, cluster_id: str, personal: frozenset[str]
    ) -> Document: ...


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
        outcomes: PredictionDecoder,
        performance: PerformanceTable,
        cluster_id: str,
        personal_features: PersonalFeatures,
    ) -> None:
        self._topics = topics
        self._codec = codec
        self._readers: Mapping[str, tuple[PredictionDecoder, ToDocument]] = {
            PREDICTIONS.name: (predictions, prediction_document),
            SHADOWS.name: (predictions, prediction_document),
            OUTCOMES.name: (outcomes, outcome_document),
        }
        self._performance = performance
        self._cluster_id = cluster_id
        self._personal_features = personal_features
        self._decodes: Mapping[str, Decode] = {
            LABELS.name: lambda value, _: label_document(codec.decode(Label, value)),
            DEPLOYMENTS.name: lambda value, _: deployment_document(codec.decode(DeploymentState, value)),
            COMMANDS.name: lambda value, _: command_document(codec.decode(Command, value)),
            COHORTS.name: lambda value, _: cohort_document(codec.decode(Cohort, value)),
            PERFORMANCE.name: lambda value, _: performance.document(codec.decode(Performance, value)),
            PROFILES.name: lambda value, _: profile_document(codec.decode(Profile, value)),
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
        assert kind is not None, columns.topic
        assert self._is_stored(kind), f"{columns.topic} is not subscribed to"
        if kind == PERFORMANCE and columns.offsets:
            self._performance.follow_to(columns.offsets[-1])
        if kind.name in self._readers:
            return self._predictions_of(columns, *self._readers[kind.name])
        return self._events_of(columns, kind)

    def _predictions_of(
        self, columns: RecordColumns, reader: PredictionDecoder, to_document: ToDocument
    ) -> DecodedRecords:
        """What the model keeps personal is asked for once per batch."""
        model = self.model_of(columns.topic)
        personal = self._personal_features(model)
        decoded = DecodedRecords()
        for row, found in enumerate(reader.read_all([value or b"" for value in columns.values])):
            try:
                prediction = _prediction_of(found, columns.values[row], model)
                document = to_document(prediction, cluster_id=self._cluster_id, personal=personal)
            except _REFUSALS as error:
                decoded.rejections.append(_rejection(row, error))
            else:
                decoded.documents.append(document)
                decoded.rows.append(row)
        return decoded

    def _events_of(self, columns: RecordColumns, kind: TopicKind) -> DecodedRecords:
        decode = self._dead_letter() if kind == DEAD_LETTERS else self._decodes[kind.name]
        decoded = DecodedRecords()
        for row, value in enumerate(columns.values):
            if value is None and kind.cleanup == "compact":
                continue
            position = RecordPosition(self._cluster_id, columns.topic, columns.partitions[row], columns.offsets[row])
            try:
                document = decode(_present(value), position)
            except _REFUSALS as error:
                decoded.rejections.append(_rejection(row, error))
            else:
                decoded.documents.append(document)
                decoded.rows.append(row)
        return decoded

    def _is_stored(self, kind: TopicKind | None) -> bool:
        return kind is not None and (kind.name in self._decodes or kind.name in self._readers or kind == DEAD_LETTERS)

    def _dead_letter(self) -> Decode:
        known: dict[str, bool] = {}

        def decode(value: bytes, _: RecordPosition) -> Document:
            letter = self._codec.decode(DeadLetter, value)
            if letter.model not in known:
                known[letter.model] = bool(letter.model) and bool(self._personal_features(letter.model))
            return dead_letter_document(letter, personal=known[letter.model])

        return decode


def _prediction_of(
    found: Mapping[str, FieldValue] | EventDecodeError, value: bytes | None, model: str
) -> Mapping[str, FieldValue]:
    _present(value)
    if isinstance(found, EventDecodeError):
        raise found
    if found.get("model") != model:
        raise PoisonRecordError(Reason.MALFORMED, f"not a prediction of {model}: {found.get('model')!r}")
    return found


def _present(value: bytes | None) -> bytes:
    if value is None:
        raise PoisonRecordError(Reason.TOMBSTONE, "the record has no value")
    return value


def _rejection(row: int, error: Exception) -> Rejection:
    """Why a row gave no document."""
    if isinstance(error, PoisonRecordError):
        return Rejection(row=row, reason=error.reason, detail=error.detail)
    if isinstance(error, SchemaNotFoundError):
        return Rejection(row=row, reason=Reason.UNKNOWN_SCHEMA_ID, detail=str(error))
    assert isinstance(error, EventDecodeError), error
    return Rejection(row=row, reason=error.reason, detail=str(error))
