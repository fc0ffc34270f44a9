"""The ledger names what is planted, and balances where nothing is."""

from dataclasses import replace
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumers.coverage import FindingKind, LanePartition, in_order
from consumers.ledger import Ledger, LogExtent, OffsetRange, RecordCounts, balance, settle
from schemas.events import Receipt
from tests.consumers.receipts import PLACE, receipt, with_markers


def test_an_empty_ledger_balances() -> None:
    """No receipts and no logs: nothing was accepted, so nothing is missing."""
    assert _ledger([]).to_dict() == {"models": [], "balanced": True, "guarantee": "exactly_once", "notes": []}


def test_the_json_has_what_scripts_rely_on() -> None:
    """Every promised key, with a partition that is partly in flight."""
    ledger = _ledger([receipt(0, 10, dead=2), receipt(10, 15)], extent=LogExtent(log_start=0, log_end=18))

    assert ledger.to_dict()["models"] == [
        {
            "name": "flights",
            "accepted": 18,
            "scored": 13,
            "dead_lettered": 2,
            "in_flight": 3,
            "lost": 0,
            "duplicates": 0,
            "redelivered": 0,
            "repeated_request_ids": 0,
            "balanced": True,
            "partitions": [
                {
                    "cluster_id": "cluster",
                    "partition": 0,
                    "log_start": 0,
                    "log_end": 18,
                    "offset_next": 15,
                    "records": 15,
                    "scored": 13,
                    "dead_lettered": 2,
                    "in_flight": 3,
                    "findings": [],
                    "estimated": True,
                }
            ],
        }
    ]


def test_a_planted_gap_is_named() -> None:
    """Offsets between two receipts that no receipt covers are lost."""
    ledger = _ledger([receipt(0, 10), receipt(15, 20)])

    assert _named(ledger) == [(FindingKind.GAP, 10, 15, 5)]
    assert _totals(ledger) == {"accepted": 20, "scored": 15, "lost": 5, "duplicates": 0, "balanced": False}


def test_a_gap_is_counted_in_the_log_where_it_can_be_read() -> None:
    """Of five offsets two were markers: three records are lost."""
    hole = OffsetRange(place=PLACE, offset_from=10, offset_to=15)
    ledger = _ledger([receipt(0, 10), receipt(15, 20)], extent=LogExtent(log_start=0, log_end=20), counts={hole: 3})

    assert _named(ledger) == [(FindingKind.GAP, 10, 15, 3)]
    assert not ledger.models[0].partitions[0].findings[0].estimated


def test_a_hole_of_markers_alone_is_no_gap() -> None:
    """Nothing can be lost where no record was."""
    hole = OffsetRange(place=PLACE, offset_from=10, offset_to=11)
    ledger = _ledger([receipt(0, 10), receipt(11, 20)], extent=LogExtent(log_start=0, log_end=20), counts={hole: 0})

    assert (_named(ledger), ledger.balanced) == ([], True)


def test_a_gap_that_retention_half_removed_is_the_rest_and_an_estimate() -> None:
    """What the log has no more is taken for records, and the finding says that it is an estimate."""
    rest = OffsetRange(place=PLACE, offset_from=13, offset_to=15)
    ledger = _ledger([receipt(0, 10), receipt(15, 20)], extent=LogExtent(log_start=13, log_end=20), counts={rest: 1})

    assert _named(ledger) == [(FindingKind.GAP, 10, 15, 4)]
    assert ledger.models[0].partitions[0].findings[0].estimated


def test_a_first_receipt_above_the_log_start_is_a_gap() -> None:
    """The lane begins where the log does; what lies before its first receipt was skipped."""
    ledger = _ledger([receipt(5, 10)], extent=LogExtent(log_start=2, log_end=10))

    assert _named(ledger) == [(FindingKind.GAP, 2, 5, 3)]


def test_a_first_receipt_below_the_log_start_is_retention() -> None:
    """What was dealt with and then deleted is no fault."""
    ledger = _ledger([receipt(5, 10)], extent=LogExtent(log_start=8, log_end=10))

    assert (_named(ledger), ledger.balanced) == ([], True)


