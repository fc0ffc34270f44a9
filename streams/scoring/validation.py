"""What a decoded request must hold beside its schema: a key that is its entity, a plausible time."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from schemas.columns import Rejection, RequestColumns
from schemas.reasons import Reason

Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True)
class EventTimeBounds:
    """How far event time may lie before and after the append time, in ms; None: any distance."""

    past_ms: int | None = None
    ahead_ms: int | None = None


def validate(
    columns: RequestColumns, keys: Sequence[bytes | None], append_times: Sequence[int], bounds: EventTimeBounds
) -> tuple[Mask, list[Rejection]]:
    """Which of the decoded rows hold, and a rejection for each that does not."""
    row_keys = [keys[row] for row in columns.rows.tolist()]
    keyed = np.array([bool(key) for key in row_keys], dtype=np.bool_)
    same = _same(row_keys, columns.entity_ids)
    appended = np.asarray(append_times, dtype=np.int64)[columns.rows]
    timely = _timely(columns.event_times, appended, bounds)
    good = keyed & same & timely
    rejections = []
    for index in np.flatnonzero(~good).tolist():
        if not keyed[index]:
            rejections.append(columns.refuse(index, Reason.NO_KEY, "the message has no key"))
        elif not same[index]:
            detail = f"the key is {row_keys[index]!r}, the entity_id {columns.entity_ids[index].as_py()!r}"
            rejections.append(columns.refuse(index, Reason.KEY_MISMATCH, detail))
        else:
            distance_s = (int(columns.event_times[index]) - int(appended[index])) / 1_000
            detail = f"event_time lies {distance_s:+.3f} s from the append time"
            rejections.append(columns.refuse(index, Reason.EVENT_TIME_OUT_OF_BOUNDS, detail))
    return good, rejections


def _same(keys: Sequence[bytes | None], entity_ids: pa.StringArray) -> Mask:
    equal = pc.equal(pa.array(keys, pa.binary()), entity_ids.cast(pa.binary()))
    return np.asarray(pc.fill_null(equal, fill_value=False).to_numpy(zero_copy_only=False), dtype=np.bool_)


def _timely(event_times: npt.NDArray[np.int64], appended: npt.NDArray[np.int64], bounds: EventTimeBounds) -> Mask:
    timely = np.ones(len(event_times), dtype=np.bool_)
    if bounds.past_ms is not None:
        timely &= event_times >= appended - bounds.past_ms
    if bounds.ahead_ms is not None:
        timely &= event_times <= appended + bounds.ahead_ms
    return timely
