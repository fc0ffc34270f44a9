"""One model's predictions and labels in, outcomes out: the pure middle of the outcome lane.

Records change what is known of their requests, in whatever order they come; what has changed when
all are taken becomes outcomes, at most one for each prediction and batch. No client, clock,
thread or randomness is used here.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from runtime.batch import RecordColumns
from schemas.outcome_writer import LabelPart
from schemas.positions import outcome_revision
from streams.outcomes.judging import Facts, Judgment, VersionTraits, judge
from streams.outcomes.labels import LabelRecords
from streams.outcomes.partition_state import LABELS, PartitionState
from streams.outcomes.predictions import ColumnReader, PredictionRecord, read_facts
from streams.outcomes.request import Kept, Request, Truth, ids_of
from streams.outcomes.requests import Change
from streams.outcomes.versions import ModelTraits


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadBatch:
    """A model's records of one poll, read: predictions by input, and labels, each with its columns."""

    predictions: Mapping[str, tuple[RecordColumns, Sequence[PredictionRecord | None]]]
    labels: tuple[RecordColumns, LabelRecords] | None


class Joined(NamedTuple):
    """A prediction and the label that holds, to become an outcome; `entity` is the message key."""

    entity: bytes
    prediction: bytes
    part: LabelPart


@dataclass(slots=True)
class JoinedBatch:
    """What a batch gave; `late`: predictions whose stretch was closed, so that no cohort shows them."""

    outcomes: list[Joined] = field(default_factory=list)
    late: int = 0


def join(
    batch: ReadBatch,
    states: Mapping[int, PartitionState],
    *,
    traits: ModelTraits,
    reader: ColumnReader,
    now: int,
) -> JoinedBatch:
    """Take a batch into the states of its partitions, and give the outcomes that it makes."""
    facts = {
        record.kept.value: record.facts
        for _, records in batch.predictions.values()
        for record in records
        if record is not None
    }
    _fetch(batch, states)
    _take(batch, states)
    changed = [
        (states[partition], change, _pairs(change))
        for partition in sorted(states)
        for change in states[partition].changes()
    ]
    facts |= _missing([pair for _, _, pairs in changed for pair in pairs], facts, reader)
    joined = JoinedBatch()
    for state, change, pairs in changed:
        for pair in pairs:
            _apply(pair, change, state, facts, joined, traits=traits, now=now)
    return joined


class _Pair(NamedTuple):
    """One prediction of a changed request, as it was (None: not there) and as it is, each with its label.

    `replaced`: it is another prediction than before, or a new one. `judged`: there is a label, and it
    or the prediction is another one than before.
    """

    before: Kept | None
    after: Kept
    truth_before: Truth | None
    truth_after: Truth | None
    replaced: bool
    judged: bool


def _pairs(change: Change) -> list[_Pair]:
    """The predictions of a request that changed, or whose label did."""
    pairs = []
    _, before, (_, truth, predictions) = change
    truth_before = None if before is None else before.truth
    is_told = truth is not None and truth is not truth_before
    for kept in predictions:
        earlier = None if before is None else _earlier(before, kept)
        replaced = earlier is None or earlier.position != kept.position
        judged = is_told or (replaced and truth is not None)
        if replaced or judged:
            pairs.append(_Pair(earlier, kept, truth_before, truth, replaced, judged))
    return pairs


def _earlier(before: Request, kept: Kept) -> Kept | None:
    """The prediction that this one was before."""
    for each in before.predictions:
        if each is kept or each.ident == kept.ident:
            return each
    return None


def _apply(
    pair: _Pair,
    change: Change,
    state: PartitionState,
    facts: Mapping[bytes, Facts],
    joined: JoinedBatch,
    *,
    traits: ModelTraits,
    now: int,
) -> None:
    """Take out what one prediction was, and count in and judge what it is."""
    ids = ids_of(change.key)
    if pair.before is not None:
        _take_out(pair, facts[pair.before.value], state, ids=ids, traits=traits)
    says = facts[pair.after.value]
    version = traits.of(says.version)
    if pair.replaced:
        state.predicted(says)
        state.windows.predict(says, version, 1)
        joined.late += state.is_late(says)
    truth = pair.truth_after
    if truth is None:
        return
    judgment = judge(says, truth.label, version)
    state.judged(change, says, judgment, ids=ids)
    state.windows.judge(says, truth, judgment, version, 1)
    part = _label_part(pair.after, says, truth, judgment, version=version, now=now)
    joined.outcomes.append(Joined(ids[1].encode(), pair.after.value, part))


