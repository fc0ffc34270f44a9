"""What receipts say about each partition: which offsets were dealt with, how often, and which not.

Pure, and one pass: receipts come in sorted, only ranges that can still overlap are kept.
Ranges that touch prove that nothing was lost between them, ranges that do not overlap that
nothing was done twice.
"""

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from enum import StrEnum
from itertools import groupby

from schemas.events import Receipt


class FindingKind(StrEnum):
    """What is not as it should be in one range of offsets."""

    GAP = "gap"
    OVERLAP = "overlap"
    DELETED = "deleted"
    ACCEPTED_LOSS = "accepted_loss"
    MISCOUNT = "miscount"


@dataclass(frozen=True, slots=True, order=True)
class LanePartition:
    """One partition of one cluster, as one lane reads it for a model."""

    cluster_id: str
    model: str
    topic: str
    partition: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One range of offsets [offset_from, offset_to) with what is wrong there; `estimated`: by offsets."""

    kind: FindingKind
    offset_from: int
    offset_to: int
    records: int
    detail: str
    estimated: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Coverage:
    """What the receipts of one partition add up to; every record counts once however often it was done."""

    place: LanePartition
    offset_first: int
    offset_next: int
    records: int
    scored: int
    dead_lettered: int
    duplicates: int
    redelivered: int
    findings: tuple[Finding, ...]


def in_order(receipts: Iterable[Receipt]) -> list[Receipt]:
    """Receipts as `cover` wants them."""
    return sorted(receipts, key=receipt_order)


def receipt_order(receipt: Receipt) -> tuple[str, str, int, int, int]:
    """Sort key: by partition, then by range."""
    return receipt.cluster_id, receipt.topic, receipt.partition, receipt.offset_from, receipt.offset_to


def cover(receipts: Iterable[Receipt]) -> Iterator[Coverage]:
    """One coverage per partition, from the receipts of one lane in the order of `receipt_order`."""
    for place, group in groupby(receipts, key=_place):
        sweep = _Sweep()
        for receipt in group:
            sweep.add(receipt)
        yield sweep.coverage(place)


def _place(receipt: Receipt) -> LanePartition:
    return LanePartition(receipt.cluster_id, receipt.model, receipt.topic, receipt.partition)


@dataclass(slots=True)
class _Counts:
    records: int = 0
    scored: int = 0
    dead_lettered: int = 0

    def add(self, other: "_Counts", sign: int = 1) -> None:
        self.records += sign * other.records
        self.scored += sign * other.scored
        self.dead_lettered += sign * other.dead_lettered


@dataclass(frozen=True, slots=True)
class _Segment:
    """Offsets counted so far; segments are disjoint and in order."""

    offset_from: int
    offset_to: int
    counts: _Counts


@dataclass(slots=True)
class _Sweep:
    """Walks over one partition's receipts in order of their first offset."""

    offset_first: int = -1
    offset_next: int = -1
    total: _Counts = field(default_factory=_Counts)
    duplicates: int = 0
    redelivered: int = 0
    findings: list[Finding] = field(default_factory=list)
    segments: deque[_Segment] = field(default_factory=deque)

    def add(self, receipt: Receipt) -> None:
        """Count one receipt, its repeated part apart."""
        assert receipt.offset_from < receipt.offset_to, f"a receipt covers at least one offset: {receipt}"
        if self.offset_first < 0:
            self.offset_first = self.offset_next = receipt.offset_from
        while self.segments and self.segments[0].offset_to <= receipt.offset_from:
            self.segments.popleft()
        counts = _Counts(receipt.records, receipt.scored, sum(receipt.dead_lettered.values()))
        self._check(receipt, counts)
        if receipt.offset_from > self.offset_next:
            self._find_gap(receipt.offset_from)
        repeated = self._repeated(receipt, counts)
        if receipt.offset_to <= self.offset_next:
            return
        if receipt.lost:
            self._find_accepted_loss(receipt)
        counts.add(repeated, -1)
        self.total.add(counts)
        self.segments.append(_Segment(self.offset_next, receipt.offset_to, counts))
        self.offset_next = receipt.offset_to

    def coverage(self, place: LanePartition) -> Coverage:
        return Coverage(
            place=place,
            offset_first=self.offset_first,
            offset_next=self.offset_next,
            records=self.total.records,
            scored=self.total.scored,
            dead_lettered=self.total.dead_lettered,
            duplicates=self.duplicates,
            redelivered=self.redelivered,
            findings=tuple(self.findings),
        )

    def _check(self, receipt: Receipt, counts: _Counts) -> None:
        accounted = counts.scored + counts.dead_lettered
        width = receipt.offset_to - receipt.offset_from
        if counts.records != accounted:
            detail = f"the receipt counts {counts.records} records, of which {accounted} were scored or dead-lettered"
        elif counts.records > width:
            detail = f"the receipt counts {counts.records} records in {width} offsets"
        else:
            return
        off = abs(counts.records - accounted) or counts.records - width
        self._find(FindingKind.MISCOUNT, receipt.offset_from, receipt.offset_to, records=off, detail=detail)

    def _find_gap(self, offset_to: int) -> None:
        width = offset_to - self.offset_next
        self.findings.append(gap(self.offset_next, offset_to, records=width, estimated=True))
        self.offset_next = offset_to

    def _find_accepted_loss(self, receipt: Receipt) -> None:
        self._find(
            FindingKind.ACCEPTED_LOSS,
            receipt.offset_from,
            receipt.offset_from + receipt.lost,
            records=receipt.lost,
            detail="deleted before they were read; an operator accepted the loss",
        )

    def _repeated(self, receipt: Receipt, counts: _Counts) -> _Counts:
        """What of this receipt had been counted before; noted as an overlap."""
        offset_to = min(receipt.offset_to, self.offset_next)
        if receipt.offset_from >= offset_to:
            return _Counts()
        if receipt.offset_to <= self.offset_next:
            repeated, estimated = counts, False
        else:
            repeated, estimated = self._counted_since(receipt.offset_from, most=counts)
        if receipt.guarantee == "exactly_once":
            self.duplicates += repeated.records
            detail = "done twice, although exactly once is promised"
        else:
            self.redelivered += repeated.records
            detail = "done again after a restart, as at least once allows; stores hold one document each"
        self._find_overlap(receipt.offset_from, offset_to, repeated.records, detail=detail, estimated=estimated)
        return repeated

    def _counted_since(self, offset: int, *, most: _Counts) -> tuple[_Counts, bool]:
        """What was counted from this offset on; estimated where a range begins before it.

        Markers of transactions take offsets too, so a part of a range is only known to hold no
        more records than offsets.
        """
        found = _Counts()
        estimated = False
        for segment in self.segments:
            if segment.offset_from >= offset:
                found.add(segment.counts)
                continue
            width = segment.offset_to - segment.offset_from
            inside = segment.offset_to - offset
            records = min(segment.counts.records, inside)
            estimated = estimated or segment.counts.records != width
            scored = min(segment.counts.scored, records)
            found.add(_Counts(records, scored, records - scored))
        if found.records > most.records:
            return replace(most), True
        return found, estimated

    def _find_overlap(self, offset_from: int, offset_to: int, records: int, *, detail: str, estimated: bool) -> None:
        last = self.findings[-1] if self.findings else None
        if last is not None and last.kind is FindingKind.OVERLAP and last.offset_to == offset_from:
            self.findings.pop()
            offset_from, records, estimated = last.offset_from, last.records + records, last.estimated or estimated
        self._find(FindingKind.OVERLAP, offset_from, offset_to, records=records, detail=detail, estimated=estimated)

    def _find(
        self, kind: FindingKind, offset_from: int, offset_to: int, *, records: int, detail: str, estimated: bool = False
    ) -> None:
        self.findings.append(
            Finding(
                kind=kind,
                offset_from=offset_from,
                offset_to=offset_to,
                records=records,
                detail=detail,
                estimated=estimated,
            )
        )


def gap(offset_from: int, offset_to: int, *, records: int, estimated: bool) -> Finding:
    """Offsets that no receipt covers."""
    return Finding(
        kind=FindingKind.GAP,
        offset_from=offset_from,
        offset_to=offset_to,
        records=records,
        detail="no receipt covers these offsets, though later ones were dealt with",
        estimated=estimated,
    )
