"""Which version scores which entity: sticky, monotone when widened, exact at 0 and 100 %, pinned by rule.

Each deployment gives every version ranges of 10,000 buckets; an entity's bucket is
xxh64(entity_id, seed = the deployment's salt) mod 10,000. Where one version serves all, nothing is
hashed. An override gives entities to a version whatever their bucket.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import xxhash

from schemas.columns import RequestColumns
from schemas.events import DeploymentState, Override

BUCKETS = 10_000
NO_BUCKET = -1
NOBODY = -1
"""In place of a version's index: the request is not scored here."""
Ints = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True)
class Routes:
    """Where rows go, each array of shape (n,).

    `versions`: index into the deployment's versions. `buckets`: 0 to 9,999, or -1 where none was
    needed. `pinned`: which rows a rule has routed; None where no rule holds.
    """

    versions: Ints
    buckets: Ints
    pinned: Mask | None = None


class Routing(Protocol):
    """Says which version scores which request."""

    def route(self, requests: RequestColumns) -> Routes:
        """A version for each request, or `NOBODY`."""
        ...


class Sample:
    """Routes a share of the requests to the only version, the others to nobody; the hash of an id decides."""

    def __init__(self, *, share: int, salt: int) -> None:
        self._share = share
        self._salt = salt

    def route(self, requests: RequestColumns) -> Routes:
        """Version 0 or `NOBODY`."""
        rows = len(requests.rows)
        nobody = np.full(rows, NO_BUCKET, dtype=np.int64)
        if self._share >= BUCKETS:
            return Routes(versions=np.zeros(rows, dtype=np.int64), buckets=nobody)
        chosen = _buckets(requests.request_ids, self._salt) < self._share
        return Routes(versions=np.where(chosen, 0, NOBODY), buckets=nobody)


class Router:
    """Routes entities by one deployment; what can be known before is worked out once."""

    def __init__(self, state: DeploymentState) -> None:
        self._salt = state.salt
        self._serving = [index for index, served in enumerate(state.versions) if served.buckets]
        self._owners = _owners(state) if len(self._serving) > 1 else None
        self._rules = _rules(state)

    def route(self, requests: RequestColumns) -> Routes:
        """Each request where its entity goes."""
        return self.entities(requests.entity_ids)

    def entities(self, entity_ids: pa.StringArray) -> Routes:
        """Route each entity by rule, else by the bucket ranges, which cover every bucket once."""
        routes = self._by_bucket(entity_ids)
        if not self._rules:
            return routes
        pinned = np.zeros(len(entity_ids), dtype=np.bool_)
        for rule in self._rules:
            new = rule.matches(entity_ids) & ~pinned
            routes.versions[new] = rule.version
            routes.buckets[new] = NO_BUCKET
            pinned |= new
        return Routes(versions=routes.versions, buckets=routes.buckets, pinned=pinned if pinned.any() else None)

    def _by_bucket(self, entity_ids: pa.StringArray) -> Routes:
        if self._owners is None:
            return Routes(
                versions=np.full(len(entity_ids), self._serving[0], dtype=np.int64),
                buckets=np.full(len(entity_ids), NO_BUCKET, dtype=np.int64),
            )
        buckets = _buckets(entity_ids, self._salt)
        return Routes(versions=self._owners[buckets], buckets=buckets)


def route(entity_ids: pa.StringArray, state: DeploymentState) -> Routes:
    """Route each entity by the deployment."""
    return Router(state).entities(entity_ids)


def _buckets(ids: pa.StringArray, salt: int) -> Ints:
    digest = xxhash.xxh64_intdigest
    hashed = np.array([digest(each, salt) for each in ids.cast(pa.binary()).to_pylist()], dtype=np.uint64)
    return (hashed % BUCKETS).astype(np.int64)


def bucket(entity_id: str, salt: int) -> int:
    """The bucket of one entity under one salt.

    >>> bucket("N14228", 7) == bucket("N14228", 7)
    True
    """
    return xxhash.xxh64_intdigest(entity_id.encode(), seed=salt) % BUCKETS


@dataclass(frozen=True, slots=True, kw_only=True)
class _Rule:
    """Entities of one version: those in `entities`, or those that begin with `prefix`."""

    version: int
    entities: pa.StringArray | None = None
    prefix: str = ""

    def matches(self, entity_ids: pa.StringArray) -> Mask:
        found = (
            pc.starts_with(entity_ids, pattern=self.prefix)
            if self.entities is None
            else pc.is_in(entity_ids, value_set=self.entities)
        )
        return np.asarray(found.to_numpy(zero_copy_only=False), dtype=np.bool_)


def _rules(state: DeploymentState) -> Sequence[_Rule]:
    """Entities by name first, all of a version at once, then prefixes in their order."""
    places = {served.version: index for index, served in enumerate(state.versions)}
    held = [each for each in state.overrides if each.version in places]
    named: dict[int, list[str]] = {}
    for each in held:
        if each.kind == "entity":
            named.setdefault(places[each.version], []).append(each.value)
    return [
        *(_Rule(version=index, entities=pa.array(entities, pa.string())) for index, entities in named.items()),
        *(_prefix(each, places[each.version]) for each in held if each.kind == "prefix"),
    ]


def _prefix(override: Override, index: int) -> _Rule:
    return _Rule(version=index, prefix=override.value)


def _owners(state: DeploymentState) -> Ints:
    owners = np.full(BUCKETS, -1, dtype=np.int64)
    for index, served in enumerate(state.versions):
        for span in served.buckets:
            assert (owners[span.start : span.end] == -1).all(), f"{span} of {state.model} has two owners"
            owners[span.start : span.end] = index
    assert (owners >= 0).all(), f"some buckets of {state.model} belong to no version"
    return owners
