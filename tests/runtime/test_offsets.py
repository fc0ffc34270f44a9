"""Waiting for stable offsets: patient while the process is to live, short once it is to stop."""

import pytest
from confluent_kafka import Consumer, TopicPartition

from runtime.offsets import OffsetsUnavailableError, StopRequestedError, start_offsets

PLACES = [TopicPartition("flights.requests", 0)]


@pytest.fixture
def consumer() -> Consumer:
    """A consumer whose broker nobody reaches, so that it never has an answer."""
    return Consumer({"bootstrap.servers": "127.0.0.1:1", "group.id": "g", "log_level": 0})


def test_offsets_that_nobody_tells_are_waited_for_until_the_deadline(consumer: Consumer) -> None:
    """The library is never left to choose a start."""
    with pytest.raises(OffsetsUnavailableError, match="no stable answer"):
        start_offsets(consumer, PLACES, last_receipts=lambda _: {}, deadline_s=0.5, stopping=lambda: False)


def test_a_process_that_is_to_stop_waits_no_longer(consumer: Consumer) -> None:
    """Rather than being killed in the middle of its wait, long before its deadline."""
    asked = iter([False, True])
    with pytest.raises(StopRequestedError):
        start_offsets(consumer, PLACES, last_receipts=lambda _: {}, deadline_s=3_600.0, stopping=lambda: next(asked))
