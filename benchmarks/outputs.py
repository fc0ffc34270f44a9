"""What a contender wrote, read back as a downstream consumer would, and judged before it counts."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyruhvro

from benchmarks.committed_records import read_committed
from benchmarks.offsets import BenchmarkFailedError
from benchmarks.workload import ID_DIGITS, ID_PREFIX, Truth

FRAME_BYTES = 5
SCORE_DIFFERENCE_MAX = 1e-12
WARM_UP_SHARE = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class Outputs:
    """Predictions in the order of their append times (ms), with the number of their request."""

    numbers: npt.NDArray[np.int64]
    scores: npt.NDArray[np.float64]
    append_times: npt.NDArray[np.int64]

    def events_per_s(self) -> float:
        """The rate between the append times of the first output after warm-up and of the last."""
        first = int(len(self.append_times) * WARM_UP_SHARE)
        elapsed_ms = int(self.append_times[-1] - self.append_times[first])
        return (len(self.append_times) - first) / (elapsed_ms / 1_000)


def read_outputs(bootstrap_servers: str, topic: str, *, starts: Mapping[int, int], schema: str) -> Outputs:
    """Everything committed in the topic from these offsets on. Raises `BenchmarkFailedError` when that is nothing."""
    read = read_committed(bootstrap_servers, topic, starts)
    if not read.values:
        raise BenchmarkFailedError(f"nothing was written to {topic}")
    numbers, scores = decode_outputs(read.values, schema)
    append_times = np.array(read.append_times, dtype=np.int64)
    order = np.argsort(append_times, kind="stable")
    return Outputs(numbers=numbers[order], scores=scores[order], append_times=append_times[order])


def decode_outputs(values: list[bytes], schema: str) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
    """Request numbers and scores of framed predictions."""
    batch = _decode(values, schema)
    return _numbers(batch), batch.column("score").to_numpy(zero_copy_only=False)


def decode_numbers(values: list[bytes], schema: str) -> npt.NDArray[np.int64]:
    """Request numbers of framed records."""
    return _numbers(_decode(values, schema))


def check_outputs(outputs: Outputs, truth: Truth, expected: npt.NDArray[np.int64]) -> None:
    """Every expected request exactly once, each with the right score. Raises `BenchmarkFailedError`."""
    if not np.array_equal(np.sort(outputs.numbers), np.sort(expected)):
        raise BenchmarkFailedError(
            f"{len(expected)} requests, {len(outputs.numbers)} predictions of {len(np.unique(outputs.numbers))} of them"
        )
    difference = float(np.max(np.abs(outputs.scores - truth.expected_scores(outputs.numbers))))
    if not difference <= SCORE_DIFFERENCE_MAX:
        raise BenchmarkFailedError(f"scores differ from the estimator's own by up to {difference}")


def _decode(values: list[bytes], schema: str) -> pa.RecordBatch:
    return pyruhvro.deserialize_array([value[FRAME_BYTES:] for value in values], schema)


def _numbers(batch: pa.RecordBatch) -> npt.NDArray[np.int64]:
    digits = pc.utf8_slice_codeunits(batch.column("request_id"), len(ID_PREFIX), len(ID_PREFIX) + ID_DIGITS)
    numbers: npt.NDArray[np.int64] = pc.cast(digits, pa.int64()).to_numpy(zero_copy_only=False)
    return numbers
