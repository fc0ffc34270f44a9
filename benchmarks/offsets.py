"""Where contenders start and how far they are: group offsets set and read from outside."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from confluent_kafka import Consumer, ConsumerGroupTopicPartitions, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic  # type: ignore[attr-defined]  # its stubs forget to export it

POLL_S = 0.1
REQUEST_TIMEOUT_S = 10.0


class BenchmarkFailedError(Exception):
    """A contender did not do its work; no figure may be printed."""


@dataclass(slots=True, kw_only=True)
class Places:
    """Offsets of one broker's topics and groups."""

    bootstrap_servers: str

    def create_topic(self, topic: str, partitions: int) -> None:
        """A topic whose timestamps are the broker's."""
        wanted = NewTopic(
            topic,
            num_partitions=partitions,
            replication_factor=1,
            config={"message.timestamp.type": "LogAppendTime"},
        )
        admin = self._admin()
        admin.create_topics([wanted])[topic].result(REQUEST_TIMEOUT_S)

    def ends(self, topic: str) -> dict[int, int]:
        """The offset after the last record of each partition."""
        consumer = Consumer({"bootstrap.servers": self.bootstrap_servers, "group.id": "bench.places"})
        try:
            partitions = consumer.list_topics(topic, timeout=REQUEST_TIMEOUT_S).topics[topic].partitions
            return {
                partition: consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=REQUEST_TIMEOUT_S)[
                    1
                ]
                for partition in partitions
            }
        finally:
            consumer.close()

    def rewind(self, group: str, topic: str, records: int) -> dict[int, int]:
        """Put an idle group so that it has about `records` to read; return the offsets by partition."""
        ends = self.ends(topic)
        share = -(-records // len(ends))
        starts = {partition: max(end - share, 0) for partition, end in ends.items()}
        self.place(group, topic, starts)
        return starts

    def place(self, group: str, topic: str, offsets: Mapping[int, int]) -> None:
        """Set an idle group's offsets, waiting until its last member has left."""
        wanted = [TopicPartition(topic, partition, offset) for partition, offset in offsets.items()]
        admin = self._admin()
        deadline = time.monotonic() + 30
        while True:
            request = [ConsumerGroupTopicPartitions(group, wanted)]
            answer = admin.alter_consumer_group_offsets(request)[group]
            try:
                answer.result(REQUEST_TIMEOUT_S)
            except KafkaException:
                if time.monotonic() > deadline:
                    raise
                time.sleep(POLL_S)
            else:
                return

    def committed(self, group: str, topic: str) -> dict[int, int]:
        """What the group has committed by partition."""
        return self._wait(group, topic, lambda _committed: True, alive=lambda: True, timeout_s=REQUEST_TIMEOUT_S)

    def wait_committed(
        self, group: str, topic: str, offsets: Mapping[int, int], *, alive: Callable[[], bool], timeout_s: float
    ) -> None:
        """Wait until the group has committed these offsets. Raises `BenchmarkFailedError`."""
        self._wait(group, topic, lambda committed: all(committed[key] >= offsets[key] for key in offsets),
                   alive=alive, timeout_s=timeout_s)  # fmt: skip

    def wait_begun(
        self, group: str, topic: str, starts: Mapping[int, int], *, alive: Callable[[], bool], timeout_s: float
    ) -> int:
        """Wait until the group has committed more than `starts`, and return how many records that is."""
        committed = self._wait(
            group, topic, lambda committed: committed != dict(starts), alive=alive, timeout_s=timeout_s
        )
        return sum(committed.values()) - sum(starts.values())

    def _wait(
        self,
        group: str,
        topic: str,
        enough: Callable[[dict[int, int]], bool],
        *,
        alive: Callable[[], bool],
        timeout_s: float,
    ) -> dict[int, int]:
        consumer = Consumer({"bootstrap.servers": self.bootstrap_servers, "group.id": group})
        partitions = consumer.list_topics(topic, timeout=REQUEST_TIMEOUT_S).topics[topic].partitions
        places = [TopicPartition(topic, partition) for partition in partitions]
        deadline = time.monotonic() + timeout_s
        try:
            while alive() and time.monotonic() < deadline:
                answers = consumer.committed(places, timeout=REQUEST_TIMEOUT_S)
                committed = {answer.partition: answer.offset for answer in answers}
                if not any(answer.error for answer in answers) and enough(committed):
                    return committed
                time.sleep(POLL_S)
        finally:
            consumer.close()
        raise BenchmarkFailedError(f"group {group} did not get on with {topic}, though it had {timeout_s:.0f} s")

    def _admin(self) -> AdminClient:
        return AdminClient({"bootstrap.servers": self.bootstrap_servers})
