"""Records of a topic as a downstream consumer sees them: committed ones, from given offsets to the end."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from benchmarks.offsets import BenchmarkFailedError

READ_RECORDS = 50_000
READ_TIMEOUT_S = 30.0


@dataclass(slots=True, kw_only=True)
class CommittedRecords:
    """Records as lists of equal length, in order within each partition."""

    values: list[bytes] = field(default_factory=list)
    partitions: list[int] = field(default_factory=list)
    append_times: list[int] = field(default_factory=list)


def read_committed(bootstrap_servers: str, topic: str, starts: Mapping[int, int]) -> CommittedRecords:
    """Read to the end of every partition. Raises `BenchmarkFailedError` when it is not reached."""
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap_servers,
            "group.id": "bench.outputs",
            "isolation.level": "read_committed",
            "enable.auto.commit": False,
            "auto.offset.reset": "error",
            "enable.partition.eof": True,
        }
    )
    consumer.assign([TopicPartition(topic, partition, offset) for partition, offset in starts.items()])
    unfinished = set(starts)
    records = CommittedRecords()
    while unfinished:
        messages = [*consumer.consume(1, READ_TIMEOUT_S), *consumer.consume(READ_RECORDS, 0.0)]
        if not messages:
            raise BenchmarkFailedError(f"{topic} was not read to its end: nothing came for {READ_TIMEOUT_S:.0f} s")
        for message in messages:
            fault = message.error()
            if fault is None:
                records.values.append(message.value() or b"")
                records.partitions.append(message.partition() or 0)
                records.append_times.append(message.timestamp()[1])
            elif fault.code() == KafkaError._PARTITION_EOF:
                unfinished.discard(message.partition() or 0)
            else:
                raise KafkaException(fault)
    consumer.close()
    return records
