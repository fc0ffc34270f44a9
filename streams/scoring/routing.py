"""Which version scores which entity: sticky, monotone when widened, exact at 0 and 100 %.

Each deployment gives every version ranges of 10,000 buckets; an entity's bucket is
xxh64(entity_id, seed = the deployment's salt) mod 10,000. Where one version serves all,
nothing is hashed.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import xxhash

from schemas.events import DeploymentState

BUCKETS = 10_000
NO_BUCKET = -1


@dataclass(frozen=True, slots=True, kw_only=True)
class Routes:
    """`versions`: index into the deployment's versions, `buckets`: 0 to 9,999 or -1; both of shape (n,)."""

    versions: npt.NDArray[np.int64]
    buckets: npt.NDArray[np.int64]


def route(entity_ids: pa.StringArray, state: DeploymentState) -> Routes:
    """Route each entity by the deployment's bucket ranges, which cover every bucket once."""
    if len(state.versions) == 1:
        return Routes(
            versions=np.zeros(len(entity_ids), dtype=np.int64), buckets=np.full(len(entity_ids), NO_BUCKET, np.int64)
        )
    buckets = np.array([bucket(entity_id, state.salt) for entity_id in entity_ids.to_pylist()], dtype=np.int64)
    return Routes(versions=_owners(state)[buckets], buckets=buckets)


def bucket(entity_id: str, salt: int) -> int:
    """The bucket of one entity under one salt.

    >>> bucket("N14228", 7) == bucket("N14228", 7)
    True
    """
    return xxhash.xxh64_intdigest(entity_id.encode(), seed=salt) % BUCKETS


def _owners(state: DeploymentState) -> npt.NDArray[np.int64]:
    owners = np.full(BUCKETS, -1, dtype=np.int64)
    for index, served in enumerate(state.versions):
        for span in served.buckets:
            assert (owners[span.start : span.end] == -1).all(), f"{span} of {state.model} has two owners"
            owners[span.start : span.end] = index
    assert (owners >= 0).all(), f"some buckets of {state.model} belong to no version"
    return owners
