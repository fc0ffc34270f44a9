"""The lane on the embedded broker: everything once, whatever the step does."""

from pathlib import Path

import pytest

from runtime.batch import OutgoingRecords
from schemas.codec import EventCodec
from schemas.directory_registry import DirectoryRegistry
from schemas.events import Receipt
from tests.runtime.lane_parts import (
    SOURCE,
    TARGET,
    CopyStep,
    CountingKeeper,
    embedded_kafka,
    eventually,
    running_lane,
    send,
    values_in,
)

pytestmark = pytest.mark.wire

SENT = [f"request-{number}" for number in range(500)]


def test_every_record_is_copied_and_receipted_once(tmp_path: Path) -> None:
    """Outputs equal inputs, and the receipts' ranges touch and count them."""
    with embedded_kafka() as kafka:
        send(kafka, SENT)
        with running_lane(kafka, CopyStep(), tmp_path):
            assert eventually(lambda: len(values_in(kafka, TARGET)) >= len(SENT))

        codec = EventCodec(DirectoryRegistry(tmp_path / "schemas.sqlite"))
        receipts = [codec.decode(Receipt, value) for value in values_in(kafka, "receipts")]
        assert sorted(SENT) == sorted(value.decode() for value in values_in(kafka, TARGET))
        assert len(SENT) == sum(receipt.records for receipt in receipts)
        for partition in range(4):
            spans = sorted((r.offset_from, r.offset_to) for r in receipts if r.partition == partition)
            assert [end for _start, end in spans[:-1]] == [start for start, _end in spans[1:]]


def test_a_batch_that_fails_is_read_again_from_its_first_offset(tmp_path: Path) -> None:
    """Three refusals cost time and lose nothing."""
    step = CopyStep(failures=3)
    with embedded_kafka() as kafka:
        send(kafka, SENT)
        with running_lane(kafka, step, tmp_path):
            assert eventually(lambda: len(values_in(kafka, TARGET)) >= len(SENT))

        assert sorted(SENT) == sorted(value.decode() for value in values_in(kafka, TARGET))
    assert step.failures == 0


def test_what_no_batch_caused_outlives_an_aborted_transaction(tmp_path: Path) -> None:
    """Announcements that went with an aborted transaction are sent with the next one, once."""
    said = OutgoingRecords(topic="profiles", keys=[b"m"], values=[b"a profile"], partition=0)
    with embedded_kafka() as kafka, running_lane(kafka, CopyStep(announcements=[said]), tmp_path, aborts=3):
        assert eventually(lambda: bool(values_in(kafka, "profiles")))
        send(kafka, SENT)
        assert eventually(lambda: len(values_in(kafka, TARGET)) >= len(SENT))

        assert values_in(kafka, "profiles") == [b"a profile"]


def test_a_topic_that_is_not_ready_waits_and_then_goes_on(tmp_path: Path) -> None:
    """Paused partitions are neither read past nor lost."""
    step = CopyStep(is_ready=False)
    with embedded_kafka() as kafka:
        send(kafka, SENT)
        with running_lane(kafka, step, tmp_path):
            assert not eventually(lambda: bool(step.batches), timeout_s=6)
            step.is_ready = True
            assert eventually(lambda: len(values_in(kafka, TARGET)) >= len(SENT))
            step.is_ready = False
            send(kafka, ["late"])
            assert not eventually(lambda: b"late" in values_in(kafka, TARGET), timeout_s=1)
            step.is_ready = True
            assert eventually(lambda: b"late" in values_in(kafka, TARGET))

        assert sorted([*SENT, "late"]) == sorted(value.decode() for value in values_in(kafka, TARGET))


def test_a_lane_that_comes_back_goes_on_where_it_committed(tmp_path: Path) -> None:
    """A second life of the lane reads nothing twice after a clean stop."""
    with embedded_kafka() as kafka:
        send(kafka, SENT)
        with running_lane(kafka, CopyStep(), tmp_path):
            assert eventually(lambda: len(values_in(kafka, TARGET)) >= len(SENT))
        send(kafka, ["more"])
        second = CopyStep()
        with running_lane(kafka, second, tmp_path):
            assert eventually(lambda: b"more" in values_in(kafka, TARGET))

    assert sum(second.batches) == 1


def test_a_keeper_gets_back_the_notes_of_its_last_life(tmp_path: Path) -> None:
    """Notes are committed with the offsets, for every partition that has one, also by a batch without records."""
    first, second = CountingKeeper(), CountingKeeper()
    with embedded_kafka() as kafka:
        send(kafka, SENT)
        with running_lane(kafka, CopyStep(), tmp_path, keeper=first):
            assert eventually(lambda: len(values_in(kafka, TARGET)) >= len(SENT))
        step = CopyStep()
        with running_lane(kafka, step, tmp_path, keeper=second):
            assert eventually(lambda: len(second.lives) == 4)
            second.is_due = True
            assert eventually(lambda: step.batches == [0])
        third = CountingKeeper()
        with running_lane(kafka, CopyStep(), tmp_path, keeper=third):
            assert eventually(lambda: len(third.lives) == 4)

    places = {(SOURCE, partition) for partition in range(4)}
    assert dict.fromkeys(places, 1) == first.lives
    assert dict.fromkeys(places, 2) == second.lives
    assert dict.fromkeys(places, 3) == third.lives


def test_a_keeper_that_is_not_ready_holds_its_partitions(tmp_path: Path) -> None:
    """Nothing is processed before the state is there, and the end of a log is told after its records are final."""
    keeper, step = CountingKeeper(is_ready=False), CopyStep()
    with embedded_kafka() as kafka:
        send(kafka, SENT)
        with running_lane(kafka, step, tmp_path, keeper=keeper):
            assert not eventually(lambda: bool(step.batches), timeout_s=2)
            keeper.is_ready = True
            assert eventually(lambda: sum(step.batches) == len(SENT))
            assert eventually(lambda: {(SOURCE, partition) for partition in range(4)} <= set(keeper.ended))

        assert sorted(SENT) == sorted(value.decode() for value in values_in(kafka, TARGET))


def test_a_keeper_has_the_last_word(tmp_path: Path) -> None:
    """What could have waited is done before the lane stops, as one more batch without records."""
    keeper, step = CountingKeeper(has_last_words=True), CopyStep()
    with embedded_kafka() as kafka:
        send(kafka, SENT)
        with running_lane(kafka, step, tmp_path, keeper=keeper):
            assert eventually(lambda: sum(step.batches) == len(SENT))

    assert step.batches[-1] == 0
