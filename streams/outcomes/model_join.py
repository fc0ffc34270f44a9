"""One model's part of a batch: its records read, joined, and its outcomes written.

Columns go in, records to produce and rejections come out. Whatever the schema registry or the
shelf can't answer now passes as their own errors.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from runtime.batch import OutgoingRecords, RecordColumns
from schemas.codec import EventCodec
from schemas.columns import Rejection
from schemas.label_reader import LabelReader
from schemas.outcome_writer import OutcomeWriter
from schemas.prediction_reader import PredictionReader
from schemas.reasons import Reason
from schemas.registry_port import SchemaRegistry
from schemas.topics import OUTCOMES, Topics
from streams.outcomes.errors import UnknownModelError
from streams.outcomes.joining import JoinedBatch, ReadBatch, join
from streams.outcomes.labels import LabelRecords, LabelRules, read_labels
from streams.outcomes.partition_state import LABELS, PartitionState
from streams.outcomes.predictions import PredictionRecord, read_predictions
from streams.outcomes.versions import ModelTraits, Versions

ANY_OTHER_CLASS = "\0"
"""No class is called so: asking for it has the versions read again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelBounds:
    """What holds for labels of every model; see `LabelRules`."""

    partitions: int
    value_bytes_max: int
    ahead_ms: int | None


@dataclass(slots=True, kw_only=True)
class ModelRecords:
    """A model's records of one batch, read: rejections by input."""

    batch: ReadBatch
    rejections: dict[str, list[Rejection]]
    traits: ModelTraits


class ModelJoin:
    """Reads, joins and writes for one model."""

    def __init__(
        self,
        model: str,
        *,
        topics: Topics,
        schemas: SchemaRegistry,
        codec: EventCodec,
        versions: Versions,
        bounds: LabelBounds,
    ) -> None:
        self._model = model
        self._topic = topics.of(OUTCOMES, model)
        self._labels_reader = LabelReader(codec)
        self._versions = versions
        self._bounds = bounds
        self._reader = PredictionReader(schemas)
        self._writer = OutcomeWriter(schemas, model=model, subject=f"{self._topic}-value")

    def read(self, columns: Mapping[str, RecordColumns]) -> ModelRecords:
        """Every record is read or rejected. Raises `UnknownModelError` while no version is on the shelf."""
        predictions: dict[str, tuple[RecordColumns, Sequence[PredictionRecord | None]]] = {}
        rejections: dict[str, list[Rejection]] = {}
        for kind, found in columns.items():
            if kind != LABELS:
                read, rejections[kind] = read_predictions(found.values, self._reader)
                predictions[kind] = (found, read)
        traits = self._traits(_versions_in(predictions.values()))
        labels = None
        if LABELS in columns:
            records, rejections[LABELS], traits = self._labels(columns[LABELS], traits)
            labels = (columns[LABELS], records)
        return ModelRecords(
            batch=ReadBatch(predictions=predictions, labels=labels), rejections=rejections, traits=traits
        )

    def join(self, records: ModelRecords, states: Mapping[int, PartitionState], *, now: int) -> JoinedBatch:
        """Take the records into the states of their partitions."""
        return join(records.batch, states, traits=records.traits, reader=self._reader, now=now)

    def outgoing(self, joined: JoinedBatch) -> OutgoingRecords:
        """The outcomes as records, in the partitions of their entities."""
        return OutgoingRecords(
            topic=self._topic,
            keys=[outcome.entity for outcome in joined.outcomes],
            values=self._writer.write_all(
                [outcome.prediction for outcome in joined.outcomes], [outcome.part for outcome in joined.outcomes]
            ),
        )

    def _labels(self, columns: RecordColumns, traits: ModelTraits) -> tuple[LabelRecords, list[Rejection], ModelTraits]:
        """Labels of a class that is not known are judged again when a version that knows it has come."""
        records, rejections = read_labels(columns, self._labels_reader.read, self._rules(traits))
        if any(rejection.reason is Reason.UNKNOWN_CLASS for rejection in rejections):
            fresh = self._traits(classes=(ANY_OTHER_CLASS,))
            if fresh is not traits:
                return (*read_labels(columns, self._labels_reader.read, self._rules(fresh)), fresh)
        return records, rejections, traits

    def _traits(self, versions: Sequence[str] = (), classes: Sequence[str] = ()) -> ModelTraits:
        traits = self._versions.of(self._model, versions=versions, classes=classes)
        if traits is None:
            raise UnknownModelError(self._model)
        return traits

    def _rules(self, traits: ModelTraits) -> LabelRules:
        return LabelRules(
            model=self._model,
            task=traits.task,
            classes=traits.classes,
            partitions=self._bounds.partitions,
            value_bytes_max=self._bounds.value_bytes_max,
            ahead_ms=self._bounds.ahead_ms,
        )


def _versions_in(
    predictions: Iterable[tuple[RecordColumns, Sequence[PredictionRecord | None]]],
) -> list[str]:
    return list({record.facts.version for _, records in predictions for record in records if record is not None})
