"""The shadow lane's step: every shadow of a model scores its requests, or a share of them, and serves nobody.

What a shadow can't score is counted and profiled, never dead-lettered: the request was dealt with by
the live lane. What it costs or breaks stays in this process.
"""

import time
from collections import Counter
from collections.abc import Callable, Collection, Sequence

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
from runtime.metrics import SHADOW_FAILURES, Meters
from schemas.errors import SchemaRegistryUnavailableError
from schemas.events import ShadowVersion
from schemas.topics import REQUESTS, SHADOWS, Topics
from streams.scoring.fleet import Fleet
from streams.scoring.profiler import Profiler
from streams.scoring.roles import ROLE_SHADOW
from streams.scoring.scorer import Guard, ScoredRecords, score_records
from streams.scoring.serving import Serving
from streams.scoring.shadows import Shadows, sample_of, shadow_name, since_start
from streams.scoring.validation import EventTimeBounds


class ShadowStep:
    """Scores each model's records with all of its shadows."""

    def __init__(
        self,
        *,
        shadows: Shadows,
        fleet: Fleet,
        topics: Topics,
        clock: Clock,
        bounds: EventTimeBounds,
        guard: Guard,
        profiler: Profiler,
        meters: Meters,
    ) -> None:
        self._shadows = shadows
        self._fleet = fleet
        self._topics = topics
        self._clock = clock
        self._bounds = bounds
        self._guard = guard
        self._profiler = profiler
        self._meters = meters
        self.held_back: Callable[[], bool] = _never
        self._hold = False
        self._failures: Counter[tuple[str, str, str]] = Counter()
        self._encoded_bytes = 0
        self._encoded_records = 0

    @property
    def prediction_bytes_mean(self) -> float:
        """Mean encoded size of the predictions made so far."""
        return self._encoded_bytes / max(self._encoded_records, 1)

    def refresh(self) -> None:
        self._fleet.take_changes()
        self._fleet.keep(self._shadows.names)
        self._hold = self.held_back()

    def topics(self) -> Collection[str]:
        return self._topics.of_models(REQUESTS, self._shadows.active)

    def ready(self, topic: str) -> bool:
        """Requests wait until every shadow of their model is loaded, so that each sees all from its start on."""
        model = self._model_of(topic)
        names = [shadow_name(model, shadow.version) for shadow in self._shadows.active.get(model, ())]
        return not self._hold and bool(names) and all(name in self._fleet.serving for name in names)

    def accepted_loss(self, topic: str, partition: int) -> int | None:
        """What was deleted unread is missing in a comparison, and nobody has to accept that."""
        return (1 << 63) - 1

    def take_announcements(self) -> Sequence[OutgoingRecords]:
        return [*self._fleet.take_announcements(), *self._profiler.take_due()]

    def process(self, batch: Batch) -> LaneOutput:
        """Score every topic's records with each shadow. Raises `RetryLaterError` while a schema can't be asked for."""
        outgoing: list[OutgoingRecords] = []
        tallies: dict[TopicPartitionKey, Tally] = {}
        self._profiler.begin()
        self._failures.clear()
        for columns in batch.columns.values():
            model = self._model_of(columns.topic)
            for shadow in self._shadows.active.get(model, ()):
                serving = self._fleet.serving.get(shadow_name(model, shadow.version))
                if serving is not None:
                    outgoing += self._score(since_start(columns, shadow), shadow, serving)
            tallies |= tally_rows(columns, [])
        return LaneOutput(outgoing=outgoing, tallies=tallies)

    def committed(self) -> None:
        """What was profiled and what failed is final."""
        self._profiler.committed()
        for (model, version, reason), rows in self._failures.items():
            self._meters.add(SHADOW_FAILURES, rows, model=model, version=version, reason=reason)
        self._failures.clear()

    def _score(self, columns: RecordColumns, shadow: ShadowVersion, serving: Serving) -> list[OutgoingRecords]:
        if not len(columns):
            return []
        try:
            scored = score_records(
                columns,
                serving,
                bounds=self._bounds,
                now=self._clock.now_ms(),
                guard=self._guard,
                timer=time.perf_counter,
                role=ROLE_SHADOW,
                routing=sample_of(shadow),
            )
            profiles = self._profiler.observe(columns, serving, scored.versions)
        except SchemaRegistryUnavailableError as error:
            raise RetryLaterError(f"schemas of {columns.topic} can't be asked for: {error}") from error
        self._failures.update(
            (serving.state.model, shadow.version, rejection.reason) for rejection in scored.rejections
        )
        return [*self._predictions(columns, scored, serving), *profiles]

    def _predictions(self, columns: RecordColumns, scored: ScoredRecords, serving: Serving) -> list[OutgoingRecords]:
        rows = scored.predictions.requests.rows.tolist()
        if not rows:
            return []
        values = serving.encoder.encode(scored.predictions)
        self._encoded_records += len(values)
        self._encoded_bytes += sum(map(len, values))
        topic = self._topics.of(SHADOWS, serving.state.model)
        return [OutgoingRecords(topic=topic, keys=[columns.keys[row] for row in rows], values=values)]

    def _model_of(self, topic: str) -> str:
        model = self._topics.model_of(topic, REQUESTS)
        assert model is not None, f"{topic} is no requests topic"
        return model


def _never() -> bool:
    return False
