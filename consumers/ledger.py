"""The ledger: what became of every request that Kafka accepted, proved from receipts. Pure.

    accepted = records that receipts cover, each once + in flight + lost
    balanced = accepted == scored + dead-lettered + in flight + lost, and nothing lost but what
               an operator accepted, and nothing done twice under exactly-once

Where a log can be read, records in flight and in gaps are counted there, since offsets
outnumber records; elsewhere offsets are taken for records, and the entry says `estimated`.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from consumers.coverage import Coverage, Finding, FindingKind, LanePartition, cover, gap
from runtime.settings import Guarantee
from schemas.events import Receipt

_LOST = frozenset({FindingKind.GAP, FindingKind.DELETED, FindingKind.ACCEPTED_LOSS})
_FAULTS = frozenset({FindingKind.GAP, FindingKind.DELETED, FindingKind.MISCOUNT})


@dataclass(frozen=True, slots=True, kw_only=True)
class LogExtent:
    """The first offset that a log still has, and the offset after its last."""

    log_start: int
    log_end: int


@dataclass(frozen=True, slots=True, kw_only=True)
class OffsetRange:
    """Offsets [offset_from, offset_to) of one partition."""

    place: LanePartition
    offset_from: int
    offset_to: int


RecordCounts = Mapping[OffsetRange, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class PartitionLedger:
    """One partition of one cluster; `log_start` and `log_end` are None when its log can't be read."""

    cluster_id: str
    partition: int
    log_start: int | None
    log_end: int | None
    offset_next: int
    records: int
    scored: int
    dead_lettered: int
    in_flight: int
    duplicates: int
    redelivered: int
    estimated: bool
    findings: tuple[Finding, ...]

    @property
    def lost(self) -> int:
        return sum(finding.records for finding in self.findings if finding.kind in _LOST)

    @property
    def balanced(self) -> bool:
        faulty = any(finding.kind in _FAULTS for finding in self.findings)
        return not faulty and not self.duplicates and self.records == self.scored + self.dead_lettered


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelLedger:
    """One model: its partitions added up."""

    name: str
    repeated_request_ids: int
    partitions: tuple[PartitionLedger, ...]

    @property
    def accepted(self) -> int:
        return self.total("records") + self.total("in_flight") + self.total("lost")

    @property
    def balanced(self) -> bool:
        return all(partition.balanced for partition in self.partitions)

    def total(self, name: str) -> int:
        """The sum of one count over all partitions."""
        return sum(int(getattr(partition, name)) for partition in self.partitions)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ledger:
    """All models; `notes` say what could not be looked at."""

    models: tuple[ModelLedger, ...]
    guarantee: Guarantee
    notes: tuple[str, ...] = ()

    @property
    def balanced(self) -> bool:
        return all(model.balanced for model in self.models)

    def to_dict(self) -> dict[str, Any]:
        """The ledger as JSON types."""
        return {
            "models": [_model_dict(model) for model in self.models],
            "balanced": self.balanced,
            "guarantee": self.guarantee,
            "notes": list(self.notes),
        }


def balance(
    receipts: Iterable[Receipt],
    extents: Mapping[LanePartition, LogExtent],
    counts: RecordCounts,
    *,
    guarantee: Guarantee = "exactly_once",
) -> Ledger:
    """The ledger of one lane's receipts, which come in the order of `receipt_order`."""
    return settle(list(cover(receipts)), extents, counts, guarantee=guarantee)


def unreceipted(coverages: Sequence[Coverage], extents: Mapping[LanePartition, LogExtent]) -> list[OffsetRange]:
    """The ranges that receipts say nothing about and that can still be read: gaps, and what is in flight."""
    by_place = {coverage.place: coverage for coverage in coverages}
    ranges = []
    for place, extent in extents.items():
        coverage = by_place.get(place)
        gaps = _gaps(coverage, extent) if coverage else []
        ends = [(finding.offset_from, finding.offset_to) for finding in gaps]
        ends.append((coverage.offset_next if coverage else extent.log_start, extent.log_end))
        for offset_from, offset_to in ends:
            readable = max(offset_from, extent.log_start)
            if readable < offset_to:
                ranges.append(OffsetRange(place=place, offset_from=readable, offset_to=offset_to))
    return ranges


def settle(
    coverages: Sequence[Coverage],
    extents: Mapping[LanePartition, LogExtent],
    counts: RecordCounts,
    *,
    guarantee: Guarantee = "exactly_once",
    repeats: Mapping[str, int] | None = None,
    notes: Sequence[str] = (),
) -> Ledger:
    """Put coverages, logs and counted records together; `counts` are of ranges from `unreceipted`."""
    by_place = {coverage.place: coverage for coverage in coverages}
    partitions: dict[str, list[PartitionLedger]] = {}
    for place in sorted(by_place.keys() | extents.keys()):
        entry = _partition(place, by_place.get(place), extents.get(place), counts=counts)
        partitions.setdefault(place.model, []).append(entry)
    models = tuple(
        ModelLedger(name=model, repeated_request_ids=(repeats or {}).get(model, 0), partitions=tuple(entries))
        for model, entries in sorted(partitions.items())
    )
    return Ledger(models=models, guarantee=guarantee, notes=tuple(notes))


