"""Decoded requests as columns, and the rows that could not be decoded with the reason."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from schemas.reasons import Reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejection:
    """One input row that was refused: its index in the batch, why, and the detail in words.

    Where these are known: the request's id, and the version that was asked to score it.
    """

    row: int
    reason: Reason
    detail: str
    request_id: str | None = None
    version: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestColumns:
    """Requests of one model as columns of equal length n.

    `rows`: ascending indices into the batch that was decoded, shape (n,). `request_ids` and
    `entity_ids`: string arrays without nulls. `event_times`: ms since the epoch, shape (n,).
    `features`: one column per feature of the model's request schema (float64, int64, bool or
    string; null where missing).
    """

    rows: npt.NDArray[np.int64]
    request_ids: pa.StringArray
    entity_ids: pa.StringArray
    event_times: npt.NDArray[np.int64]
    features: pa.RecordBatch

    def refuse(self, index: int, reason: Reason, detail: str, *, version: str | None = None) -> Rejection:
        """The rejection of the request at that position."""
        request_id = str(self.request_ids[int(index)].as_py())
        return Rejection(
            row=int(self.rows[index]), reason=reason, detail=detail, request_id=request_id, version=version
        )

    def take(self, indices: npt.NDArray[np.int64]) -> "RequestColumns":
        """The requests at these positions, in this order."""
        return RequestColumns(
            rows=self.rows[indices],
            request_ids=self.request_ids.take(pa.array(indices)),
            entity_ids=self.entity_ids.take(pa.array(indices)),
            event_times=self.event_times[indices],
            features=self.features.take(pa.array(indices)),
        )


class RequestDecoder(Protocol):
    """Turns framed request bytes into columns; a bad row is rejected alone."""

    def decode(self, values: Sequence[bytes | None]) -> tuple[RequestColumns, list[Rejection]]:
        """Decode a batch; `rows` and the rejections together name every row exactly once.

        Raises `SchemaRegistryUnavailableError` when a writer's schema can't be asked for now.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class PredictionColumns:
    """Predictions of one model as columns of equal length n, ready to be encoded.

    `scores` (n,) float64; `labels` the predicted class as text, None for regression;
    `probabilities` (n, k) in the order of the signature's classes, None but for multiclass;
    `buckets` the routing bucket (0 to 9,999), -1 where one version serves all; `requested_at`
    the request's append time, ms; `partitions` and `offsets` of the request record.
    """

    model: str
    role: str
    generation: int
    scored_at: int
    requests: RequestColumns
    versions: Sequence[str]
    arms: Sequence[str]
    buckets: npt.NDArray[np.int64]
    scores: npt.NDArray[np.float64]
    labels: Sequence[str | None]
    probabilities: Sequence[npt.NDArray[np.float64] | None]
    requested_at: npt.NDArray[np.int64]
    partitions: npt.NDArray[np.int64]
    offsets: npt.NDArray[np.int64]
