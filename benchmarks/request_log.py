"""The requests topic: written once for all contenders, with the number of every request by place."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from benchmarks.committed_records import read_committed
from benchmarks.load_generator import build_load_producer
from benchmarks.offsets import BenchmarkFailedError, Places
from benchmarks.outputs import decode_numbers
from benchmarks.penstock_side import ServedModel
from benchmarks.workload import Workload, encode_requests, load_schema


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestLog:
    """The topic, and the numbers of its requests by partition in the order of their offsets."""

    topic: str
    numbers: dict[int, npt.NDArray[np.int64]]

    def numbers_from(self, starts: dict[int, int]) -> npt.NDArray[np.int64]:
        return np.concatenate([self.numbers[partition][start:] for partition, start in starts.items()])


def write_requests(workload: Workload, served: ServedModel, places: Places, *, count: int) -> RequestLog:
    """Produce requests 0 to `count`, and read back which went where."""
    producer = build_load_producer(places.bootstrap_servers)
    requests = encode_requests(
        workload, range(count), schema=load_schema(served.request_schema), schema_id=served.request_schema_id
    )
    for sent, (key, value) in enumerate(requests):
        producer.produce(served.requests_topic, value, key)
        if sent % 1_000 == 0:
            producer.poll(0)
    if producer.flush(60):
        raise BenchmarkFailedError("the broker did not take all requests")
    return _read_log(served, places)


def _read_log(served: ServedModel, places: Places) -> RequestLog:
    starts = dict.fromkeys(places.ends(served.requests_topic), 0)
    records = read_committed(places.bootstrap_servers, served.requests_topic, starts)
    numbers = decode_numbers(records.values, served.request_schema)
    partitions = np.array(records.partitions)
    return RequestLog(
        topic=served.requests_topic, numbers={partition: numbers[partitions == partition] for partition in starts}
    )
