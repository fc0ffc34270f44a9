"""Profiles add up to the rows that were scored, however these were polled, aborted or sampled."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from registry.binning import SCORE, Binning, ColumnBins
from registry.loaded import LabelRule, LoadedVersion
from runtime.batch import OutgoingRecords, RecordColumns
from runtime.clock import FixedClock
from runtime.settings import DriftSettings
from schemas.codec import EventCodec
from schemas.columns import PredictionColumns, Rejection, RequestColumns
from schemas.events import BucketRange, DeploymentState, Profile, ServedVersion
from schemas.reasons import Reason
from schemas.request_columns import empty_columns
from schemas.signature import Container, Feature, FeatureKind, Signature, Task
from schemas.topics import Topics
from streams.scoring.profiler import Allowance, Profiler
from streams.scoring.scorer import VersionRows
from streams.scoring.serving import Serving
from tests.contracts.schemas_in_memory import SchemasInMemory

BLOCK_ROWS = 40
CUT_ROWS = BLOCK_ROWS // 4
SIGNATURE = Signature(
    features=(Feature(name="a", kind=FeatureKind.NUMBER, dtype="float64"),),
    task=Task.REGRESSION,
    container=Container.DATAFRAME,
)
BINNING = Binning([ColumnBins(name="a", edges=(0.5,)), ColumnBins(name=SCORE, edges=(0.5,))])


class NoEstimator:
    """Never asked: rows come with their scores."""

    def predict(self, X: object) -> np.ndarray[tuple[int], np.dtype[np.float64]]:  # noqa: N803  scikit-learn's name
        raise AssertionError(X)


class NoDecoder:
    """Never asked: rows come decoded."""

    def decode(self, values: Sequence[bytes | None]) -> tuple[RequestColumns, list[Rejection]]:
        return empty_columns(pa.schema([])), [
            Rejection(row=row, reason=Reason.MALFORMED, detail="") for row in range(len(values))
        ]


class NoEncoder:
    """Never asked: predictions are another's."""

    def encode(self, columns: PredictionColumns) -> list[bytes]:
        return [b""] * len(columns.scores)


def serving(*versions: str, generation: int = 1) -> Serving:
    loaded = LoadedVersion(
        name="m",
        version="1",
        bundle="ab",
        signature=SIGNATURE,
        estimator=NoEstimator(),
        label_rule=LabelRule.ARGMAX,
        binning=BINNING,
        block_rows=BLOCK_ROWS,
    )
    served = tuple(
        ServedVersion(version=version, bundle="ab", arm=f"arm {version}", buckets=(BucketRange(start=0, end=1),))
        for version in versions
    )
    state = DeploymentState(
        model="m",
        generation=generation,
        salt=0,
        versions=served,
        previous_version=None,
        request_schema_id=1,
        prediction_schema_id=2,
        accepted_losses=(),
        command_id="c",
        decided_at=0,
    )
    return Serving(
        state=state,
        versions=(loaded,) * len(versions),
        quarantined={},
        decoder=NoDecoder(),
        encoder=NoEncoder(),  # type: ignore[arg-type]  # never asked
    )


@dataclass(slots=True)
class Bench:
    """A profiler with a clock that a test moves, fed with rows of one partition by offset."""

    rows_per_s_max: int = 1_000_000
    clock: FixedClock = field(default_factory=lambda: FixedClock(0))
    codec: EventCodec = field(default_factory=lambda: EventCodec(SchemasInMemory()))
    profiler: Profiler = field(init=False)

    def __post_init__(self) -> None:
        self.profiler = Profiler(
            DriftSettings(profile_every_s=5.0, profile_rows_per_s_max=self.rows_per_s_max),
            role="live",
            topics=Topics(),
            codec=self.codec,
            clock=self.clock,
            cluster_id="k",
            random=np.random.default_rng(5),
        )

    def observe(self, offsets: Sequence[int], *, rejected: Sequence[int] = (), generation: int = 1) -> list[Profile]:
        """One batch of these offsets, alternating between two partitions; `rejected` are offsets without a score."""
        rows = len(offsets)
        records = RecordColumns(
            topic="m.requests",
            keys=[b"k"] * rows,
            values=[b"v"] * rows,
            headers=[None] * rows,
            partitions=[offset % 2 for offset in offsets],
            offsets=list(offsets),
            append_times=[1_000 + offset for offset in offsets],
        )
        scores = np.array([np.nan if offset in rejected else (offset % 7) / 7 for offset in offsets])
        of_version = VersionRows(
            index=0,
            rows=np.arange(rows),
            features=pa.record_batch({"a": pa.array([(offset % 10) / 10 for offset in offsets], pa.float64())}),
            event_times=np.array([5_000 + offset for offset in offsets]),
            scores=scores,
            rejected=[(place, Reason.MISSING_VALUE) for place, each in enumerate(offsets) if each in rejected],
            durations_us={"score": 10 * rows},
        )
        self.profiler.begin()
        return self.decode(self.profiler.observe(records, serving("1", generation=generation), [of_version]))

    def decode(self, outgoing: Sequence[OutgoingRecords]) -> list[Profile]:
        return [self.codec.decode(Profile, value) for records in outgoing for value in records.values]

    def due(self) -> list[Profile]:
        return self.decode(self.profiler.take_due())


