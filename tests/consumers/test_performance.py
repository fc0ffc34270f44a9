"""A window is told as a whole, from the newest part of each partition, whoever told them in whatever order."""

import random

import pytest

from consumers.performance import sums_from, sums_text
from consumers.performance_table import KEPT_MS, PerformanceTable
from consumers.sinks.base import RejectedDocument
from consumers.sinks.memory import MemorySink
from schemas.performance_sums import sums_of
from tests.consumers.stored import APRIL, part


def test_a_window_is_the_sum_of_its_partitions() -> None:
    """Counts add up, shares are those of the whole, and each figure has its interval."""
    table = PerformanceTable(lambda _: [part(0), part(1, predicted=5, watermark=APRIL)])
    table.follow_to(7)
    document = table.document(part(2, predicted=2))
    fields = document.fields

    assert (document.id, document.event_time) == (f"flights:1:stable:live:{APRIL}", APRIL)
    assert [fields[name] for name in ("predicted", "labeled", "coverage", "partitions")] == [10, 6, 0.6, 3]
    assert [fields[name] for name in ("accuracy", "loss", "recall", "delay_ms_mean")] == [0.5, 0.5, 0.0, 60_000.0]
    assert fields["maturity"] == pytest.approx((3 * 0.5 + 5 * 0.0 + 2 * 0.5) / 10)
    low, high = fields["accuracy_low"], fields["accuracy_high"]
    assert isinstance(low, float)
    assert isinstance(high, float)
    assert 0.1 < low < 0.5 < high < 0.9
    assert MemorySink().write([document]) == list[RejectedDocument]()


def test_late_updates_are_revisions_of_the_same_document() -> None:
    """A store that gets them in any order ends with the newest."""
    table = PerformanceTable(lambda _: ())
    told = [part(0), part(1), part(0, revision=8, labeled=3), part(1, revision=7, predicted=4), part(0)]
    documents = [table.document(each) for each in told]
    ends = []
    for seed in range(5):
        sink = MemorySink()
        sink.write(random.Random(seed).sample(documents, len(documents)))
        ends.append(sink.documents["performance"])

    assert len({document.id for document in documents}) == 1
    revisions = [document.revision or 0 for document in documents]
    assert sorted(set(revisions)) == revisions
    (final,) = ends[0].values()
    assert (final["predicted"], final["labeled"]) == (7, 5)
    assert all(end == ends[0] for end in ends)


def test_a_sink_that_takes_over_knows_what_the_one_before_it_knew() -> None:
    """It reads the topic by itself before it tells a window."""
    first = PerformanceTable(lambda _: ())
    before = [first.document(each) for each in (part(0), part(1))][-1]
    topic = [part(0), part(1), part(1, revision=6, labeled=3)]
    second = PerformanceTable(lambda _: topic)
    second.follow_to(3)
    after = second.document(topic[-1])

    assert after.fields["labeled"] == 5
    assert after.revision is not None
    assert before.revision is not None
    assert after.revision > before.revision - 2


def test_windows_that_can_not_change_any_more_are_forgotten() -> None:
    """Memory holds what may still change, and a window that is told of again begins with what is told."""
    later = APRIL + 2 * KEPT_MS
    new = part(0, part_id=f"flights:1:stable:live:{later}:0", start=later, end=later + 1, told_at=later)
    table = PerformanceTable(lambda _: [part(0), new])
    table.follow_to(1)

    assert len(table) == 1


def test_sums_come_back_from_their_text() -> None:
    """So that windows can be added up from documents alone."""
    sums = sums_of(part(0))

    assert sums_from(sums_text(sums)) == sums
