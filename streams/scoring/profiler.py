"""Profiles of what each version was asked to score, made beside scoring and sent with its predictions.

Routed rows of a batch come in, `Profile` records go out, in the batch's own transaction. What a
batch added counts once the batch is final: an aborted one is observed again and leaves no trace.
A process that dies takes along the rows of its last unfinished profiles, which no other repeats.
"""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import numpy.typing as npt
import structlog

from registry.binning import Binning
from registry.loaded import LoadedVersion
from registry.reference_profile import LEARNED_BLOCK_ROWS
from runtime.batch import OutgoingRecords, RecordColumns
from runtime.clock import Clock
from runtime.kafka import SYSTEM_PARTITION
from runtime.settings import DriftSettings
from schemas.codec import EventCodec
from schemas.errors import SchemaRegistryUnavailableError
from schemas.events import Profile
from schemas.topics import PROFILES, Topics
from streams.scoring.scorer import VersionRows
from streams.scoring.serving import Serving
from streams.scoring.stretch import Cut, NewRows, Stretch, StretchKey, closed, extended, is_due

PROFILES_A_BLOCK = 4
_log = structlog.get_logger("penstock.profiler")


class Allowance:
    """How many rows may be profiled now: so many a second, and no more than a second's worth at once."""

    def __init__(self, rows_per_s_max: int, now: int) -> None:
        self._rows_per_s_max = rows_per_s_max
        self._rows = float(rows_per_s_max)
        self._filled_at = now

    def share_of(self, rows: int, now: int) -> float:
        """The share of these rows that may be profiled, which is taken off what is left."""
        earned = max(now - self._filled_at, 0) / 1_000 * self._rows_per_s_max
        self._rows = min(self._rows + earned, float(self._rows_per_s_max))
        self._filled_at = now
        share = min(self._rows / rows, 1.0)
        self._rows -= share * rows
        return share


class Profiler:
    """Keeps a stretch of rows for each version, arm and generation, and cuts it into profiles."""

    def __init__(
        self,
        settings: DriftSettings,
        *,
        role: str,
        topics: Topics,
        codec: EventCodec,
        clock: Clock,
        cluster_id: str,
        random: np.random.Generator,
    ) -> None:
        self._off = settings.profile_rows_per_s_max == 0
        self._age_ms = int(settings.profile_every_s * 1_000)
        self._allowance = Allowance(settings.profile_rows_per_s_max, clock.now_ms())
        self._role = role
        self._topics = topics
        self._codec = codec
        self._clock = clock
        self._cluster_id = cluster_id
        self._random = random
        self._kept: dict[StretchKey, Stretch] = {}
        self._pending: dict[StretchKey, Stretch] = {}
        self._measures: dict[StretchKey, tuple[Binning | None, Cut]] = {}

    def begin(self) -> None:
        """A batch is looked at, perhaps again: what an earlier look added does not count."""
        self._pending = dict(self._kept)

    def observe(
        self, records: RecordColumns, serving: Serving, versions: Sequence[VersionRows]
    ) -> Sequence[OutgoingRecords]:
        """Profiles that these rows complete, of one model of the batch."""
        if self._off:
            return ()
        now = self._clock.now_ms()
        profiles: list[Profile] = []
        for rows in versions:
            key = self._key(serving, rows.index)
            binning, cut = self._measure(key, serving.versions[rows.index])
            made, left = extended(
                self._pending.pop(key, None), self._new(records, rows, now), key, binning=binning, cut=cut, now=now
            )
            profiles += made
            if left is not None:
                self._pending[key] = left
        return self._encoded(profiles)

    def committed(self) -> None:
        """What was observed since `begin` is final."""
        self._kept = self._pending
        # What no stretch waits for may never come again: a version that was replaced.
        self._measures = {key: self._measures[key] for key in self._kept}

    def take_due(self) -> Sequence[OutgoingRecords]:
        """Profiles of rows that have waited for as long as they may while no batch came; each is given out once."""
        now = self._clock.now_ms()
        due = {key: each for key, each in self._kept.items() if is_due(each, self._measures[key][1], now)}
        if not due:
            return ()
        profiles = []
        for key, stretch in due.items():
            binning, cut = self._measures[key]
            profiles.append(closed(stretch, key, binning=binning, cut=cut))
        try:
            records = self._encoded(profiles)
        except SchemaRegistryUnavailableError as error:
            _log.warning("profiles wait for the schema registry", detail=str(error))
            return ()
        self._kept = {key: each for key, each in self._kept.items() if key not in due}
        return records

    def _key(self, serving: Serving, index: int) -> StretchKey:
        served, loaded = serving.state.versions[index], serving.versions[index]
        return StretchKey(
            model=serving.state.model,
            version=served.version,
            bundle="" if loaded is None else loaded.bundle,
            arm=served.arm,
            role=self._role,
            generation=serving.state.generation,
        )

    def _measure(self, key: StretchKey, loaded: LoadedVersion | None) -> tuple[Binning | None, Cut]:
        if key not in self._measures:
            block_rows = LEARNED_BLOCK_ROWS if loaded is None else loaded.block_rows
            cut = Cut(rows=block_rows // PROFILES_A_BLOCK, age_ms=self._age_ms, cluster_id=self._cluster_id)
            self._measures[key] = (None if loaded is None else loaded.binning, cut)
        return self._measures[key]

    def _new(self, records: RecordColumns, rows: VersionRows, now: int) -> NewRows:
        """The rows with where they lie, and those chosen at random that are profiled."""
        chosen = self._chosen(len(rows.rows), now)
        features, scores = rows.features, rows.scores
        if len(chosen) < len(rows.rows):
            features, scores = features.take(chosen), scores[chosen]
        return NewRows(
            partitions=_at(records.partitions, rows.rows),
            offsets=_at(records.offsets, rows.rows),
            event_times=rows.event_times,
            append_times=_at(records.append_times, rows.rows),
            rejected=_by_reason(rows.rejected),
            durations_us=rows.durations_us,
            kept=chosen,
            features=features,
            scores=scores,
        )

    def _chosen(self, rows: int, now: int) -> npt.NDArray[np.int64]:
        share = self._allowance.share_of(rows, now)
        if share >= 1.0:
            return np.arange(rows)
        return np.flatnonzero(self._random.random(rows) < share)

    def _encoded(self, profiles: Iterable[Profile]) -> Sequence[OutgoingRecords]:
        listed = list(profiles)
        if not listed:
            return ()
        return [
            OutgoingRecords(
                topic=self._topics.of(PROFILES),
                keys=[profile.model.encode() for profile in listed],
                values=[self._codec.encode(profile) for profile in listed],
                partition=SYSTEM_PARTITION,
            )
        ]


def _at(values: Sequence[int], rows: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    everything = np.asarray(values, dtype=np.int64)
    return everything if len(everything) == len(rows) else everything[rows]


def _by_reason(rejected: Sequence[tuple[int, str]]) -> Mapping[str, npt.NDArray[np.int64]]:
    places: dict[str, list[int]] = {}
    for place, reason in rejected:
        places.setdefault(str(reason), []).append(place)
    return {reason: np.array(each, dtype=np.int64) for reason, each in places.items()}
