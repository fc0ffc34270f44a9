"""Reads a system topic from its start and then along, without a group: every process sees all.

A member of a group would get a share of the partitions only; what every worker must know
(deployments) or a start must know (receipts) is read by assignment instead.
"""

import time
from collections.abc import Iterator

import structlog
from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError

from runtime.batch import KafkaMessage
from runtime.errors import AccessDeniedError, BrokerUnreachableError
from runtime.kafka import SYSTEM_PARTITION, build_reader, log_end, system_partition
from runtime.settings import KafkaSettings

_POLL_RECORDS = 500
_log = structlog.get_logger("penstock.follower")


class Follower:
    """The records of one system topic, in order; `catch_up` first, then `news` without waiting."""

    def __init__(self, kafka: KafkaSettings, topic: str) -> None:
        self._kafka = kafka
        self._topic = topic
        self._read = -1
        self._consumer: Consumer = build_reader(kafka)
        self._consumer.assign([system_partition(topic, OFFSET_BEGINNING)])

    def catch_up(self, deadline_s: float) -> Iterator[KafkaMessage]:
        """All records up to the end of the log as it is now.

        Raises `BrokerUnreachableError` when the end is not reached by the deadline,
        `AccessDeniedError` when this user may not read it.
        """
        deadline = time.monotonic() + deadline_s
        end, reached = None, False
        while not reached and time.monotonic() < deadline:
            # Where records keep coming, the end of the log as it will be then is never reached.
            end = end if end is not None else log_end(self._consumer, self._topic, SYSTEM_PARTITION)
            for message in self._consumer.consume(_POLL_RECORDS, 0.1):
                fault = message.error()
                if fault is None:
                    reached = reached or (end is not None and (message.offset() or 0) >= end - 1)
                    yield message
                elif fault.code() == KafkaError._PARTITION_EOF:
                    # Records that came right behind the end are in the same list.
                    reached = True
                elif fault.code() == KafkaError.TOPIC_AUTHORIZATION_FAILED:
                    raise AccessDeniedError(f"read {self._topic}", "docs/reference/access.md says what each role may")
                else:
                    _log.warning("topic not readable yet", topic=self._topic, detail=fault.str())
        if not reached:
            raise BrokerUnreachableError(
                self._kafka.bootstrap_servers, f"{self._topic} was not read to its end in time"
            )

    def to(self, offset: int, deadline_s: float) -> Iterator[KafkaMessage]:
        """Records that were not given yet, up to that offset at least, which the log has.

        Raises `BrokerUnreachableError` when it is not reached by the deadline.
        """
        deadline = time.monotonic() + deadline_s
        while self._read < offset:
            if time.monotonic() > deadline:
                raise BrokerUnreachableError(
                    self._kafka.bootstrap_servers, f"{self._topic} was not read to offset {offset} in time"
                )
            for message in self._consumer.consume(_POLL_RECORDS, 0.1):
                fault = message.error()
                if fault is None:
                    self._read = message.offset() or 0
                    yield message
                elif fault.code() == KafkaError._PARTITION_EOF:
                    # What lay there has been compacted away since.
                    self._read = max(self._read, offset)

    def news(self) -> Iterator[KafkaMessage]:
        """Records that have come since; returns at once when there are none."""
        for message in self._consumer.consume(_POLL_RECORDS, 0.0):
            if message.error() is None:
                yield message

    def close(self) -> None:
        self._consumer.close()


def read_to_end(kafka: KafkaSettings, topic: str, *, deadline_s: float) -> list[KafkaMessage]:
    """Every record of a system topic as of now. Raises as `Follower.catch_up` does."""
    follower = Follower(kafka, topic)
    try:
        return list(follower.catch_up(deadline_s))
    finally:
        follower.close()
