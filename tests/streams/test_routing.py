"""Entities to versions: sticky, exact and monotone."""

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.events import BucketRange, DeploymentState, Override, ServedVersion
from streams.scoring.routing import BUCKETS, NO_BUCKET, bucket, route


def deployment(*spans: tuple[str, int, int], salt: int = 7) -> DeploymentState:
    return DeploymentState(
        model="m",
        generation=1,
        salt=salt,
        versions=tuple(
            ServedVersion(version=name, bundle="", arm=name, buckets=(BucketRange(start=start, end=end),))
            for name, start, end in spans
        ),
        previous_version=None,
        request_schema_id=1,
        prediction_schema_id=2,
        accepted_losses=(),
        command_id="c",
        decided_at=0,
    )


ENTITIES = pa.array([f"N{number}" for number in range(20_000)])


def test_one_version_serves_all_without_hashing() -> None:
    """No bucket is computed where there is no choice."""
    routes = route(ENTITIES, deployment(("1", 0, BUCKETS)))

    assert set(routes.versions.tolist()) == {0}
    assert set(routes.buckets.tolist()) == {NO_BUCKET}


def test_an_entity_goes_where_its_bucket_goes() -> None:
    """The route is the owner of xxh64(entity, salt) mod 10,000."""
    routes = route(ENTITIES, deployment(("1", 0, 9_500), ("2", 9_500, BUCKETS)))

    expected = [bucket(entity, 7) for entity in ENTITIES.to_pylist()]
    assert expected == routes.buckets.tolist()
    assert [int(place >= 9_500) for place in expected] == routes.versions.tolist()


@given(st.integers(0, BUCKETS - 1), st.integers(0, BUCKETS - 1), st.integers(0, 2**32 - 1))
def test_widening_never_moves_an_entity_back(first: int, second: int, salt: int) -> None:
    """Who was on the candidate stays there when its share grows."""
    narrow, wide = sorted((first, second))
    entities = ENTITIES.slice(0, 500)

    before = route(entities, deployment(("2", 0, narrow + 1), ("1", narrow + 1, BUCKETS), salt=salt))
    after = (
        route(entities, deployment(("2", 0, wide + 1), ("1", wide + 1, BUCKETS), salt=salt))
        if wide < BUCKETS - 1
        else None
    )

    if after is not None and narrow < BUCKETS - 1:
        moved_back = (before.versions == 0) & (after.versions == 1)
        assert not moved_back.any()


@pytest.mark.parametrize("share", [0, 100, 500, 5_000, BUCKETS])
def test_observed_shares_lie_within_their_intervals(share: int) -> None:
    """0, 1, 5, 50 and 100 %: the outer ones exactly, the others within four standard deviations."""
    spans = [("2", 0, share)] if share else []
    spans += [("1", share, BUCKETS)] if share < BUCKETS else []
    routes = route(ENTITIES, deployment(*spans))

    expected = share / BUCKETS
    observed = float(np.mean(routes.versions == 0)) if share else 0.0
    assert abs(observed - expected) <= 4 * (expected * (1 - expected) / len(ENTITIES)) ** 0.5


def test_a_version_without_buckets_is_never_routed_to_and_nothing_is_hashed() -> None:
    """A candidate at 0 % is loaded and serves nobody."""
    served = (*deployment(("1", 0, BUCKETS)).versions, standing("2"))
    routes = route(ENTITIES, replace(deployment(("1", 0, BUCKETS)), versions=served))

    assert set(routes.versions.tolist()) == {0}
    assert set(routes.buckets.tolist()) == {NO_BUCKET}


def test_pinned_entities_go_to_the_candidate_whatever_their_bucket() -> None:
    """By id before by beginning; all others go as without a rule, and no rule leaves no mark."""
    rules = (
        Override(kind="prefix", value="N1", version="2"),
        Override(kind="entity", value="N2", version="2"),
        Override(kind="entity", value="N13", version="1"),
        Override(kind="entity", value="N3", version="gone"),
    )
    plain = deployment(("1", 0, 5_000), ("2", 5_000, BUCKETS))
    pinned, free = route(ENTITIES, replace(plain, overrides=rules)), route(ENTITIES, plain)

    names = ENTITIES.to_pylist()
    by_rule = [name.startswith("N1") or name == "N2" for name in names]
    assert pinned.pinned is not None
    assert pinned.pinned.tolist() == by_rule
    assert free.pinned is None
    for name, rule, version, bucket_, usual in zip(
        names, by_rule, pinned.versions.tolist(), pinned.buckets.tolist(), free.versions.tolist(), strict=True
    ):
        assert version == (usual if not rule else 0 if name == "N13" else 1)
        assert (bucket_ == NO_BUCKET) == rule


def test_pinned_testers_reach_a_candidate_that_serves_nobody_else() -> None:
    """A preview before a switch."""
    served = (*deployment(("1", 0, BUCKETS)).versions, standing("2"))
    state = replace(
        deployment(("1", 0, BUCKETS)),
        versions=served,
        overrides=(Override(kind="entity", value="N7", version="2"),),
    )

    routes = route(pa.array(["N7", "N8"]), state)

    assert routes.versions.tolist() == [1, 0]


@given(st.lists(st.text(max_size=8), max_size=30), st.integers(0, 2**32 - 1))
def test_workers_agree_whatever_batches_they_see(entities: list[str], salt: int) -> None:
    """Same key, same arm: in one batch, one by one, in another order, and as the documented formula says."""
    state = deployment(("1", 0, 7_000), ("2", 7_000, BUCKETS), salt=salt)
    together = route(pa.array(entities, pa.string()), state)
    backwards = route(pa.array(entities[::-1], pa.string()), state)
    alone = [int(route(pa.array([entity], pa.string()), state).versions[0]) for entity in entities]

    assert together.versions.tolist() == alone == backwards.versions.tolist()[::-1]
    assert together.buckets.tolist() == [bucket(entity, salt) for entity in entities]


def standing(version: str) -> ServedVersion:
    return ServedVersion(version=version, bundle="", arm="candidate", buckets=())
