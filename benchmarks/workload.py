"""What every contender scores: a 20-feature logistic regression and framed Avro requests for it.

Request ids carry their number, and features come from one seeded matrix that the numbers run
through in circles, so the right score of any request can be told from its id alone.
"""

import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import fastavro
import numpy as np
import numpy.typing as npt
import orjson
import pandas as pd
import skops.io
from sklearn.linear_model import LogisticRegression

MODEL = "bench"
FEATURES = tuple(f"f{number:02d}" for number in range(20))
ROWS = 50_000
ENTITIES = 10_000
SAMPLE_ROWS = 2_000
EVENT_TIME_FIRST_MS = 1_700_000_000_000
ID_DIGITS = 30
ID_PREFIX = "bench-"


class Truth(Protocol):
    """Knows the right score of any request."""

    def expected_scores(self, numbers: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
        """The scores of requests by number."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """The features of all requests, shape (ROWS, 20), and the fitted estimator."""

    features: npt.NDArray[np.float64]
    estimator: LogisticRegression

    def expected_scores(self, numbers: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
        """The estimator's own scores of requests by number, computed in one call over the matrix."""
        scores: npt.NDArray[np.float64] = self.estimator.predict_proba(self.features)[:, 1]
        return scores[numbers % ROWS]

    def write_model(self, folder: Path) -> tuple[Path, Path]:
        """Write what `penstock models add` asks for: the estimator and a sample with its target."""
        model, sample = folder / "bench.skops", folder / "bench.parquet"
        model.write_bytes(skops.io.dumps(self.estimator))
        frame = pd.DataFrame(self.features[:SAMPLE_ROWS], columns=list(FEATURES))
        frame["target"] = self.estimator.predict(self.features[:SAMPLE_ROWS])
        frame.to_parquet(sample)
        return model, sample


def build_workload(seed: int = 20_130_101, *, fitted_from: int = 0) -> Workload:
    """The same workload for the same seed; fitted on the rows from there on, another version of the same model."""
    random = np.random.default_rng(seed)
    features = random.normal(size=(ROWS, len(FEATURES)))
    noise = random.normal(size=ROWS)
    target = (features @ random.normal(size=len(FEATURES)) + noise > 0).astype(np.int64)
    estimator = LogisticRegression()
    rows = slice(fitted_from, fitted_from + SAMPLE_ROWS)
    estimator.fit(features[rows], target[rows])
    return Workload(features=features, estimator=estimator)


def request_id(number: int) -> str:
    """As long as a UUID, and in order.

    >>> request_id(7)
    'bench-000000000000000000000000000007'
    """
    return f"{ID_PREFIX}{number:0{ID_DIGITS}d}"


def entity_id(number: int) -> str:
    """One of 10,000 entities.

    >>> entity_id(10_007)
    'entity-000007'
    """
    return f"entity-{number % ENTITIES:06d}"


def encode_requests(
    workload: Workload, numbers: range, *, schema: dict[str, Any], schema_id: int
) -> Iterator[tuple[bytes, bytes]]:
    """Key and framed value of each request."""
    parsed = fastavro.parse_schema(schema)
    frame = b"\x00" + schema_id.to_bytes(4, "big")
    rows = [dict(zip(FEATURES, row, strict=True)) for row in workload.features.tolist()]
    for number in numbers:
        buffer = io.BytesIO()
        buffer.write(frame)
        request = {
            "request_id": request_id(number),
            "entity_id": entity_id(number),
            "event_time": EVENT_TIME_FIRST_MS + number,
            "features": rows[number % ROWS],
        }
        fastavro.schemaless_writer(buffer, parsed, request)
        yield entity_id(number).encode(), buffer.getvalue()


def load_schema(text: str) -> dict[str, Any]:
    """An Avro schema from its JSON text."""
    return dict(orjson.loads(text))
