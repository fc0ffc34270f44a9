"""A small model whose right scores are known: requests by number, in circles through one matrix.

A request's number is in its id, so the score that a version should have given it can be told
from the prediction alone.
"""

import io
import json
from dataclasses import dataclass
from typing import Any

import fastavro
import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.linear_model import LogisticRegression

FEATURES = ("height", "width", "depth", "weight", "age")
ROWS = 5_000
ENTITIES = 997
ID_DIGITS = 12
EVENT_TIME_FIRST_MS = 1_700_000_000_000


@dataclass(frozen=True, slots=True)
class ScoringModel:
    """Features of all requests, shape (ROWS, 5), and a fitted estimator for each version."""

    rows: npt.NDArray[np.float64]
    estimators: dict[str, LogisticRegression]

    def sample(self) -> pd.DataFrame:
        """Rows as registration wants them."""
        return pd.DataFrame(self.rows[:500], columns=list(FEATURES))

    def scores(self, version: str) -> npt.NDArray[np.float64]:
        """What that version says of each row, computed in one call."""
        scores: npt.NDArray[np.float64] = self.estimators[version].predict_proba(self.rows)[:, 1]
        return scores


def build_scoring_model(versions: int = 2) -> ScoringModel:
    """Versions "1", "2" ..., fitted on different targets so that their scores differ everywhere."""
    random = np.random.default_rng(77)
    rows = random.normal(size=(ROWS, len(FEATURES)))
    estimators = {}
    for number in range(1, versions + 1):
        target = rows @ random.normal(size=len(FEATURES)) > 0
        estimators[str(number)] = LogisticRegression().fit(rows[:500], target[:500].astype(int))
    return ScoringModel(rows=rows, estimators=estimators)


def request_id(number: int) -> str:
    """The id of request `number`.

    >>> request_id(7)
    '000000000007'
    """
    return f"{number:0{ID_DIGITS}d}"


def entity_of(number: int) -> str:
    """The entity that request `number` is about; an entity's requests come in order of their numbers."""
    return f"entity-{number % ENTITIES:03d}"


@dataclass(slots=True)
class RequestEncoder:
    """Framed request bytes as any Avro producer makes them."""

    schema: dict[str, Any]
    schema_id: int
    rows: list[list[float]]

    @classmethod
    def of(cls, model: ScoringModel, *, schema: str, schema_id: int) -> "RequestEncoder":
        parsed = fastavro.parse_schema(json.loads(schema))
        return cls(parsed, schema_id, model.rows.tolist())  # type: ignore[arg-type]  # a record's schema is a dict

    def encode(self, number: int) -> bytes:
        buffer = io.BytesIO()
        buffer.write(b"\x00" + self.schema_id.to_bytes(4, "big"))
        request = {
            "request_id": request_id(number),
            "entity_id": entity_of(number),
            "event_time": EVENT_TIME_FIRST_MS + number,
            "features": dict(zip(FEATURES, self.rows[number % ROWS], strict=True)),
        }
        fastavro.schemaless_writer(buffer, self.schema, request)
        return buffer.getvalue()
