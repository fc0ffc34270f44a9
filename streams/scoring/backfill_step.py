"""Stored requests scored again with another version: the step of a lane of its own, off the live path.

Request records come in, predictions of role shadow go out; what cannot be scored is counted and
not dead-lettered, since the live lane has done that. Records of other times are passed over.
"""

import time
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field

from runtime.batch import (
    Batch,
    LaneOutput,
    OutgoingRecords,
    RecordColumns,
    RetryLaterError,
    Tally,
    TopicPartitionKey,
    tally_rows,
)
from runtime.clock import Clock
from schemas.errors import SchemaRegistryUnavailableError
from schemas.topics import REQUESTS, SHADOWS, Topics
from streams.scoring.roles import ROLE_SHADOW
from streams.scoring.scorer import score_records
from streams.scoring.serving import Serving
from streams.scoring.validation import EventTimeBounds

ARM = "backfill"
_UNBOUNDED = EventTimeBounds(past_ms=None, ahead_ms=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """Event times in [since, until), in ms."""

    since: int
    until: int


@dataclass(slots=True)
class Done:
    """What has been made final: requests of the span that were scored, and those that were not, by reason."""

    scored: int = 0
    refused: Counter[str] = field(default_factory=Counter)


class BackfillStep:
    """Scores the requests of a span with one version, at most so many a second."""

    def __init__(
        self,
        serving: Serving,
        span: Span,
        *,
        topics: Topics,
        clock: Clock,
        rows_per_s: float,
        held_back: Callable[[], bool],
        guard: Callable[[str, str], AbstractContextManager[None]] | None = None,
    ) -> None:
        self._serving = serving
        self._span = span
        self._topics = topics
        self._clock = clock
        self._rows_per_s = rows_per_s
        self.held_back = held_back
        self._guard = guard or (lambda _model, _version: nullcontext())
        self._pending = Done()
        self._hold = False
        self._encoded_bytes = 0
        self.done = Done()

    @property
    def prediction_bytes_mean(self) -> float:
        """Mean encoded size of the predictions made so far."""
        return self._encoded_bytes / max(self.done.scored + self._pending.scored, 1)

    def refresh(self) -> None:
        self._hold = self.held_back()

    def topics(self) -> Collection[str]:
        return (self._topics.of(REQUESTS, self._serving.state.model),)

    def ready(self, topic: str) -> bool:
        return not self._hold

    def accepted_loss(self, topic: str, partition: int) -> int | None:
        """What was deleted can't be scored again; going on is all there is."""
        return (1 << 63) - 1

    def take_announcements(self) -> Sequence[OutgoingRecords]:
        return ()

    def process(self, batch: Batch) -> LaneOutput:
        """Score what lies in the span. Raises `RetryLaterError` while a schema can't be asked for."""
        started = time.monotonic()
        outgoing: list[OutgoingRecords] = []
        self._pending = Done()
        tallies: dict[TopicPartitionKey, Tally] = {}
        for columns in batch.columns.values():
            try:
                outgoing += self._scored(self._within(columns))
            except SchemaRegistryUnavailableError as error:
                raise RetryLaterError(f"schemas of {columns.topic} can't be asked for: {error}") from error
            tallies |= tally_rows(columns, ())
        rows = self._pending.scored + self._pending.refused.total()
        time.sleep(max(rows / self._rows_per_s - (time.monotonic() - started), 0.0))
        return LaneOutput(outgoing=outgoing, tallies=tallies)

    def committed(self) -> None:
        self.done.scored += self._pending.scored
        self.done.refused += self._pending.refused
        self._pending = Done()

    def _within(self, columns: RecordColumns) -> RecordColumns:
        """The records whose event time lies in the span; what can't be read has none."""
        requests, _rejections = self._serving.decoder.decode(columns.values)
        inside = (requests.event_times >= self._span.since) & (requests.event_times < self._span.until)
        return columns if inside.all() and len(inside) == len(columns) else columns.take(requests.rows[inside].tolist())

    def _scored(self, columns: RecordColumns) -> list[OutgoingRecords]:
        if not len(columns):
            return []
        found = score_records(
            columns,
            self._serving,
            bounds=_UNBOUNDED,
            now=self._clock.now_ms(),
            guard=self._guard,
            timer=time.perf_counter,
            role=ROLE_SHADOW,
        )
        rows = found.predictions.requests.rows.tolist()
        self._pending.scored += len(rows)
        self._pending.refused.update(rejection.reason.value for rejection in found.rejections)
        if not rows:
            return []
        values = self._serving.encoder.encode(found.predictions)
        self._encoded_bytes += sum(map(len, values))
        topic = self._topics.of(SHADOWS, self._serving.state.model)
        return [OutgoingRecords(topic=topic, keys=[columns.keys[row] for row in rows], values=values)]