def assert_covers(profiles: Sequence[Profile], offsets: Sequence[int], rejected: Sequence[int]) -> None:
    """The profiles tell of exactly these rows."""
    assert sum(profile.rows for profile in profiles) == len(offsets)
    assert sum(profile.durations_us["score"] for profile in profiles) == 10 * len(offsets)
    counted: Counter[str] = Counter()
    for profile in profiles:
        counted.update(profile.rejected)
    assert counted == Counter({"missing_value": len(rejected)} if rejected else {})
    for partition in (0, 1):
        spans = [
            (each.offset_first, each.offset_last)
            for profile in profiles
            for each in profile.sources
            if each.partition == partition
        ]
        assert spans == sorted(spans)
        assert all(end < start for (_, end), (start, _) in pairwise(spans))
        own = [offset for offset in offsets if offset % 2 == partition]
        assert [spans[0][0], spans[-1][1]] == [own[0], own[-1]] if own else not spans


@settings(deadline=None)
@given(st.lists(st.integers(1, 37), min_size=1, max_size=12), st.sets(st.integers(0, 300), max_size=6))
def test_profiles_add_up_to_the_rows_however_they_were_polled(sizes: list[int], at_fault: set[int]) -> None:
    """Any batches: each profile has a quarter block, the last one the rest, and every row is in one."""
    bench = Bench()
    offsets = list(range(sum(sizes)))
    rejected = [offset for offset in offsets if offset in at_fault]
    profiles = []
    start = 0
    for size in sizes:
        profiles += bench.observe(offsets[start : start + size], rejected=rejected)
        bench.profiler.committed()
        start += size
    bench.clock.ms += 5_000
    rest = bench.due()

    assert [profile.rows for profile in profiles] == [CUT_ROWS] * (len(offsets) // CUT_ROWS)
    assert [profile.rows for profile in rest] == [len(offsets) % CUT_ROWS] * bool(len(offsets) % CUT_ROWS)
    assert_covers([*profiles, *rest], offsets, rejected)
    a = np.sum([profile.columns[0].counts for profile in (*profiles, *rest)], axis=0)
    assert a.tolist() == [sum(each % 10 <= 5 for each in offsets), sum(each % 10 > 5 for each in offsets), 0]
    score = np.sum([profile.columns[1].counts for profile in (*profiles, *rest)], axis=0)
    assert (int(score.sum()), int(score[-1])) == (len(offsets), len(rejected))


def test_a_batch_that_is_aborted_counts_once() -> None:
    """It is observed again, and only the look that was committed stays."""
    bench = Bench()
    bench.observe(range(7))
    bench.observe(range(7))
    bench.profiler.committed()
    (first,) = bench.observe(range(7, 12))
    (again,) = bench.observe(range(7, 12))

    assert first == again
    assert (again.rows, again.event_time_first, again.event_time_last) == (10, 5_000, 5_009)


def test_rows_wait_for_their_profile_no_longer_than_they_may() -> None:
    """The age is that of the oldest row; with a batch or without one, it is given out once."""
    bench = Bench()
    bench.observe(range(3))
    bench.profiler.committed()
    bench.clock.ms += 4_999
    before = bench.due()
    bench.clock.ms += 1
    (alone,) = bench.due()
    bench.observe([3])
    bench.profiler.committed()
    bench.clock.ms += 5_000
    (with_batch,) = bench.observe([4])
    bench.profiler.committed()

    assert before == []
    assert (alone.rows, alone.profile_id) == (3, "m:1:arm 1:live:k:0:0")
    assert (with_batch.rows, with_batch.profile_id) == (2, "m:1:arm 1:live:k:0:4")
    assert bench.due() == []


def test_rows_of_two_generations_are_never_in_one_profile() -> None:
    """A deployment that changes begins a stretch of its own; the old one is given out when it is due."""
    bench = Bench()
    bench.observe(range(4))
    bench.profiler.committed()
    bench.observe(range(4, 9), generation=2)
    bench.profiler.committed()
    bench.clock.ms += 5_000

    assert sorted((profile.generation, profile.rows) for profile in bench.due()) == [(1, 4), (2, 5)]


def test_above_the_rate_a_random_share_is_profiled_and_all_rows_are_counted() -> None:
    """A profile says how many rows it stands for and how many it looked at."""
    bench = Bench(rows_per_s_max=1_000)
    profiles = []
    for start in range(0, 40_000, 2_000):
        bench.clock.ms += 100
        profiles += bench.observe(range(start, start + 2_000), rejected=[start])
        bench.profiler.committed()
    bench.clock.ms += 5_000
    profiles += bench.due()

    assert_covers(profiles, range(40_000), range(0, 40_000, 2_000))
    profiled = sum(profile.profiled for profile in profiles)
    assert 2_600 <= profiled <= 3_400  # a second's worth at first, then 100 of each 2,000
    assert {profile.profiled for profile in profiles[:-1]} == {CUT_ROWS}
    assert sum(sum(profile.columns[0].counts) for profile in profiles) == profiled


def test_nothing_is_profiled_where_that_is_switched_off() -> None:
    """No profile is made of rows of which none is looked at, neither with a batch nor later."""
    bench = Bench(rows_per_s_max=0)
    made = bench.observe(range(10_000))
    bench.profiler.committed()
    bench.clock.ms += 60_000

    assert made == []
    assert bench.due() == []


def test_the_allowance_is_a_second_s_worth_at_most() -> None:
    """Rows that were not used up are not saved for longer, and a clock that goes back earns nothing."""
    allowance = Allowance(100, 0)

    assert allowance.share_of(50, 0) == 1.0
    assert allowance.share_of(200, 60_000) == 0.5
    assert allowance.share_of(10, 0) == 0.0
    assert allowance.share_of(20, 100) == 0.5


def test_a_version_that_was_not_loaded_has_no_columns() -> None:
    """Rows of a quarantined version are counted and not looked into."""
    bench = Bench()
    whole = serving("1")
    quarantined = Serving(
        state=whole.state,
        versions=(None,),
        quarantined={"1": "hung"},
        decoder=whole.decoder,
        encoder=whole.encoder,
    )
    records = RecordColumns(
        topic="m.requests",
        keys=[b"k"] * 3,
        values=[b"v"] * 3,
        headers=[None] * 3,
        partitions=[0] * 3,
        offsets=[7, 8, 9],
        append_times=[1] * 3,
    )
    rows = VersionRows(
        index=0,
        rows=np.arange(3),
        features=pa.record_batch({"a": [0.1, 0.2, 0.3]}),
        event_times=np.array([1, 2, 3]),
        scores=np.full(3, np.nan),
        rejected=[(place, Reason.VERSION_QUARANTINED) for place in range(3)],
        durations_us={"decode": 3},
    )
    bench.profiler.begin()
    bench.profiler.observe(records, quarantined, [rows])
    bench.profiler.committed()
    bench.clock.ms += 5_000
    (profile,) = bench.due()

    assert (profile.bundle, profile.columns, profile.rejected) == ("", (), {"version_quarantined": 3})


def test_a_registry_that_is_away_keeps_what_is_due() -> None:
    """Profiles that can't be encoded now are given out later."""
    schemas = SchemasInMemory()
    bench = Bench(codec=EventCodec(schemas))
    bench.observe(range(3))
    bench.profiler.committed()
    bench.clock.ms += 5_000
    schemas.away = True
    while_away = bench.due()
    schemas.away = False

    assert while_away == []
    assert [profile.rows for profile in bench.due()] == [3]