def _take_out(pair: _Pair, says: Facts, state: PartitionState, *, ids: tuple[str, str], traits: ModelTraits) -> None:
    """The earlier label does not hold any more, nor does the prediction where it was replaced."""
    version = traits.of(says.version)
    if pair.truth_before is not None:
        judgment = judge(says, pair.truth_before.label, version)
        state.windows.judge(says, pair.truth_before, judgment, version, -1)
    if pair.replaced:
        state.removed(says, ids=ids)
        state.windows.predict(says, version, -1)


def _label_part(
    kept: Kept, facts: Facts, truth: Truth, judgment: Judgment, *, version: VersionTraits, now: int
) -> LabelPart:
    return LabelPart(
        truth=truth.label if isinstance(truth.label, str) else None,
        truth_value=truth.label if isinstance(truth.label, float) else None,
        truth_probability=judgment.truth_probability,
        loss=judgment.loss,
        loss_scale=version.loss_scale,
        retracted=truth.label is None,
        label_event_time=truth.event_time,
        label_revision=truth.revision,
        weight=truth.weight,
        value=truth.value,
        delay_ms=truth.event_time - facts.event_time,
        joined_at=now,
        revision=outcome_revision(kept.position, truth.appended_at, truth.offset),
    )


def _fetch(batch: ReadBatch, states: Mapping[int, PartitionState]) -> None:
    """Have every request that the batch touches at hand, with one read of each disk."""
    keys: dict[int, list[str]] = {}
    for columns, records in batch.predictions.values():
        for partition, record in zip(columns.partitions, records, strict=True):
            if record is not None:
                keys.setdefault(partition, []).append(record.key)
    if batch.labels is not None:
        columns, labels = batch.labels
        for row, key in zip(labels.rows, labels.keys, strict=True):
            keys.setdefault(columns.partitions[row], []).append(key)
    for partition, found in keys.items():
        states[partition].fetch(found)


def _take(batch: ReadBatch, states: Mapping[int, PartitionState]) -> None:
    """Every record into the state of its partition, in the order of its log."""
    for kind, (columns, records) in batch.predictions.items():
        _progress(kind, columns, [record and record.facts.event_time for record in records], states)
        for partition, appended_at, record in zip(columns.partitions, columns.append_times, records, strict=True):
            if record is not None:
                states[partition].predict(record.key, record.kept, appended_at)
    if batch.labels is None:
        return
    columns, labels = batch.labels
    event_times: list[int | None] = [None] * len(columns)
    for row, truth in zip(labels.rows, labels.truths, strict=True):
        event_times[row] = truth.event_time
    _progress(LABELS, columns, event_times, states)
    for row, key, truth in zip(labels.rows, labels.keys, labels.truths, strict=True):
        states[columns.partitions[row]].label(key, truth)


def _progress(
    kind: str, columns: RecordColumns, event_times: Sequence[int | None], states: Mapping[int, PartitionState]
) -> None:
    rows: dict[int, list[int]] = {}
    for row, partition in enumerate(columns.partitions):
        rows.setdefault(partition, []).append(row)
    for partition, mine in rows.items():
        states[partition].read(
            kind,
            [columns.offsets[row] for row in mine],
            [event_times[row] for row in mine],
            [columns.append_times[row] for row in mine],
        )


def _missing(pairs: Sequence[_Pair], known: Mapping[bytes, Facts], reader: ColumnReader) -> dict[bytes, Facts]:
    """What predictions say that were read in earlier batches and matter now."""
    wanted: dict[bytes, None] = {}
    for pair in pairs:
        if pair.after.value not in known:
            wanted[pair.after.value] = None
        if pair.before is not None and pair.before.value not in known:
            wanted[pair.before.value] = None
    values = list(wanted)
    return dict(zip(values, read_facts(values, reader), strict=True)) if values else {}
