"""What the contenders beside penstock write: the record that penstock writes, or the least that is of use.

Penstock's prediction echoes the features that it was made from; a loop written by hand rarely does.
"""

import time
from collections.abc import Mapping
from typing import Any

import orjson

from benchmarks.workload import MODEL

LEAN_SCHEMA = orjson.dumps(
    {
        "type": "record",
        "name": "LeanPrediction",
        "fields": [
            {"name": "request_id", "type": "string"},
            {"name": "entity_id", "type": "string"},
            {"name": "version", "type": "string"},
            {"name": "score", "type": "double"},
        ],
    }
).decode()
LEAN_SCHEMA_ID = 0


def lean_record(request: Mapping[str, Any], score: float, **_place: int) -> dict[str, Any]:
    """Whose score it is, and no more."""
    return {
        "request_id": request["request_id"],
        "entity_id": request["entity_id"],
        "version": "1",
        "score": score,
    }


def full_record(
    request: Mapping[str, Any], score: float, *, partition: int, offset: int, requested_at: int
) -> dict[str, Any]:
    """All that penstock writes."""
    return {
        "request_id": request["request_id"],
        "entity_id": request["entity_id"],
        "model": MODEL,
        "version": "1",
        "arm": "primary",
        "role": "live",
        "bucket": -1,
        "generation": 1,
        "score": score,
        "label": "1" if score > 0.5 else "0",
        "probabilities": None,
        "event_time": request["event_time"],
        "requested_at": requested_at,
        "scored_at": time.time_ns() // 1_000_000,
        "source_partition": partition,
        "source_offset": offset,
        "features": request["features"],
    }
