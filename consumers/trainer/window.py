"""The training window: which stored outcomes a version is refitted on, and which it is judged by.

Outcomes of one model come in, newest first; labeled rows in time order go out, or what is missing.
Pure.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from registry.labeled_rows import LabeledRows, rows_schema
from schemas.reasons import TrainingFault
from schemas.signature import Signature, Task


@dataclass(frozen=True, slots=True, kw_only=True)
class OutcomeRow:
    """One prediction with what turned out to be true; `label` None: taken back. `event_time` in ms."""

    request_id: str
    event_time: int
    label: str | float | None
    revision: int
    features: Mapping[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowRules:
    """What a window must be: rows in all, rows of each class to learn from, the share that is held back."""

    rows_min: int
    rows_max: int
    class_rows_min: int
    judged_share: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """Event times in [since, until), in ms; `until` is where labels stop being complete."""

    since: int
    until: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Shortfall:
    """Why there is no window; `passing`: labels that are still to come may mend it."""

    fault: TrainingFault
    detail: str
    passing: bool


def training_window(
    outcomes: Iterable[OutcomeRow], stretch: Stretch, signature: Signature, rules: WindowRules
) -> LabeledRows | Shortfall:
    """The newest outcomes of the stretch, the latest revision of each, if they are enough and balanced.

    Outcomes that were taken back, and those that the version could not have been asked, are left
    out. The newest share is held back; what has the same event time is never on both sides.
    """
    personal = [feature.name for feature in signature.features if feature.personal]
    if personal:
        detail = f"feature {personal[0]!r} is personal, and no store has its values"
        return Shortfall(fault=TrainingFault.PERSONAL_FEATURES, detail=detail, passing=False)
    chosen = _usable(outcomes, stretch, signature, rules)
    if len(chosen) < rules.rows_min:
        detail = f"{len(chosen):,} matured outcomes in the stretch, and trainer.rows_min is {rules.rows_min:,}"
        return Shortfall(fault=TrainingFault.TOO_FEW_ROWS, detail=detail, passing=True)
    times = np.array([row.event_time for row in chosen], dtype=np.int64)
    judged_from = _split(times, rules.judged_share)
    imbalance = _imbalance(chosen, judged_from, signature, rules)
    return imbalance or LabeledRows(batch=_batch(chosen, signature), judged_from=judged_from)


def _usable(
    outcomes: Iterable[OutcomeRow], stretch: Stretch, signature: Signature, rules: WindowRules
) -> list[OutcomeRow]:
    """At most `rows_max` rows by event time, one for each request."""
    latest: dict[str, OutcomeRow] = {}
    for row in outcomes:
        known = latest.get(row.request_id)
        if known is None or row.revision > known.revision:
            latest[row.request_id] = row
    required = [feature.name for feature in signature.features if not feature.nullable]
    fitting = [
        row
        for row in latest.values()
        if row.label is not None
        and stretch.since <= row.event_time < stretch.until
        and not any(row.features.get(name) is None for name in required)
    ]
    fitting.sort(key=lambda row: (row.event_time, row.request_id))
    return fitting[-rules.rows_max :]


def _split(times: npt.NDArray[np.int64], judged_share: float) -> int:
    """The index from which rows are held back: the first of its event time."""
    held_back = max(int(len(times) * judged_share), 1)
    return int(np.searchsorted(times, times[len(times) - held_back], side="left"))


def _imbalance(
    rows: Sequence[OutcomeRow], judged_from: int, signature: Signature, rules: WindowRules
) -> Shortfall | None:
    """What is wrong with the truths of rows that are enough in number."""
    if signature.task is Task.REGRESSION:
        return _without_variety([row.label for row in rows[:judged_from]])
    found = Counter(str(row.label) for row in rows)
    unknown = sorted(set(found) - set(signature.classes))
    if unknown:
        detail = f"{found[unknown[0]]:,} outcomes are of class {unknown[0]!r}, which the version does not know"
        return Shortfall(fault=TrainingFault.UNKNOWN_CLASS, detail=detail, passing=False)
    learned = Counter(str(row.label) for row in rows[:judged_from])
    rarest = min(signature.classes, key=lambda name: learned[name])
    if learned[rarest] < rules.class_rows_min:
        detail = (
            f"{learned[rarest]:,} of {judged_from:,} outcomes to learn from are of class {rarest!r}, "
            f"and trainer.class_rows_min is {rules.class_rows_min:,}"
        )
        return Shortfall(fault=TrainingFault.CLASS_TOO_RARE, detail=detail, passing=True)
    return None


def _without_variety(values: Sequence[str | float | None]) -> Shortfall | None:
    if len(set(values)) > 1:
        return None
    detail = f"{len(values):,} outcomes to learn from, and no two values"
    return Shortfall(fault=TrainingFault.CONSTANT_TRUTH, detail=detail, passing=True)


def _batch(rows: Sequence[OutcomeRow], signature: Signature) -> pa.RecordBatch:
    schema = rows_schema(signature)
    truths: list[str | float | None] = [row.label for row in rows]
    if signature.task is not Task.REGRESSION:
        truths = [str(label) for label in truths]
    return pa.RecordBatch.from_arrays(
        [
            pa.array([row.request_id for row in rows], pa.string()),
            pa.array([row.event_time for row in rows], pa.int64()),
            pa.array(truths, schema.field("truth").type),
            pa.array([dict(row.features) for row in rows], schema.field("features").type),
        ],
        schema=schema,
    )