@pytest.mark.parametrize(
    ("guarantee", "duplicates", "redelivered", "balanced"),
    [("exactly_once", 5, 0, False), ("at_least_once", 0, 5, True)],
)
def test_a_planted_overlap_is_named(guarantee: str, duplicates: int, redelivered: int, *, balanced: bool) -> None:
    """Done twice is a duplicate or a redelivery, by what was promised; either counts once as scored."""
    ledger = _ledger([receipt(0, 10, guarantee=guarantee), receipt(5, 20, guarantee=guarantee)])
    model = ledger.models[0]

    assert _named(ledger) == [(FindingKind.OVERLAP, 5, 10, 5)]
    assert (model.total("duplicates"), model.total("redelivered")) == (duplicates, redelivered)
    assert (model.accepted, model.total("scored"), ledger.balanced) == (20, 20, balanced)


def test_an_overlap_of_a_longer_batch_is_counted_from_the_shorter_receipt() -> None:
    """After a restart the batch is longer: what the first receipt held was done again, exactly."""
    first = with_markers(receipt(10, 20), 3)
    ledger = _ledger([receipt(0, 10), first, with_markers(receipt(10, 40), 4)])

    assert _named(ledger) == [(FindingKind.OVERLAP, 10, 20, 7)]
    assert not ledger.models[0].partitions[0].findings[0].estimated
    assert ledger.models[0].accepted == 10 + 26


def test_an_overlap_that_cuts_ranges_with_markers_is_an_estimate() -> None:
    """Which offsets of a range were markers is not known: the finding says so."""
    ledger = _ledger([with_markers(receipt(0, 10), 2), with_markers(receipt(5, 20), 1)])

    assert ledger.models[0].partitions[0].findings[0].estimated


def test_a_planted_deleted_range_is_named() -> None:
    """The log begins above the next offset: what lies between was deleted unread."""
    ledger = _ledger([receipt(0, 10)], extent=LogExtent(log_start=14, log_end=20))

    assert _named(ledger) == [(FindingKind.DELETED, 10, 14, 4)]
    assert _totals(ledger) == {"accepted": 20, "scored": 10, "lost": 4, "duplicates": 0, "balanced": False}
    assert ledger.models[0].total("in_flight") == 6


@pytest.mark.parametrize(("change", "off"), [({"scored": 8}, 2), ({"records": 11, "scored": 11}, 1)])
def test_a_planted_miscount_is_named(change: dict[str, int], off: int) -> None:
    """A receipt must account for what it read, and can't have read more records than offsets."""
    wrong = Receipt(**{**{name: getattr(receipt(0, 10), name) for name in Receipt.__slots__}, **change})
    ledger = _ledger([wrong, receipt(10, 20)])

    assert _named(ledger) == [(FindingKind.MISCOUNT, 0, 10, off)]
    assert not ledger.balanced


def test_an_accepted_loss_is_lost_but_balances() -> None:
    """An operator's word lets the lane go on; the loss stays visible."""
    loss = replace(receipt(10, 15), records=0, scored=0, lost=5)
    ledger = _ledger([receipt(0, 10), loss, receipt(15, 20)])

    assert _named(ledger) == [(FindingKind.ACCEPTED_LOSS, 10, 15, 5)]
    assert _totals(ledger) == {"accepted": 20, "scored": 15, "lost": 5, "duplicates": 0, "balanced": True}


def test_each_incarnation_of_a_broker_has_its_own_partitions() -> None:
    """Offsets mean something within one cluster only: the same range in two clusters is no overlap."""
    again = replace(receipt(0, 10), cluster_id="cluster-2")
    ledger = _ledger([receipt(0, 10), again])

    assert [partition.cluster_id for partition in ledger.models[0].partitions] == ["cluster", "cluster-2"]
    assert (ledger.models[0].accepted, ledger.balanced) == (20, True)


def test_a_topic_without_receipts_is_in_flight() -> None:
    """Requests that no lane has touched are not lost."""
    ledger = _ledger([], extent=LogExtent(log_start=3, log_end=7))

    assert ledger.models[0].total("in_flight") == 4
    assert (ledger.models[0].accepted, ledger.balanced) == (4, True)


def test_repeats_are_reported_by_model() -> None:
    """Repeated request ids are scored per record; the ledger carries their number."""
    extents = {PLACE: LogExtent(log_start=0, log_end=0)}
    ledger = settle([], extents, {}, repeats={"flights": 7})

    assert ledger.models[0].repeated_request_ids == 7


CUTS = st.lists(st.integers(1, 50), min_size=1, max_size=12)


