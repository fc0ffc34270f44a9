"""The requests of one partition: the newest in memory, all within the horizon on disk, and what expires.

A request is kept for the horizon, in append time, from its first record on; then it goes, and
whatever was not labeled by then is counted. Changes of a turn are told by `changes` and written
by `stage`; nothing of them is on disk before.
"""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from typing import NamedTuple

import orjson

from streams.outcomes.disk import Disk, Writes, number_key, numbers_of
from streams.outcomes.request import Request
from streams.outcomes.request_bytes import from_bytes, to_bytes

_REQUEST, _BUCKET, _LIST = b"r", b"b", b"e"
_ENTRY_BYTES = 400
_LISTS_PER_TURN = 64
_NOTHING = Request(0, None, ())


class Change(NamedTuple):
    """What a turn made of one request; `before` is None where it was not known."""

    key: str
    before: Request | None
    after: Request


@dataclass(slots=True, kw_only=True)
class Bucket:
    """Counts of the requests whose first record was appended in one span of time.

    `first`: by input, the first offset that was appended in it.
    """

    predictions: int = 0
    labeled: int = 0
    unmatched: int = 0
    first: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Expired:
    """What went after the horizon: predictions that no label came for, and labels without a prediction."""

    unlabeled: int = 0
    unmatched: int = 0


