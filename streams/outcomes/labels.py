"""Labels from bytes: what is sound goes into the join, what is not is refused with its reason.

A label must meet its prediction, so its key must be its entity and it must lie in the key's
partition; and it must be an answer that the model could have given. Pure but for its decoder.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from runtime.batch import RecordColumns
from schemas.columns import Rejection
from schemas.errors import EventDecodeError
from schemas.events import Label
from schemas.reasons import Reason
from schemas.signature import Task
from streams.outcomes.murmur2 import partitions_of
from streams.outcomes.request import Truth, key_of

Read = Callable[[Sequence[bytes | None]], Sequence[Label | EventDecodeError]]
"""Each value's label, or why it has none."""

EVENT_TIME_LEAST = -62_135_596_800_000
EVENT_TIME_MOST = 253_402_300_799_999
"""The years 1 to 9999, which stores and people can write."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelRules:
    """What a label of the model must be. `classes`: of all its versions; `ahead_ms` None: any time to come."""

    model: str
    partitions: int
    task: Task
    classes: frozenset[str]
    value_bytes_max: int
    ahead_ms: int | None


@dataclass(slots=True)
class LabelRecords:
    """The sound labels of one topic's records, with the row, key and event time of each."""

    rows: list[int]
    keys: list[str]
    truths: list[Truth]


def read_labels(columns: RecordColumns, read: Read, rules: LabelRules) -> tuple[LabelRecords, list[Rejection]]:
    """Every row is a label or a rejection.

    Raises `SchemaRegistryUnavailableError` when a label can be decoded later.
    """
    records, rejections = LabelRecords([], [], []), list[Rejection]()
    owners = partitions_of([key or b"" for key in columns.keys], rules.partitions).tolist()
    places = map(_Place, columns.keys, columns.partitions, owners, columns.append_times)
    # What is too long is not even read.
    within = [value if value is not None and len(value) <= rules.value_bytes_max else None for value in columns.values]
    for row, (value, found, place) in enumerate(zip(columns.values, read(within), places, strict=True)):
        try:
            label = _sound(value, found, place, rules)
        except _RefusedError as error:
            rejections.append(Rejection(row=row, reason=error.reason, detail=error.detail))
            continue
        records.rows.append(row)
        records.keys.append(key_of(label.request_id, label.entity_id))
        records.truths.append(_truth(label, columns.append_times[row], columns.offsets[row]))
    return records, rejections


class _Place(NamedTuple):
    """Where a label lies, and the partition that its key belongs to."""

    key: bytes | None
    partition: int
    owner: int
    appended_at: int


class _RefusedError(Exception):
    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail


def _sound(value: bytes | None, found: Label | EventDecodeError, place: _Place, rules: LabelRules) -> Label:
    if value is not None and len(value) > rules.value_bytes_max:
        raise _RefusedError(Reason.OVERSIZE, f"{len(value)} bytes, {rules.value_bytes_max} are allowed")
    if isinstance(found, EventDecodeError):
        raise _RefusedError(found.reason, str(found))
    _check(found, place, rules)
    return found


def _check(label: Label, place: _Place, rules: LabelRules) -> None:
    if label.model != rules.model:
        raise _RefusedError(Reason.WRONG_MODEL, f"it names the model {label.model!r} on a topic of {rules.model!r}")
    if not label.request_id or not label.entity_id:
        raise _RefusedError(Reason.MISSING_ID, f"{'entity_id' if label.request_id else 'request_id'} is empty")
    if not place.key:
        raise _RefusedError(Reason.NO_KEY, "the message has no key")
    if place.key != label.entity_id.encode():
        raise _RefusedError(Reason.KEY_MISMATCH, f"the key is {place.key!r}, the entity_id {label.entity_id!r}")
    if place.owner != place.partition:
        detail = f"the key belongs to partition {place.owner}, not to {place.partition}"
        raise _RefusedError(Reason.WRONG_PARTITION, detail)
    if label.label is not None:
        _check_answer(label.label, rules)
    _check_numbers((("label", label.label), ("weight", label.weight), ("value", label.value)))
    if label.weight is not None and label.weight < 0:
        raise _RefusedError(Reason.NEGATIVE_WEIGHT, f"the weight is {label.weight}")
    _check_time(label.event_time, place.appended_at, rules.ahead_ms)


def _check_answer(answer: str | float, rules: LabelRules) -> None:
    if rules.task is Task.REGRESSION:
        if isinstance(answer, str):
            raise _RefusedError(Reason.WRONG_TYPE, f"the label is the text {answer!r}, and the model predicts numbers")
    elif not isinstance(answer, str):
        raise _RefusedError(Reason.WRONG_TYPE, f"the label is the number {answer}, and the model predicts classes")
    elif answer not in rules.classes:
        known = ", ".join(sorted(rules.classes)[:10])
        raise _RefusedError(Reason.UNKNOWN_CLASS, f"no version knows the class {answer!r}; they know {known}")


def _check_numbers(fields: Sequence[tuple[str, str | float | None]]) -> None:
    for name, value in fields:
        if isinstance(value, float) and not math.isfinite(value):
            raise _RefusedError(Reason.NOT_FINITE, f"the {name} is {value}")


def _check_time(event_time: int, appended_at: int, ahead_ms: int | None) -> None:
    if not EVENT_TIME_LEAST <= event_time <= EVENT_TIME_MOST:
        raise _RefusedError(
            Reason.EVENT_TIME_OUT_OF_BOUNDS, f"event_time {event_time} ms is not in the years 1 to 9999"
        )
    if ahead_ms is not None and event_time > appended_at + ahead_ms:
        detail = f"event_time lies {(event_time - appended_at) / 1_000:+.3f} s from the append time"
        raise _RefusedError(Reason.EVENT_TIME_OUT_OF_BOUNDS, detail)


def _truth(label: Label, appended_at: int, offset: int) -> Truth:
    return Truth(label.revision, label.event_time, label.label, label.weight, label.value, appended_at, offset)
