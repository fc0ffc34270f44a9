"""Putting request columns together: from arrays, from parts of a batch, and the last judgment on ids.

Shared by both decoders, so that they agree on everything that is not decoding itself.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from schemas.columns import Rejection, RequestColumns
from schemas.reasons import Reason
from schemas.signature import Feature, FeatureKind

EVENT_TIME_MIN = -62_135_596_800_000
EVENT_TIME_MAX = 253_402_300_799_999
"""The years 1 to 9999, in ms since the epoch: what calendars and stores can hold."""

_ARROW_TYPES = {
    FeatureKind.NUMBER: pa.float64,
    FeatureKind.INTEGER: pa.int64,
    FeatureKind.BOOLEAN: pa.bool_,
    FeatureKind.STRING: pa.string,
}


def features_schema(features: Sequence[Feature]) -> pa.Schema:
    """The Arrow schema of a model's features: every one nullable, in the request schema's order."""
    return pa.schema([pa.field(feature.name, _ARROW_TYPES[feature.kind]()) for feature in features])


def empty_columns(schema: pa.Schema) -> RequestColumns:
    """No requests at all."""
    return RequestColumns(
        rows=np.empty(0, dtype=np.int64),
        request_ids=pa.array([], pa.string()),
        entity_ids=pa.array([], pa.string()),
        event_times=np.empty(0, dtype=np.int64),
        features=pa.RecordBatch.from_arrays([pa.array([], each.type) for each in schema], schema=schema),
    )


def joined(parts: Sequence[RequestColumns], schema: pa.Schema) -> RequestColumns:
    """Parts of one batch as one, by ascending row."""
    filled = [part for part in parts if len(part.rows)]
    if len(filled) <= 1:
        return filled[0] if filled else empty_columns(schema)
    rows = np.concatenate([part.rows for part in filled])
    whole = RequestColumns(
        rows=rows,
        request_ids=pa.concat_arrays([part.request_ids for part in filled]),
        entity_ids=pa.concat_arrays([part.entity_ids for part in filled]),
        event_times=np.concatenate([part.event_times for part in filled]),
        features=pa.concat_batches([part.features for part in filled]),
    )
    return whole.take(np.argsort(rows, kind="stable"))


def with_identity(columns: RequestColumns) -> tuple[RequestColumns, list[Rejection]]:
    """The requests that have both ids and a time within the calendar, and the others' rejections."""
    request_bytes, entity_bytes = _lengths(columns.request_ids), _lengths(columns.entity_ids)
    in_calendar = (columns.event_times >= EVENT_TIME_MIN) & (columns.event_times <= EVENT_TIME_MAX)
    good = (request_bytes > 0) & (entity_bytes > 0) & in_calendar
    if good.all():
        return columns, []
    rejections = []
    for index in np.flatnonzero(~good).tolist():
        row = int(columns.rows[index])
        if request_bytes[index] == 0 or entity_bytes[index] == 0:
            field = "request_id" if request_bytes[index] == 0 else "entity_id"
            rejections.append(Rejection(row=row, reason=Reason.MISSING_ID, detail=f"{field} is empty"))
        else:
            detail = f"event_time {columns.event_times[index]} ms lies outside of the years 1 to 9999"
            rejections.append(Rejection(row=row, reason=Reason.MALFORMED, detail=detail))
    return columns.take(np.flatnonzero(good)), rejections


def _lengths(texts: pa.StringArray) -> npt.NDArray[np.int64]:
    lengths: npt.NDArray[np.int64] = np.asarray(pc.binary_length(texts)).astype(np.int64)
    return lengths