class Requests:
    """Used on one thread; `front_bytes` bounds what is kept in memory beside the turn."""

    def __init__(self, disk: Disk, *, horizon_ms: int, bucket_ms: int, front_bytes: int) -> None:
        self._disk = disk
        self._horizon_ms = horizon_ms
        self._bucket_ms = bucket_ms
        self._front_bytes_max = front_bytes
        self._front: dict[str, Request] = {}
        self._front_bytes = 0
        self._now: dict[str, Request | None] = {}
        self._before: dict[str, Request | None] = {}
        self._listed: dict[int, list[str]] = {}
        self._touched: set[int] = set()
        self._gone: list[int] = []
        self._deletes: list[bytes] = []
        self._buckets = {numbers_of(key)[0]: Bucket(**orjson.loads(value)) for key, value in disk.scan(_BUCKET)}

    @property
    def pending(self) -> int:
        """Predictions that wait for their label."""
        return sum(bucket.predictions - bucket.labeled for bucket in self._buckets.values())

    def fetch(self, keys: Sequence[str]) -> None:
        """Have these at hand for `get`."""
        missing = [key for key in dict.fromkeys(keys) if key not in self._front and key not in self._now]
        found = self._disk.get_many([_REQUEST + key.encode() for key in missing])
        for key, value in zip(missing, found, strict=True):
            self._now[key] = None if value is None else from_bytes(value)

    def get(self, key: str) -> Request | None:
        """What is known of a request that was fetched in this turn."""
        return self._now[key] if key in self._now else self._front[key]

    def put(self, key: str, request: Request) -> None:
        """The request is this from now on."""
        if key not in self._before:
            self._before[key] = self.get(key)
        self._now[key] = request

    def mark(self, kind: str, offset: int, appended_at: int) -> None:
        """A record of that input lies there; what is read again after a loss of the disk begins at a mark."""
        bucket = self._bucket(appended_at)
        if kind not in bucket.first:
            bucket.first[kind] = offset
            self._touched.add(appended_at // self._bucket_ms)

    def changes(self) -> Iterator[Change]:
        """What the turn has changed, in the order of the first change."""
        for key, before in self._before.items():
            request = self._now[key]
            assert request is not None, "requests change into requests"
            yield Change(key, before, request)

    def count(self, changes: Sequence[Change]) -> None:
        """Keep the books of what is labeled, and list what is new for its expiry."""
        for key, before, after in changes:
            number = after.since // self._bucket_ms
            bucket = self._bucket(after.since)
            self._touched.add(number)
            if before is None:
                self._listed.setdefault(number, []).append(key)
                before = _NOTHING  # noqa: PLW2901 - as if it had been there, with nothing in it
            bucket.predictions += len(after.predictions) - len(before.predictions)
            bucket.labeled += _labeled(after) - _labeled(before)
            bucket.unmatched += _unmatched(after) - _unmatched(before)

    def expire(self, log_time: int) -> Expired:
        """Forget what is beyond the horizon when all inputs have been read up to that append time.

        At most a few thousand requests go in one turn; the rest goes in the next ones.
        """
        unlabeled = unmatched = lists = 0
        for number in sorted(self._buckets):
            if (number + 1) * self._bucket_ms + self._horizon_ms > log_time:
                break
            for key, value in self._disk.scan(number_key(_LIST, number)):
                lists += 1
                self._forget(orjson.loads(value))
                self._deletes.append(key)
                if lists == _LISTS_PER_TURN:
                    return Expired(unlabeled=unlabeled, unmatched=unmatched)
            self._forget(self._listed.pop(number, []))
            bucket = self._buckets.pop(number)
            self._touched.discard(number)
            self._gone.append(number)
            unlabeled += bucket.predictions - bucket.labeled
            unmatched += bucket.unmatched
        return Expired(unlabeled=unlabeled, unmatched=unmatched)

    def expirable(self, log_time: int) -> bool:
        """Whether `expire` would forget anything."""
        first = min(self._buckets, default=None)
        return first is not None and (first + 1) * self._bucket_ms + self._horizon_ms <= log_time

    def oldest(self, kind: str) -> int | None:
        """The offset from which that input must be read to have all of this again; None where nothing is kept."""
        return min((bucket.first[kind] for bucket in self._buckets.values() if kind in bucket.first), default=None)

    def stage(self, writes: Writes, turn: int) -> None:
        """Add what the turn changes to a write."""
        for key in self._before:
            request = self._now.get(key)
            if request is not None:
                writes.puts[_REQUEST + key.encode()] = to_bytes(request)
        for number, keys in self._listed.items():
            writes.puts[number_key(_LIST, number, turn)] = orjson.dumps(keys)
        for number in self._touched:
            writes.puts[number_key(_BUCKET, number)] = orjson.dumps(asdict(self._buckets[number]))
        for number in self._gone:
            writes.deletes.append(number_key(_BUCKET, number))
        writes.deletes += self._deletes

    def written(self) -> None:
        """The turn is on disk: its requests are the newest."""
        for key in self._before:
            request = self._now.get(key)
            if request is not None:
                self._keep(key, request)
        self._shrink()
        self._now.clear()
        self._before.clear()
        self._listed.clear()
        self._touched.clear()
        self._gone.clear()
        self._deletes.clear()

    def _bucket(self, appended_at: int) -> Bucket:
        number = appended_at // self._bucket_ms
        bucket = self._buckets.get(number)
        if bucket is None:
            bucket = self._buckets[number] = Bucket()
        return bucket

    def _forget(self, keys: Sequence[str]) -> None:
        for key in keys:
            self._drop(key)
            self._now.pop(key, None)
            self._before.pop(key, None)
            self._deletes.append(_REQUEST + key.encode())

    def _keep(self, key: str, request: Request) -> None:
        self._drop(key)
        self._front[key] = request
        self._front_bytes += _size(request)

    def _drop(self, key: str) -> None:
        known = self._front.pop(key, None)
        if known is not None:
            self._front_bytes -= _size(known)

    def _shrink(self) -> None:
        while self._front_bytes > self._front_bytes_max:
            self._drop(next(iter(self._front)))


def _size(request: Request) -> int:
    size = _ENTRY_BYTES
    for kept in request.predictions:
        size += len(kept.value)
    return size


def _labeled(request: Request) -> int:
    """Predictions whose label is there, taken back or not."""
    return 0 if request.truth is None else len(request.predictions)


def _unmatched(request: Request) -> bool:
    return request.truth is not None and not request.predictions
