"""The controller's process with deaths as data: `python -m tests.crashing_controller CONFIG DATA_DIR POINT=TEXT ...`.

It kills itself with -9 at that point of the first commit whose journal entries hold the text. All else
is what `penstock run controller` runs.
"""

import os
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition

from penstock import processes
from runtime.batch import OutgoingRecords
from runtime.commit import Commit, PlainCommit, TransactionalCommit
from runtime.settings import Guarantee, load_settings

POINTS = ("before the journal", "after the journal", "before the offsets are final", "after the commit")
FLUSH_S = 10.0


class Deaths:
    """Where the process is to die; `armed` while the commit is one that it dies in."""

    def __init__(self, wanted: Sequence[str]) -> None:
        self._wanted = [tuple(each.split("=", 1)) for each in wanted]
        assert all(point in POINTS for point, _ in self._wanted), wanted
        self._armed: set[str] = set()

    def arm(self, outgoing: Sequence[OutgoingRecords]) -> None:
        """Look whether this commit is one of those."""
        journal = b"".join(value for each in outgoing if each.topic.endswith("journal") for value in each.values)
        self._armed = {point for point, text in self._wanted if text.encode() in journal}

    def at(self, point: str) -> None:
        if point in self._armed:
            os.kill(os.getpid(), signal.SIGKILL)

    def near(self, point: str) -> bool:
        return point in self._armed


class MortalProducer:
    """What commits use of a producer; what was produced is at the broker before the process dies of it."""

    def __init__(self, producer: Producer, deaths: Deaths) -> None:
        self._producer = producer
        self._deaths = deaths

    def init_transactions(self, timeout: float) -> None:
        self._producer.init_transactions(timeout)

    def begin_transaction(self) -> None:
        self._producer.begin_transaction()

    def produce_batch(self, topic: str, messages: list[dict[str, Any]], **options: Any) -> int:
        self._deaths.at("before the journal")
        taken = self._producer.produce_batch(topic, messages, **options)
        if topic.endswith("journal") and self._deaths.near("after the journal"):
            self._producer.flush(FLUSH_S)
            self._deaths.at("after the journal")
        return int(taken)

    def poll(self, timeout: float) -> int:
        return self._producer.poll(timeout)

    def flush(self, timeout: float) -> int:
        left = self._producer.flush(timeout)
        self._deaths.at("before the offsets are final")
        return left

    def send_offsets_to_transaction(self, offsets: list[TopicPartition], group: Any, timeout: float) -> None:
        self._producer.send_offsets_to_transaction(offsets, group, timeout)

    def commit_transaction(self, timeout: float) -> None:
        if self._deaths.near("before the offsets are final"):
            self._producer.flush(FLUSH_S)
            self._deaths.at("before the offsets are final")
        self._producer.commit_transaction(timeout)

    def abort_transaction(self, timeout: float) -> None:
        self._producer.abort_transaction(timeout)


class MortalCommit:
    """A commit that knows what it makes final."""

    def __init__(self, commit: Commit, deaths: Deaths) -> None:
        self._commit = commit
        self._deaths = deaths
        self.guarantee: Guarantee = commit.guarantee
        self.stages = commit.stages

    def prepare(self) -> None:
        self._commit.prepare()

    def polled(self) -> None:
        self._commit.polled()

    def commit(self, outgoing: Sequence[OutgoingRecords], offsets: Sequence[TopicPartition]) -> None:
        self._deaths.arm(outgoing)
        self._commit.commit(outgoing, offsets)
        self._deaths.at("after the commit")


def mortal(commit_class: Callable[..., Commit], deaths: Deaths) -> Callable[..., MortalCommit]:
    """Makes commits of that class, around a producer that may be the last thing that the process calls."""

    def make(producer: Producer, consumer: Consumer, **options: Any) -> MortalCommit:
        return MortalCommit(commit_class(MortalProducer(producer, deaths), consumer, **options), deaths)

    return make


def main(config: str, data_dir: str, *wanted: str) -> int:
    deaths = Deaths(wanted)
    settings = load_settings(Path(config), data_dir=Path(data_dir))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("penstock.roles.lanes.TransactionalCommit", mortal(TransactionalCommit, deaths))
        patch.setattr("penstock.roles.lanes.PlainCommit", mortal(PlainCommit, deaths))
        return processes.run("controller", settings, slot=0, supervised=False)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
