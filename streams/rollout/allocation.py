"""Shares to buckets: which of 10,000 buckets each version owns, so that as few as possible change hands.

Present owners and wanted shares come in, ranges go out. Who grows keeps all that it has, so widening
a candidate never moves an entity back; 0 and 10,000 buckets are exact.
"""

from collections.abc import Iterable, Mapping

from schemas.events import BucketRange

BUCKETS = 10_000
Ranges = tuple[BucketRange, ...]
ALL: Ranges = (BucketRange(start=0, end=BUCKETS),)


def allocate(present: Mapping[str, Ranges], shares: Mapping[str, int]) -> dict[str, Ranges]:
    """The ranges of each version named in `shares`, whose buckets add up to 10,000.

    Versions that shrink give up their highest buckets; those that grow take the lowest that are
    free, in the order of `shares`.

    >>> wide = allocate({"1": ALL}, {"1": 9_900, "2": 100})
    >>> [(each.start, each.end) for each in wide["2"]]
    [(9900, 10000)]
    >>> [(each.start, each.end) for each in allocate(wide, {"1": 5_000, "2": 5_000})["2"]]
    [(5000, 10000)]
    """
    assert sum(shares.values()) == BUCKETS, f"shares are of all buckets: {dict(shares)}"
    assert all(share >= 0 for share in shares.values()), dict(shares)
    kept: dict[str, Ranges] = {}
    free: list[BucketRange] = []
    for version in {**present, **shares}:
        owned = present.get(version, ())
        surplus = size(owned) - shares.get(version, 0)
        kept[version], given_up = _split(owned, size(owned) - max(surplus, 0))
        free += given_up
    left = _joined(free)
    for version, share in shares.items():
        taken, left = _split(left, share - size(kept[version]))
        kept[version] = _joined([*kept[version], *taken])
    assert not left, left
    return {version: kept[version] for version in shares}


def size(ranges: Iterable[BucketRange]) -> int:
    """How many buckets these are."""
    return sum(each.end - each.start for each in ranges)


def _split(ranges: Ranges, count: int) -> tuple[Ranges, Ranges]:
    """The lowest `count` buckets, and the others."""
    low, high = [], []
    for each in _joined(ranges):
        cut = min(max(each.start + count, each.start), each.end)
        if cut > each.start:
            low.append(BucketRange(start=each.start, end=cut))
        if cut < each.end:
            high.append(BucketRange(start=cut, end=each.end))
        count -= cut - each.start
    return tuple(low), tuple(high)


def _joined(ranges: Iterable[BucketRange]) -> Ranges:
    """Ranges in order, neighbors made one."""
    joined: list[BucketRange] = []
    for each in sorted(ranges, key=lambda span: span.start):
        if joined and joined[-1].end == each.start:
            joined[-1] = BucketRange(start=joined[-1].start, end=each.end)
        else:
            joined.append(each)
    return tuple(joined)
