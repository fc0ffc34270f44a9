"""Shares to buckets: exact, complete, and moved as little as possible."""

from hypothesis import given
from hypothesis import strategies as st

from streams.rollout.allocation import ALL, BUCKETS, Ranges, allocate, size
from tests.streams.rollouts import spans

VERSIONS = ("1", "2", "3")


@st.composite
def shares(draw: st.DrawFn) -> dict[str, int]:
    """Buckets of each version, all of them given to somebody."""
    first, second = sorted(draw(st.tuples(st.integers(0, BUCKETS), st.integers(0, BUCKETS))))
    return dict(zip(VERSIONS, (first, second - first, BUCKETS - second), strict=True))


def buckets_of(ranges: Ranges) -> set[int]:
    return {bucket for each in ranges for bucket in range(each.start, each.end)}


@given(st.lists(shares(), min_size=1, max_size=6))
def test_every_bucket_has_one_owner_and_no_more_move_than_must(wanted: list[dict[str, int]]) -> None:
    """For any sequence of shares: exact sizes, all buckets owned once, moves equal to what the growing ones gained."""
    present: dict[str, Ranges] = {"1": ALL}
    for each in wanted:
        after = allocate(present, each)

        assert {version: size(after[version]) for version in VERSIONS} == each
        owned = [buckets_of(after[version]) for version in VERSIONS]
        assert set.union(*owned) == set(range(BUCKETS))
        gained = sum(len(buckets_of(after[version]) - buckets_of(present.get(version, ()))) for version in VERSIONS)
        assert gained == sum(max(each[version] - size(present.get(version, ())), 0) for version in VERSIONS)
        present = after


@given(st.lists(st.integers(0, BUCKETS), min_size=2, max_size=8))
def test_who_grows_keeps_what_it_has(widths: list[int]) -> None:
    """Widening a candidate step by step never takes a bucket from it."""
    present: dict[str, Ranges] = {"1": ALL}
    before: set[int] = set()
    for width in sorted(widths):
        present = allocate(present, {"1": BUCKETS - width, "2": width})

        assert before <= buckets_of(present["2"])
        before = buckets_of(present["2"])


def test_nothing_and_everything_are_exact() -> None:
    """0 % is no bucket, 100 % is every one of them, in one range."""
    none = allocate({"1": ALL}, {"1": BUCKETS, "2": 0})
    everything = allocate(none, {"1": 0, "2": BUCKETS})

    assert none == {"1": ALL, "2": ()}
    assert everything == {"1": (), "2": ALL}


def test_a_candidate_that_goes_gives_its_buckets_back() -> None:
    """Its neighbors keep theirs, and what is free goes to who grows."""
    three = allocate({"1": ALL}, {"1": 8_000, "2": 1_000, "3": 1_000})
    two = allocate(three, {"1": 9_000, "3": 1_000})

    assert three == {"1": spans((0, 8_000)), "2": spans((8_000, 9_000)), "3": spans((9_000, BUCKETS))}
    assert two == {"1": spans((0, 9_000)), "3": spans((9_000, BUCKETS))}
