"""Whoever reads a topic once through comes to its end, also where somebody writes to it all the time."""

import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager

import pytest

from runtime.follower import Follower
from runtime.kafka import build_producer
from runtime.settings import KafkaSettings
from tests.runtime.lane_parts import SOURCE, embedded_kafka

pytestmark = pytest.mark.wire
BEFORE = 2_000
DEADLINE_S = 30.0


def test_a_topic_that_grows_all_the_time_is_read_to_its_end() -> None:
    """The end is that of the moment at which reading began: the one of later is never reached."""
    with embedded_kafka() as kafka, _writing(kafka) as written:
        assert written.wait(DEADLINE_S)
        with closing(Follower(kafka, SOURCE)) as follower:
            read = [message.offset() for message in follower.catch_up(DEADLINE_S)]
            news = next(offset for offset in _news(follower) if offset is not None)

    assert len(read) >= BEFORE
    assert read == list(range(len(read)))
    assert news == len(read), "what came right behind the end is neither lost nor repeated"


@contextmanager
def _writing(kafka: KafkaSettings) -> Iterator[threading.Event]:
    """Records without a pause, and a word once there are some."""
    enough, stop = threading.Event(), threading.Event()

    def write() -> None:
        producer = build_producer(kafka)
        number = 0
        while not stop.is_set():
            producer.produce(SOURCE, value=str(number).encode(), partition=0)
            number += 1
            if number % 200 == 0:
                producer.flush(DEADLINE_S)
            if number == BEFORE:
                enough.set()

    writer = threading.Thread(target=write)
    writer.start()
    try:
        yield enough
    finally:
        stop.set()
        writer.join(DEADLINE_S)


def _news(follower: Follower) -> Iterator[int | None]:
    for _ in range(10_000):
        yield from (message.offset() for message in follower.news())