def _partition(
    place: LanePartition, coverage: Coverage | None, extent: LogExtent | None, *, counts: RecordCounts
) -> PartitionLedger:
    offset_next = coverage.offset_next if coverage else extent.log_start if extent else 0
    findings = [_recounted(finding, place, extent, counts=counts) for finding in _gaps(coverage, extent)]
    if coverage:
        findings += [finding for finding in coverage.findings if finding.kind is not FindingKind.GAP]
    if extent and extent.log_start > offset_next:
        findings.append(_deleted(offset_next, extent.log_start))
    in_flight, estimated = _in_flight(place, offset_next, extent, counts=counts)
    findings = [finding for finding in findings if finding.records or finding.estimated]
    return PartitionLedger(
        cluster_id=place.cluster_id,
        partition=place.partition,
        log_start=extent.log_start if extent else None,
        log_end=extent.log_end if extent else None,
        offset_next=offset_next,
        records=coverage.records if coverage else 0,
        scored=coverage.scored if coverage else 0,
        dead_lettered=coverage.dead_lettered if coverage else 0,
        in_flight=in_flight,
        duplicates=coverage.duplicates if coverage else 0,
        redelivered=coverage.redelivered if coverage else 0,
        estimated=estimated or any(finding.estimated for finding in findings),
        findings=tuple(sorted(findings, key=lambda finding: (finding.offset_from, finding.offset_to))),
    )


def _gaps(coverage: Coverage | None, extent: LogExtent | None) -> list[Finding]:
    """Holes between receipts, and before the first where the log still has records there."""
    if coverage is None:
        return []
    gaps = [finding for finding in coverage.findings if finding.kind is FindingKind.GAP]
    if extent and coverage.offset_first > extent.log_start:
        width = coverage.offset_first - extent.log_start
        gaps.insert(0, gap(extent.log_start, coverage.offset_first, records=width, estimated=True))
    return gaps


def _recounted(finding: Finding, place: LanePartition, extent: LogExtent | None, *, counts: RecordCounts) -> Finding:
    """A gap with its records as counted in the log; offsets that the log has no more are taken for records."""
    if extent is None:
        return finding
    readable = max(finding.offset_from, extent.log_start)
    counted = counts.get(OffsetRange(place=place, offset_from=readable, offset_to=finding.offset_to))
    if counted is None:
        return finding
    gone = min(readable, finding.offset_to) - finding.offset_from
    return replace(finding, records=counted + gone, estimated=gone > 0)


def _deleted(offset_from: int, offset_to: int) -> Finding:
    return Finding(
        kind=FindingKind.DELETED,
        offset_from=offset_from,
        offset_to=offset_to,
        records=offset_to - offset_from,
        detail="the broker deleted these before they were read; check retention, or accept the loss",
        estimated=True,
    )


def _in_flight(
    place: LanePartition, offset_next: int, extent: LogExtent | None, *, counts: RecordCounts
) -> tuple[int, bool]:
    if extent is None:
        return 0, False
    readable = max(offset_next, extent.log_start)
    if readable >= extent.log_end:
        return 0, False
    counted = counts.get(OffsetRange(place=place, offset_from=readable, offset_to=extent.log_end))
    return (extent.log_end - readable, True) if counted is None else (counted, False)


def _model_dict(model: ModelLedger) -> dict[str, Any]:
    return {
        "name": model.name,
        "accepted": model.accepted,
        "scored": model.total("scored"),
        "dead_lettered": model.total("dead_lettered"),
        "in_flight": model.total("in_flight"),
        "lost": model.total("lost"),
        "duplicates": model.total("duplicates"),
        "redelivered": model.total("redelivered"),
        "repeated_request_ids": model.repeated_request_ids,
        "balanced": model.balanced,
        "partitions": [_partition_dict(partition) for partition in model.partitions],
    }


def _partition_dict(partition: PartitionLedger) -> dict[str, Any]:
    return {
        "cluster_id": partition.cluster_id,
        "partition": partition.partition,
        "log_start": partition.log_start,
        "log_end": partition.log_end,
        "offset_next": partition.offset_next,
        "records": partition.records,
        "scored": partition.scored,
        "dead_lettered": partition.dead_lettered,
        "in_flight": partition.in_flight,
        "findings": [_finding_dict(finding) for finding in partition.findings],
        **({"estimated": True} if partition.estimated else {}),
    }


def _finding_dict(finding: Finding) -> dict[str, Any]:
    fields = asdict(finding) | {"kind": finding.kind.value}
    if not fields.pop("estimated"):
        return fields
    return {**fields, "estimated": True}
