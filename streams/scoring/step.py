"""The scoring lane's step: deployments followed, batches scored, swaps between batches only."""

import time
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
from runtime.dead_letters import DeadLetterWriter
from runtime.stopwatch import Stopwatch
from schemas.columns import PredictionColumns
from schemas.errors import SchemaRegistryUnavailableError
from schemas.topics import PREDICTIONS, REQUESTS, Topics
from streams.scoring.fleet import Fleet
from streams.scoring.profiler import Profiler
from streams.scoring.scorer import Guard, score_records
from streams.scoring.serving import Serving
from streams.scoring.validation import EventTimeBounds


class ScoringStep:
    """Scores each model's records with what serves it at the start of the batch."""

    def __init__(
        self,
        *,
        fleet: Fleet,
        topics: Topics,
        clock: Clock,
        dead_letters: DeadLetterWriter,
        bounds: EventTimeBounds,
        guard: Guard,
        profiler: Profiler,
    ) -> None:
        self._fleet = fleet
        self._topics = topics
        self._clock = clock
        self._dead_letters = dead_letters
        self._bounds = bounds
        self._guard = guard
        self._profiler = profiler
        self._stages = Stopwatch()
        self.held_back: Callable[[], bool] = _never
        self._hold = False
        self._encoded_bytes = 0
        self._encoded_records = 0

    @property
    def prediction_bytes_mean(self) -> float:
        """Mean encoded size of the predictions made so far."""
        return self._encoded_bytes / max(self._encoded_records, 1)

    def refresh(self) -> None:
        self._fleet.take_changes()
        self._hold = self.held_back()

    def topics(self) -> Collection[str]:
        return self._topics.of_models(REQUESTS, self._fleet.states)

    def ready(self, topic: str) -> bool:
        """A model that no version serves waits, as one whose versions are not loaded yet."""
        serving = self._fleet.serving.get(self.model_of(topic))
        return not self._hold and serving is not None and bool(serving.versions)

    def accepted_loss(self, topic: str, partition: int) -> int | None:
        state = self._fleet.states.get(self.model_of(topic))
        for loss in state.accepted_losses if state else ():
            if (loss.topic, loss.partition) == (topic, partition):
                return loss.offset_next
        return None

    def take_announcements(self) -> Sequence[OutgoingRecords]:
        return [*self._fleet.take_announcements(), *self._profiler.take_due()]

    def process(self, batch: Batch) -> LaneOutput:
        """Score every topic's records. Raises `RetryLaterError` while a schema can't be asked for."""
        outgoing: list[OutgoingRecords] = []
        tallies: dict[TopicPartitionKey, Tally] = {}
        self._profiler.begin()
        self._stages.take()
        for columns in batch.columns.values():
            model = self.model_of(columns.topic)
            serving = self._fleet.serving[model]
            try:
                scored = score_records(
                    columns,
                    serving,
                    bounds=self._bounds,
                    now=self._clock.now_ms(),
                    guard=self._guard,
                    timer=time.perf_counter,
                )
                self._stages.add(scored.stage_seconds)
                with self._stages.stage("profile"):
                    outgoing += self._profiler.observe(columns, serving, scored.versions)
            except SchemaRegistryUnavailableError as error:
                raise RetryLaterError(f"schemas of {columns.topic} can't be asked for: {error}") from error
            with self._stages.stage("encode"):
                outgoing += self._predictions(columns, scored.predictions, serving)
            outgoing += self._dead_letters.records(columns, model, scored.rejections)
            tallies |= tally_rows(columns, scored.rejections)
        return LaneOutput(outgoing=outgoing, tallies=tallies, stage_seconds=self._stages.take())

    def committed(self) -> None:
        """What was profiled is final; nothing else is kept between batches."""
        self._profiler.committed()

    def model_of(self, topic: str) -> str:
        model = self._topics.model_of(topic, REQUESTS)
        assert model is not None, f"{topic} is no requests topic"
        return model

    def _predictions(
        self, columns: RecordColumns, predictions: PredictionColumns, serving: Serving
    ) -> list[OutgoingRecords]:
        rows = predictions.requests.rows.tolist()
        if not rows:
            return []
        values = serving.encoder.encode(predictions)
        self._encoded_records += len(values)
        self._encoded_bytes += sum(map(len, values))
        topic = self._topics.of(PREDICTIONS, serving.state.model)
        return [OutgoingRecords(topic=topic, keys=[columns.keys[row] for row in rows], values=values)]


def _never() -> bool:
    return False