@given(widths=CUTS, start=st.integers(0, 1_000), order=st.randoms(use_true_random=False), data=st.data())
def test_receipts_cut_from_a_whole_log_balance_in_any_order(
    widths: list[int], start: int, order: Random, data: st.DataObject
) -> None:
    """However a log is cut into transactions, with markers anywhere, its records are all accounted for."""
    receipts = [
        with_markers(piece, data.draw(st.integers(0, piece.records), label="markers")) for piece in _cut(widths, start)
    ]
    order.shuffle(receipts)
    ledger = _ledger(receipts, extent=LogExtent(log_start=start, log_end=start + sum(widths)))

    assert _named(ledger) == []
    assert ledger.balanced
    assert ledger.models[0].accepted == sum(piece.records for piece in receipts)


@given(widths=st.lists(st.integers(1, 50), min_size=2, max_size=12), data=st.data())
def test_a_removed_receipt_is_a_gap_of_exactly_its_records(widths: list[int], data: st.DataObject) -> None:
    """Any receipt but the last; without the last its records are in flight."""
    receipts = _cut(widths, 0)
    index = data.draw(st.integers(0, len(receipts) - 1))
    removed = receipts.pop(index)
    ledger = _ledger(receipts, extent=LogExtent(log_start=0, log_end=sum(widths)))
    last = index == len(receipts)
    named = [] if last else [(FindingKind.GAP, removed.offset_from, removed.offset_to, removed.records)]

    assert _named(ledger) == named
    assert ledger.models[0].total("in_flight") == (removed.records if last else 0)
    assert (ledger.models[0].accepted, ledger.balanced) == (sum(widths), last)


@given(widths=CUTS, guarantee=st.sampled_from(["exactly_once", "at_least_once"]), data=st.data())
def test_a_doubled_receipt_is_exactly_its_records_twice(widths: list[int], guarantee: str, data: st.DataObject) -> None:
    """Duplicates or redelivered by the guarantee, markers not counted, totals unmoved."""
    receipts = [replace(piece, guarantee=guarantee) for piece in _cut(widths, 0)]
    index = data.draw(st.integers(0, len(receipts) - 1))
    receipts[index] = with_markers(receipts[index], data.draw(st.integers(0, receipts[index].records)))
    doubled = receipts[index]
    ledger = _ledger([*receipts, doubled])
    counted = ledger.models[0].total("duplicates" if guarantee == "exactly_once" else "redelivered")

    assert counted == doubled.records
    assert ledger.models[0].accepted == sum(piece.records for piece in receipts)


@given(ranges=st.lists(st.tuples(st.integers(0, 60), st.integers(1, 30)), min_size=1, max_size=15))
def test_any_set_of_ranges_counts_each_offset_once(ranges: list[tuple[int, int]]) -> None:
    """Overlaps, gaps and nesting in any mixture agree with counting offsets one by one."""
    receipts = [receipt(start, start + width, guarantee="at_least_once") for start, width in ranges]
    covered = {offset for piece in receipts for offset in range(piece.offset_from, piece.offset_to)}
    ledger = _ledger(receipts)
    model = ledger.models[0]

    assert model.total("scored") == len(covered)
    assert model.total("lost") == max(covered) + 1 - min(covered) - len(covered)
    assert model.total("redelivered") == sum(width for _start, width in ranges) - len(covered)


def _cut(widths: list[int], start: int) -> list[Receipt]:
    """Receipts of these widths that touch."""
    receipts = []
    for width in widths:
        receipts.append(receipt(start, start + width, dead=width // 3))
        start += width
    return receipts


def _ledger(receipts: list[Receipt], *, extent: LogExtent | None = None, counts: RecordCounts | None = None) -> Ledger:
    extents: dict[LanePartition, LogExtent] = {} if extent is None else {PLACE: extent}
    return balance(in_order(receipts), extents, counts or {})


def _named(ledger: Ledger) -> list[tuple[FindingKind, int, int, int]]:
    return [
        (finding.kind, finding.offset_from, finding.offset_to, finding.records)
        for model in ledger.models
        for partition in model.partitions
        for finding in partition.findings
    ]


def _totals(ledger: Ledger) -> dict[str, int | bool]:
    model = ledger.models[0]
    totals: dict[str, int | bool] = {name: model.total(name) for name in ("scored", "lost", "duplicates")}
    return {"accepted": model.accepted, **totals, "balanced": ledger.balanced}
