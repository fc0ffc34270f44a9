"""The monitor as a lane's step: profiles and cohorts in, signals out.

What the watches know is made of the records that were read, so they come back by reading those
again: on a start, and after a batch that was taken in and not made final. What is told meanwhile
was told before, and is dropped. So one drift is one signal, whatever is killed when; where a
broker promises less than exactly once, a repeated signal has the same id.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Protocol, TypeVar

import structlog

from runtime.batch import (
    Batch,
    KafkaMessage,
    LaneOutput,
    OutgoingRecords,
    RecordColumns,
    RetryLaterError,
    Tally,
    TopicPartitionKey,
    tally_rows,
)
from runtime.clock import Clock
from runtime.dead_letters import DeadLetterWriter
from runtime.kafka import SYSTEM_PARTITION
from runtime.metrics import DRIFT_LEARNING, DRIFT_RESTORING, SIGNALS_RAISED, Meters
from runtime.offsets import StartOffset
from schemas.codec import EventCodec
from schemas.columns import Rejection
from schemas.errors import EventDecodeError, SchemaRegistryUnavailableError
from schemas.events import Cohort, Profile, Signal
from schemas.reasons import Reason
from schemas.topics import COHORTS, PROFILES, SIGNALS, Topics
from streams.drift.errors import VersionsUnavailableError
from streams.drift.watches import Watches

RESTORE_RECORDS = 2_000
RESTORE_WAIT_S = 0.2
RESTORE_AGAIN_MS = 1_000
GRACE_MS = 15_000
"""Profiles of rows come so much later than the rows, at most."""
Watched = TypeVar("Watched", Profile, Cohort)
_log = structlog.get_logger("penstock.monitor")


class RangeReading(Protocol):
    """Records that are read once more."""

    @property
    def done(self) -> bool: ...

    def poll(self, records_max: int, timeout_s: float) -> list[KafkaMessage]: ...

    def close(self) -> None: ...


ReadAgain = Callable[[Mapping[TopicPartitionKey, tuple[int, int]]], RangeReading]


class MonitorStep:
    """Watches; `records_again_max`: newest records of each topic that the watches are made of again.

    `silence_every_ms`: how often it is asked whether no requests come.
    """

    def __init__(
        self,
        *,
        build_watches: Callable[[], Watches],
        read_again: ReadAgain,
        records_again_max: int,
        silence_every_ms: int,
        topics: Topics,
        codec: EventCodec,
        clock: Clock,
        dead_letters: DeadLetterWriter,
        meters: Meters,
    ) -> None:
        self._build_watches = build_watches
        self._read_again = read_again
        self._records_again_max = records_again_max
        self._silence_every_ms = silence_every_ms
        self._profiles, self._cohorts = topics.of(PROFILES), topics.of(COHORTS)
        self._signals = topics.of(SIGNALS)
        self._codec = codec
        self._clock = clock
        self._dead_letters = dead_letters
        self._meters = meters
        self._watches = build_watches()
        self._starts: dict[TopicPartitionKey, int] = {}
        self._positions: dict[TopicPartitionKey, int] = {}
        self._reading: RangeReading | None = None
        self._stale = True
        self._at_end = False
        self._looked_at = 0
        self._again_at = 0
        self._offsets: Mapping[TopicPartitionKey, int] = {}
        self._raised: list[Signal] = []

    def refresh(self) -> None:
        """Make the watches anew where they know too little or too much, a little at each call."""
        if self._stale and self._positions and self._clock.now_ms() >= self._again_at:
            self._begin_again()
        if self._reading is not None:
            self._take_back(self._reading)
        self._meters.set(DRIFT_RESTORING, int(self._reading is not None or self._stale))

    def topics(self) -> Collection[str]:
        return (self._profiles, self._cohorts)

    def accepted_loss(self, topic: str, partition: int) -> int | None:
        """What was deleted unread can't be had again; going on is all there is."""
        return (1 << 63) - 1

    def take_announcements(self) -> Sequence[OutgoingRecords]:
        return ()

    def assigned(self, starts: Sequence[StartOffset]) -> None:
        """What lies before these offsets is what the watches are made of."""
        for start in starts:
            place = (start.topic, start.partition)
            self._starts[place] = start.log_start
            self._positions[place] = max(start.offset, start.log_start)
        self._stale = True

    def revoked(self, places: Sequence[TopicPartitionKey]) -> None:
        for place in places:
            self._starts.pop(place, None)
            self._positions.pop(place, None)
        self._close_reading()
        self._stale = True

    def ready(self, topic: str, partition: int = SYSTEM_PARTITION) -> bool:
        return not self._stale and self._reading is None

    def at_end(self, topic: str, partition: int) -> None:
        """Whoever has read all profiles knows that none came."""
        if (topic, partition) == (self._profiles, SYSTEM_PARTITION):
            self._at_end = True

    def hurry(self) -> bool:
        """Nothing waits that a stop would lose."""
        return False

    def notes(self) -> Mapping[TopicPartitionKey, str]:
        return {}

    def due(self) -> bool:
        """Whether a window of the request rate has ended, which no profile may ever tell."""
        now = self._clock.now_ms()
        if not self.ready(self._profiles) or not self._at_end:
            return False
        window = (now - GRACE_MS) // self._silence_every_ms
        looked, self._looked_at = self._looked_at, window
        return window != looked

    def process(self, batch: Batch) -> LaneOutput:
        """Take in a batch; one without records is silence. Raises `RetryLaterError` before anything is taken in."""
        assert self.ready(self._profiles), "records wait until the watches are whole"
        now = self._clock.now_ms()
        profiles, profile_faults = self._decode(Profile, batch.columns.get(self._profiles))
        cohorts, cohort_faults = self._decode(Cohort, batch.columns.get(self._cohorts))
        # From here on the watches know what is not final; `committed` makes it so.
        self._stale = True
        try:
            signals = self._observed(profiles, cohorts, now)
        except VersionsUnavailableError as error:
            raise RetryLaterError(str(error)) from error
        if not batch.columns:
            signals += self._watches.silent_until(now - GRACE_MS, now=now)
        self._offsets, self._raised = batch.offsets_next, signals
        outgoing = [self._record(signal) for signal in signals]
        tallies: dict[TopicPartitionKey, Tally] = {}
        for topic, faults in ((self._profiles, profile_faults), (self._cohorts, cohort_faults)):
            if topic in batch.columns:
                outgoing += self._dead_letters.records(batch.columns[topic], "", faults)
                tallies |= tally_rows(batch.columns[topic], faults)
        return LaneOutput(outgoing=outgoing, tallies=tallies)

    def committed(self) -> None:
        """What was taken in is final."""
        self._positions.update(self._offsets)
        self._at_end = self._at_end and not self._offsets
        self._offsets, self._stale = {}, False
        for signal in self._raised:
            _log.warning("signal raised", model=signal.model, kind=signal.kind, message=signal.message)
            self._meters.add(SIGNALS_RAISED, model=signal.model, kind=signal.kind)
        self._raised = []
        self._meters.set(DRIFT_LEARNING, self._watches.learning)

    def _observed(self, profiles: Sequence[Profile], cohorts: Sequence[Cohort], now: int) -> list[Signal]:
        return [
            *(signal for profile in profiles for signal in self._watches.observe_profile(profile, now=now)),
            *(signal for cohort in cohorts for signal in self._watches.observe_cohort(cohort, now=now)),
        ]

    def _begin_again(self) -> None:
        self._close_reading()
        self._watches = self._build_watches()
        self._reading = self._read_again(
            {
                place: (max(self._starts[place], position - self._records_again_max), position)
                for place, position in self._positions.items()
                if place[1] == SYSTEM_PARTITION
            }
        )
        self._stale = False

    def _take_back(self, reading: RangeReading) -> None:
        """Take in again what is final; signals about it were told."""
        for message in reading.poll(RESTORE_RECORDS, RESTORE_WAIT_S):
            try:
                if message.topic() == self._profiles:
                    self._observed([self._codec.decode(Profile, message.value())], [], 0)
                else:
                    self._observed([], [self._codec.decode(Cohort, message.value())], 0)
            except EventDecodeError:
                # It was dead-lettered when it was read first.
                continue
            except (SchemaRegistryUnavailableError, VersionsUnavailableError) as error:
                _log.warning("what was watched can't be read again now", why=str(error))
                self._stale, self._again_at = True, self._clock.now_ms() + RESTORE_AGAIN_MS
                return
        if reading.done:
            self._close_reading()

    def _close_reading(self) -> None:
        if self._reading is not None:
            self._reading.close()
            self._reading = None

    def _decode(
        self, event_type: type[Watched], columns: RecordColumns | None
    ) -> tuple[list[Watched], list[Rejection]]:
        events: list[Watched] = []
        rejections: list[Rejection] = []
        for row, value in enumerate(columns.values if columns is not None else ()):
            try:
                events.append(self._codec.decode(event_type, value))
            except EventDecodeError as error:
                rejections.append(Rejection(row=row, reason=Reason.MALFORMED, detail=str(error)))
            except SchemaRegistryUnavailableError as error:
                raise RetryLaterError(str(error)) from error
        return events, rejections

    def _record(self, signal: Signal) -> OutgoingRecords:
        return OutgoingRecords(
            topic=self._signals,
            keys=[signal.model.encode()],
            values=[self._codec.encode(signal)],
            partition=SYSTEM_PARTITION,
        )
