"""Entities to versions: sticky, exact and monotone."""

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from schemas.events import BucketRange, DeploymentState, ServedVersion
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


def test_shares_are_observed_within_sampling_error() -> None:
    """20,000 entities, 5 % share: the count lies within four standard deviations."""
    routes = route(ENTITIES, deployment(("2", 0, 500), ("1", 500, BUCKETS)))

    share = float(np.mean(routes.versions == 0))
    assert abs(share - 0.05) < 4 * (0.05 * 0.95 / 20_000) ** 0.5
