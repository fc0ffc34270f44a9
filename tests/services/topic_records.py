"""What is in a topic: as a downstream consumer sees it, and beside it what transactions left aborted."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType, TracebackType
from typing import Literal, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyruhvro
from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

Isolation = Literal["read_committed", "read_uncommitted"]
READ_TIMEOUT_S = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicRecord:
    """One record and its place."""

    partition: int
    offset: int
    append_time: int
    key: bytes | None
    value: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Predictions:
    """Predictions as columns of equal length, in order within each partition."""

    numbers: npt.NDArray[np.int64]
    versions: npt.NDArray[np.object_]
    scores: npt.NDArray[np.float64]
    generations: npt.NDArray[np.int64]
    partitions: npt.NDArray[np.int64]
    source_places: list[tuple[int, int]]
    append_times: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.numbers)


def read_topic(
    bootstrap_servers: str,
    topic: str,
    *,
    isolation: Isolation = "read_committed",
    partitions: list[int] | None = None,
    client: Mapping[str, str | int | float | bool] | None = None,
) -> list[TopicRecord]:
    """Every record from the start of each partition to its present end; `client` says who asks."""
    consumer = _reader(bootstrap_servers, isolation, client or {})
    try:
        wanted = (
            partitions if partitions is not None else list(consumer.list_topics(topic, 10).topics[topic].partitions)
        )
        consumer.assign([TopicPartition(topic, partition, _low(consumer, topic, partition)) for partition in wanted])
        return _read_to_ends(consumer, set(wanted))
    finally:
        consumer.close()


def read_predictions(bootstrap_servers: str, topic: str, schema: str) -> Predictions:
    """All committed predictions of a topic."""
    return decode_predictions(read_topic(bootstrap_servers, topic), schema)


def decode_predictions(records: list[TopicRecord], schema: str) -> Predictions:
    """Predictions from their bytes."""
    batch: pa.RecordBatch = pyruhvro.deserialize_array([record.value[5:] for record in records], schema)
    return Predictions(
        numbers=np.array([int(text) for text in batch.column("request_id").to_pylist()], dtype=np.int64),
        versions=np.array(batch.column("version").to_pylist(), dtype=np.object_),
        scores=batch.column("score").to_numpy(zero_copy_only=False),
        generations=batch.column("generation").to_numpy(zero_copy_only=False),
        partitions=np.array([record.partition for record in records], dtype=np.int64),
        source_places=list(
            zip(
                batch.column("source_partition").to_pylist(),
                batch.column("source_offset").to_pylist(),
                strict=True,
            )
        ),
        append_times=np.array([record.append_time for record in records], dtype=np.int64),
    )


def aborted_times(bootstrap_servers: str, topic: str) -> list[int]:
    """Append times (ms) of records that were written and then aborted with their transaction."""
    committed = {
        (record.partition, record.offset) for record in read_topic(bootstrap_servers, topic, isolation="read_committed")
    }
    return [
        record.append_time
        for record in read_topic(bootstrap_servers, topic, isolation="read_uncommitted")
        if (record.partition, record.offset) not in committed
    ]


class OpenTransactions:
    """Tells whether a transaction is open on a topic right now, from outside; used as a context."""

    def __init__(self, bootstrap_servers: str, topic: str, partitions: int) -> None:
        self._places = [TopicPartition(topic, partition) for partition in range(partitions)]
        self._stable = _reader(bootstrap_servers, "read_committed")
        self._all = _reader(bootstrap_servers, "read_uncommitted")

    def any(self) -> bool:
        """Whether some partition has records behind its last stable offset."""
        return any(_end(self._all, place) > _end(self._stable, place) for place in self._places)

    def stands_open(self, for_s: float) -> bool:
        """Whether some transaction stays open for that long, as that of a frozen process does."""
        open_at = self._open_ends()
        time.sleep(for_s)
        return bool(open_at.items() & self._open_ends().items())

    def _open_ends(self) -> dict[int, int]:
        """The last stable offset of each partition that has records behind it."""
        stable = {place.partition: _end(self._stable, place) for place in self._places}
        return {
            place.partition: stable[place.partition]
            for place in self._places
            if _end(self._all, place) > stable[place.partition]
        }

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stable.close()
        self._all.close()


def _reader(
    bootstrap_servers: str, isolation: Isolation, client: Mapping[str, str | int | float | bool] = MappingProxyType({})
) -> Consumer:
    return Consumer(
        {
            **client,
            "bootstrap.servers": bootstrap_servers,
            "group.id": "tests.reader",
            "isolation.level": isolation,
            "enable.auto.commit": False,
            "auto.offset.reset": "error",
            "enable.partition.eof": True,
        }
    )


def _low(consumer: Consumer, topic: str, partition: int) -> int:
    low, _high = consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=10)
    return int(low)


def _end(consumer: Consumer, place: TopicPartition) -> int:
    """The end that readers of that isolation are told: behind it lies an open transaction, or nothing."""
    _low, high = consumer.get_watermark_offsets(place, timeout=10)
    return int(high)


def _read_to_ends(consumer: Consumer, unfinished: set[int]) -> list[TopicRecord]:
    records = []
    while unfinished:
        messages = [*consumer.consume(1, READ_TIMEOUT_S), *consumer.consume(20_000, 0.0)]
        assert messages, f"partitions {unfinished} were not read to their ends"
        for message in messages:
            fault = message.error()
            if fault is None:
                records.append(
                    TopicRecord(
                        partition=message.partition() or 0,
                        offset=message.offset() or 0,
                        append_time=message.timestamp()[1],
                        key=message.key(),
                        value=message.value() or b"",
                    )
                )
            elif fault.code() == KafkaError._PARTITION_EOF:
                unfinished.discard(message.partition() or 0)
            else:
                raise KafkaException(fault)
    return records
