"""The shadow lane's step: which requests a shadow scores, what it writes, and what becomes of what it can't score."""

import re
import urllib.request
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from registry.errors import ShelfUnavailableError
from runtime.batch import Batch, LaneOutput, RecordColumns
from runtime.clock import FixedClock
from runtime.metrics import Meters
from runtime.settings import DriftSettings
from schemas.codec import EventCodec
from schemas.columns import Rejection, RequestColumns
from schemas.events import BucketRange, DeploymentState, PartitionEnd, Profile, ServedVersion, ShadowVersion
from schemas.prediction_encoder import PredictionEncoder
from schemas.prediction_reader import PredictionReader
from schemas.request_schema import prediction_schema
from schemas.topics import Topics
from streams.scoring.fleet import Fleet
from streams.scoring.profiler import Profiler
from streams.scoring.roles import ROLE_SHADOW
from streams.scoring.serving import Serving
from streams.scoring.shadow_step import ShadowStep
from streams.scoring.shadows import Shadows, name_of
from streams.scoring.signals import SignalWriter
from streams.scoring.validation import EventTimeBounds
from tests.contracts.schemas_in_memory import SchemasInMemory
from tests.streams.test_scorer import FEATURE, NumberDecoder, version

ROWS = 60


class NamingDecoder(NumberDecoder):
    """Reads `N:VALUE` as the request `rN` of the entity `eN`."""

    def decode(self, values: Sequence[bytes | None]) -> tuple[RequestColumns, list[Rejection]]:
        parts = [(value or b"").partition(b":") for value in values]
        columns, rejections = super().decode([number for _name, _colon, number in parts])
        names = [parts[row][0].decode() for row in columns.rows.tolist()]
        named = replace(
            columns,
            request_ids=pa.array([f"r{name}" for name in names], pa.string()),
            entity_ids=pa.array([f"e{name}" for name in names], pa.string()),
        )
        return named, rejections


@dataclass(slots=True)
class ReadyLoader:
    """Has every version at hand; what it was asked for is in `loaded`."""

    encoder: PredictionEncoder
    loaded: list[str] = field(default_factory=list)
    away: bool = False

    def at_hand(self, state: DeploymentState) -> Serving | None:
        if self.away:
            return None
        self.loaded.append(state.versions[0].version)
        return Serving(
            state=state,
            versions=tuple(version(served.version) for served in state.versions),
            quarantined={},
            decoder=NamingDecoder(),
            encoder=self.encoder,
        )

    def load(self, state: DeploymentState) -> Serving:
        raise ShelfUnavailableError(f"the shelf of {state.model} is away")

    def warm(self, state: DeploymentState) -> None:
        """Nothing stands by."""


class Lane:
    """A shadow lane's step over one model, `m`, whose deployment a test changes."""

    def __init__(self) -> None:
        registry = SchemasInMemory()
        self.codec = EventCodec(registry)
        self.states: list[DeploymentState] = []
        self.meters = Meters()
        schema = prediction_schema("m", [FEATURE])
        schema_id = registry.register("m.predictions-value", schema)
        self.loader = ReadyLoader(PredictionEncoder("fastavro", schema_id=schema_id, schema=schema))
        self.reader = PredictionReader(registry)
        topics, clock = Topics(), FixedClock(9)
        self.shadows = Shadows()
        fleet = Fleet(
            known=(),
            news=lambda: self.shadows.take(self._news()),
            loader=self.loader,
            signals=SignalWriter(
                topics=topics, codec=self.codec, clock=clock, cluster_id="c", service="shadow-0", role=ROLE_SHADOW
            ),
            meters=self.meters,
            retry_on=(ShelfUnavailableError,),
            name_of=name_of,
        )
        self.step = ShadowStep(
            shadows=self.shadows,
            fleet=fleet,
            topics=topics,
            clock=clock,
            bounds=EventTimeBounds(),
            guard=_unguarded,
            profiler=Profiler(
                DriftSettings(profile_every_s=0.001),
                role=ROLE_SHADOW,
                topics=topics,
                codec=self.codec,
                clock=clock,
                cluster_id="c",
                random=np.random.default_rng(1),
            ),
            meters=self.meters,
        )

    def follow(self, *shadows: ShadowVersion) -> None:
        self.states.append(deployment(*shadows))
        self.step.refresh()

    def process(self, values: Sequence[bytes], first_offset: int = 0) -> LaneOutput:
        rows = len(values)
        columns = RecordColumns(
            topic="m.requests",
            keys=[f"e{row}".encode() for row in range(rows)],
            values=[f"{row}:".encode() + value for row, value in enumerate(values)],
            headers=[None] * rows,
            partitions=[0] * rows,
            offsets=list(range(first_offset, first_offset + rows)),
            append_times=[5] * rows,
        )
        batch = Batch(columns={"m.requests": columns}, offsets_next={("m.requests", 0): first_offset + rows})
        return self.step.process(batch)

    def scored(self, output: LaneOutput) -> dict[str, set[str]]:
        """Request ids by version, as written to the shadows topic."""
        found: dict[str, set[str]] = {}
        for records in output.outgoing:
            for value in records.values if records.topic == "m.shadows" else ():
                prediction = self.reader.read(value)
                assert (prediction["role"], prediction["arm"], prediction["bucket"]) == ("shadow", "shadow", -1)
                found.setdefault(prediction["version"], set()).add(prediction["request_id"])
        return found

    def _news(self) -> Iterable[DeploymentState]:
        news, self.states = self.states, []
        return news


