"""Labeled rows in time order, as they go to a refit and through a file: features, and what was true.

One Arrow record batch, so that the whole has one fingerprint and no row can lose its label.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from registry.manifest import sha256
from schemas.request_columns import features_schema
from schemas.signature import Signature, Task


def rows_schema(signature: Signature) -> pa.Schema:
    """Columns of labeled rows: `truth` is a class as the signature spells it, or a number for regression."""
    return pa.schema(
        [
            pa.field("request_id", pa.string()),
            pa.field("event_time", pa.int64()),
            pa.field("truth", pa.float64() if signature.task is Task.REGRESSION else pa.string()),
            pa.field("features", pa.struct(list(features_schema(signature.features)))),
        ]
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class LabeledRows:
    """Rows by ascending event time (ms); those from index `judged_from` on are held back from the fit."""

    batch: pa.RecordBatch
    judged_from: int

    def __len__(self) -> int:
        return int(self.batch.num_rows)

    @property
    def features(self) -> pa.RecordBatch:
        return pa.RecordBatch.from_struct_array(self.batch.column("features"))

    @property
    def truths(self) -> pa.Array:
        return self.batch.column("truth")

    @property
    def event_times(self) -> npt.NDArray[np.int64]:
        times: npt.NDArray[np.int64] = self.batch.column("event_time").to_numpy()
        return times

    @property
    def sha256(self) -> str:
        """The fingerprint of ids, times, labels and features, in order."""
        return sha256(_stream(self.batch))


def write_rows(path: Path, rows: LabeledRows) -> None:
    """Write the rows to a file that `read_rows` reads."""
    path.write_bytes(_stream(rows.batch))


def read_rows(path: Path, *, judged_from: int) -> LabeledRows:
    """Read what `write_rows` wrote."""
    with pa.ipc.open_stream(pa.BufferReader(path.read_bytes())) as reader:
        (batch,) = reader
    return LabeledRows(batch=batch, judged_from=judged_from)


def _stream(batch: pa.RecordBatch) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema) as writer:
        writer.write_batch(batch)
    content: bytes = sink.getvalue().to_pybytes()
    return content
