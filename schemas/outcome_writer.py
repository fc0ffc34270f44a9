"""Outcomes as bytes: a prediction's own bytes, as they are, and the label's part behind them.

Nothing of the prediction is read or written again, so an outcome costs what its label costs.
"""

import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Any

import fastavro
import pyarrow as pa
import pyruhvro

from schemas.errors import EventDecodeError, SchemaNotFoundError
from schemas.framing import PREFIX_BYTES, prefix, unframe
from schemas.outcome_schema import label_part, outcome_schema
from schemas.prediction_encoder import ROWS_MIN
from schemas.reasons import Reason
from schemas.registry_port import SchemaRegistry


@dataclass(slots=True, kw_only=True)
class LabelPart:
    """What an outcome says beside its prediction; see `outcome_schema.LABEL_FIELDS`."""

    truth: str | None
    truth_value: float | None
    truth_probability: float | None
    loss: float | None
    loss_scale: float | None
    retracted: bool
    label_event_time: int
    label_revision: int
    weight: float | None
    value: float | None
    delay_ms: int
    joined_at: int
    revision: int


_NAMES = LabelPart.__slots__
_ARROW: dict[str, pa.DataType] = {
    "string": pa.string(),
    "double": pa.float64(),
    "long": pa.int64(),
    "boolean": pa.bool_(),
}


class OutcomeWriter:
    """Writes outcomes of one model under `subject`, registering a schema for each schema of predictions."""

    def __init__(self, registry: SchemaRegistry, *, model: str, subject: str) -> None:
        self._registry = registry
        self._model = model
        self._subject = subject
        self._part = fastavro.parse_schema(label_part())
        self._wire = json.dumps(label_part())
        self._fields = _arrow_schema(label_part())
        self._heads: dict[bytes, bytes] = {}

    def write(self, prediction: bytes, part: LabelPart) -> bytes:
        """The framed outcome of a framed prediction that was read before.

        Raises `SchemaRegistryUnavailableError` while a schema can't be asked for or registered.
        """
        head = self._heads.get(prediction[:PREFIX_BYTES]) or self._head(prediction)
        buffer = io.BytesIO()
        buffer.write(head)
        buffer.write(prediction[PREFIX_BYTES:])
        fastavro.schemaless_writer(buffer, self._part, {name: getattr(part, name) for name in _NAMES})
        return buffer.getvalue()

    def write_all(self, predictions: Sequence[bytes], parts: Sequence[LabelPart]) -> list[bytes]:
        """What `write` gives for each, byte for byte, several times as fast; raises as it does."""
        if len(parts) < ROWS_MIN:
            return [self.write(prediction, part) for prediction, part in zip(predictions, parts, strict=True)]
        heads = [self._heads.get(prediction[:PREFIX_BYTES]) or self._head(prediction) for prediction in predictions]
        columns = zip(*map(attrgetter(*_NAMES), parts), strict=True)
        arrays = [
            pa.array(column, field.type, from_pandas=False) for column, field in zip(columns, self._fields, strict=True)
        ]
        batch = pa.RecordBatch.from_arrays(arrays, schema=self._fields)
        (bodies,) = pyruhvro.serialize_record_batch(batch, self._wire, 1)
        return [
            head + prediction[PREFIX_BYTES:] + body
            for head, prediction, body in zip(heads, predictions, bodies.to_pylist(), strict=True)
        ]

    def _head(self, prediction: bytes) -> bytes:
        schema_id, _body = unframe(prediction)
        try:
            schema = outcome_schema(self._model, self._registry.schema(schema_id))
        except SchemaNotFoundError as error:
            detail = f"written with schema {schema_id}, which the registry does not have"
            raise EventDecodeError(detail, reason=Reason.UNKNOWN_SCHEMA_ID) from error
        head = prefix(self._registry.register(self._subject, schema))
        self._heads[prediction[:PREFIX_BYTES]] = head
        return head


def _arrow_schema(record: dict[str, Any]) -> pa.Schema:
    """The record's fields for Arrow, with `null` where Avro allows it."""
    fields = []
    for field in record["fields"]:
        branches = field["type"] if isinstance(field["type"], list) else [field["type"]]
        fields.append(pa.field(field["name"], _ARROW[branches[-1]], nullable="null" in branches))
    return pa.schema(fields)