@contextmanager
def _unguarded(_model: str, _version: str) -> Iterator[None]:
    yield


def deployment(*shadows: ShadowVersion) -> DeploymentState:
    live = ServedVersion(version="1", bundle="b", arm="live", buckets=(BucketRange(start=0, end=10_000),))
    return DeploymentState(
        model="m",
        generation=4,
        salt=7,
        versions=(live,),
        previous_version=None,
        request_schema_id=1,
        prediction_schema_id=2,
        accepted_losses=(),
        command_id="c",
        decided_at=0,
        shadows=shadows,
    )


def shadow(name: str, *, share: int = 10_000, start: int = 0, salt: int = 5) -> ShadowVersion:
    return ShadowVersion(
        version=name,
        bundle="b",
        share=share,
        salt=salt,
        generation=4,
        request_schema_id=1,
        prediction_schema_id=2,
        starts=(PartitionEnd(partition=0, offset=start),),
        started_by="ann",
        started_at=1,
    )


@pytest.fixture
def lane() -> Lane:
    return Lane()


GOOD = [b"1"] * ROWS
IDS = {f"r{row}" for row in range(ROWS)}


def test_every_shadow_scores_every_request_and_writes_to_its_own_topic(lane: Lane) -> None:
    """Two shadows, twice the predictions; nothing on any topic that live consumers read."""
    lane.follow(shadow("2"), shadow("3", salt=6))
    output = lane.process(GOOD)

    assert lane.scored(output) == {"2": IDS, "3": IDS}
    assert {records.topic for records in output.outgoing} <= {"m.shadows", "profiles"}
    assert (output.tallies["m.requests", 0].records, output.tallies["m.requests", 0].dead_lettered) == (ROWS, {})


def test_a_share_is_chosen_by_the_hash_of_the_request_s_id(lane: Lane) -> None:
    """The same requests each time they are read; about as many as the share says."""
    lane.follow(shadow("2", share=2_500))
    first, again = lane.scored(lane.process(GOOD)), lane.scored(lane.process(GOOD))

    assert first == again
    assert 5 <= len(first["2"]) <= 28


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 9_999), st.integers(1, 9_999), st.integers(0, 2**32 - 1))
def test_a_larger_share_holds_the_smaller_one(one: int, other: int, salt: int) -> None:
    """Of one seed."""
    small, large = sorted((one, other))
    lane = Lane()
    lane.follow(shadow("2", share=small, salt=salt), shadow("3", share=large, salt=salt))
    scored = lane.scored(lane.process(GOOD))

    assert scored.get("2", set()) <= scored.get("3", set())


def test_a_shadow_scores_nothing_from_before_its_start(lane: Lane) -> None:
    """Beside another one that began earlier and still reads."""
    lane.follow(shadow("2", start=0), shadow("3", start=130))
    scored = lane.scored(lane.process(GOOD, first_offset=100))

    assert scored["2"] == IDS
    assert scored["3"] == {f"r{row}" for row in range(30, ROWS)}
    assert lane.shadows.floors(Topics()) == {("m.requests", 0): 0}


def test_what_a_shadow_can_not_score_is_counted_and_profiled_and_no_dead_letter(lane: Lane) -> None:
    """The live lane dealt with the request; counts are final with the batch, not before."""
    lane.follow(shadow("2"))
    output = lane.process([b"junk", b"-", b"77", b"99", *GOOD])
    before = failures(lane)
    lane.step.committed()
    profiles = [
        lane.codec.decode(Profile, value)
        for records in lane.step.take_announcements()
        for value in records.values
        if records.topic == "profiles"
    ]

    assert len(lane.scored(output)["2"]) == ROWS
    assert before == {}
    assert failures(lane) == {"malformed": 1, "missing_value": 1, "estimator_error": 1, "score_not_finite": 1}
    assert {records.topic for records in output.outgoing} <= {"m.shadows", "profiles"}
    assert all(profile.role == "shadow" for profile in profiles)


def failures(lane: Lane) -> dict[str, float]:
    """Counts by reason, as the process serves them."""
    port = lane.meters.serve(host="127.0.0.1", port=0)
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=30) as answer:
        lines = answer.read().decode().splitlines()
    found = (re.match(r'penstock_shadow_failures_total\{.*reason="(\w+)".*\} ([\d.]+)', line) for line in lines)
    return {match[1]: float(match[2]) for match in found if match}


def test_requests_wait_until_the_shadow_is_loaded(lane: Lane) -> None:
    """And other models' do not; a shadow that is ended is waited for no more."""
    lane.loader.away = True
    lane.follow(shadow("2"))
    waiting = (tuple(lane.step.topics()), lane.step.ready("m.requests"))
    lane.follow()

    assert waiting == (("m.requests",), False)
    assert tuple(lane.step.topics()) == ()


def test_evidence_that_grows_loads_nothing_and_a_new_start_does(lane: Lane) -> None:
    """Deployments are told for many reasons; only another shadow is one."""
    lane.follow(shadow("2"))
    lane.states.append(replace(deployment(shadow("2")), revision=8))
    lane.step.refresh()
    once = list(lane.loader.loaded)
    lane.follow(shadow("2", salt=99))

    assert once == ["2"]
    assert lane.loader.loaded == ["2", "2"]


def test_only_the_newest_of_several_states_counts() -> None:
    """A shadow that was started and ended while nobody looked is not loaded."""
    shadows = Shadows()

    assert shadows.take([deployment(shadow("2")), deployment()]) == []
    assert shadows.names == frozenset()
