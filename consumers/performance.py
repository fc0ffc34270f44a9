"""Windows of performance: the parts that partitions know of one, put together and measured. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

import orjson

from consumers.measures import measures_of
from consumers.sinks.base import Document, FieldValue
from schemas.events import Performance
from schemas.performance_sums import PerformanceSums, parts_of, sums_of
from schemas.signature import Task


@dataclass(frozen=True, slots=True, kw_only=True)
class MergedWindow:
    """One window of one version, arm and role, over all partitions that have told of it.

    `maturity`: the share of its predictions that were old enough for their labels to be expected.
    """

    model: str
    version: str
    arm: str
    role: str
    start: int
    end: int
    task: Task
    classes: tuple[str, ...]
    loss_scale: float | None
    sums: PerformanceSums
    maturity: float
    age_cutoff_ms: int
    partitions: int
    told_at: int


def window_id(part: Performance) -> str:
    """The window that a part is of: `model:version:arm:role:start`."""
    return part.part_id.rpartition(":")[0]


def merged(parts: Sequence[Performance]) -> MergedWindow:
    """The window of these parts, one for each partition."""
    first = max(parts, key=lambda part: part.told_at)
    sums = PerformanceSums()
    for part in parts:
        sums.add(sums_of(part))
    mature = sum(part.predicted * maturity_of(part) for part in parts)
    return MergedWindow(
        model=first.model,
        version=first.version,
        arm=first.arm,
        role=first.role,
        start=first.start,
        end=first.end,
        task=Task(first.task),
        classes=first.classes,
        loss_scale=first.loss_scale,
        sums=sums,
        maturity=mature / sums.predicted if sums.predicted else 0.0,
        age_cutoff_ms=max(part.age_cutoff_ms for part in parts),
        partitions=len(parts),
        told_at=first.told_at,
    )


def maturity_of(part: Performance) -> float:
    """The share of the window's time whose labels had time to come when the part was told."""
    if part.watermark is None:
        return 0.0
    share = (part.watermark - part.age_cutoff_ms - part.start) / (part.end - part.start)
    return min(max(share, 0.0), 1.0)


def performance_document(window: MergedWindow, revision: int) -> Document:
    """One document for each window, version, arm and role; a later telling is a higher revision of it."""
    sums = window.sums
    fields: dict[str, FieldValue] = {
        "model": window.model,
        "version": window.version,
        "arm": window.arm,
        "role": window.role,
        "start": window.start,
        "end": window.end,
        "task": window.task.value,
        "classes": list(window.classes),
        "loss_scale": window.loss_scale,
        "predicted": sums.predicted,
        "labeled": sums.labeled,
        "retracted": sums.retracted,
        "coverage": coverage_of(sums),
        "maturity": window.maturity,
        "age_cutoff_ms": window.age_cutoff_ms,
        "low_confidence": sums.low_confidence / sums.predicted if sums.predicted else None,
        "delay_ms_mean": sums.sums.get("delay_ms", 0.0) / sums.labeled if sums.labeled else None,
        "value_total": sums.sums.get("value") if sums.sums.get("valued") else None,
        "confusion": [
            {"truth": truth, "label": label, "weight": weight}
            for (truth, label), weight in sorted(sums.confusion.items())
        ],
        "sums": sums_text(sums),
        "partitions": window.partitions,
        "told_at": window.told_at,
    }
    for name, measure in measures_of(sums, window.task, window.classes).items():
        fields |= {name: measure.value, f"{name}_low": measure.low, f"{name}_high": measure.high}
    document_id = ":".join([window.model, window.version, window.arm, window.role, str(window.start)])
    return Document("performance", document_id, fields, window.start, revision)


def coverage_of(sums: PerformanceSums) -> float | None:
    """The share of predictions whose truth is known; None where nothing was predicted."""
    return sums.labeled / sums.predicted if sums.predicted else None


def sums_text(sums: PerformanceSums) -> str:
    """What windows are added up from, as JSON."""
    parts = parts_of(sums)
    return orjson.dumps(
        {
            "counts": [sums.predicted, sums.low_confidence, sums.labeled, sums.retracted],
            "sums": parts.sums,
            "confusion": [[cell.truth, cell.label, cell.weight] for cell in parts.confusion],
            "scores": [[each.bin, each.negative, each.positive, each.score] for each in parts.scores],
        },
        option=orjson.OPT_SORT_KEYS,
    ).decode()


def sums_from(text: str) -> PerformanceSums:
    """Read what `sums_text` wrote."""
    found = orjson.loads(text)
    predicted, low_confidence, labeled, retracted = found["counts"]
    return PerformanceSums(
        predicted=predicted,
        low_confidence=low_confidence,
        labeled=labeled,
        retracted=retracted,
        sums=found["sums"],
        confusion={(truth, label): weight for truth, label, weight in found["confusion"]},
        scores={number: (negative, positive, score) for number, negative, positive, score in found["scores"]},
    )
