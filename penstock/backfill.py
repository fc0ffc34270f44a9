"""Scores stored requests again with another version, in a lane and a consumer group of its own.

The lane runs beside the caller's thread until the group has read what was there when it began.
What it has done is committed batch by batch, so that the same backfill goes on where it stopped.
"""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from penstock import wiring
from penstock.errors import BackfillStuckError
from penstock.roles.lanes import LanePlan, build_lane
from registry.catalogue import VersionRecord
from registry.loaded import LoadedVersion
from runtime.brake import Brake, Readers
from runtime.clock import SystemClock
from runtime.group_lag import GroupLag, PartitionLag
from runtime.groups import group_of, outcomes_group, sink_group
from runtime.kafka import cluster_id, ensure_topics, is_embedded, partition_counts
from runtime.lane import Lane
from runtime.metrics import Meters
from runtime.settings import Settings
from runtime.watchdog import Watchdog
from schemas.events import BucketRange, DeploymentState, ServedVersion
from schemas.topics import REQUESTS, SHADOWS
from streams.scoring.backfill_step import ARM, BackfillStep, Done, Span
from streams.scoring.loading import Loader
from streams.scoring.routing import BUCKETS
from streams.scoring.serving import Serving
from streams.scoring.signals import SignalWriter
from streams.scoring.strikes import Strikes

LANE = "backfill"
LOOK_S = 0.3
QUIET_S = 10.0
"""Offsets may end in marks that are no records: a group that reads nothing for so long near the end has read all."""
MARKS_MAX = 10
STUCK_S = 120.0
STOP_S = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """Offsets of the requests topic that were there when it began, those read of them, and what became of records."""

    offsets: int
    read: int
    done: Done


class Backfill:
    """One version over one span of event time. `settings` name brokers that exist."""

    def __init__(self, settings: Settings, record: VersionRecord, span: Span, *, rows_per_s: float) -> None:
        self._settings = settings
        self._record = record
        self._span = span
        self._rows_per_s = rows_per_s
        name = f"{record.name}.{record.version}.{span.since}-{span.until}"
        self._group = group_of(f"backfill.{name}", settings.topics.prefix)
        self._topic = wiring.topics(settings).of(REQUESTS, record.name)
        self._lag = GroupLag(settings.kafka, self._group)
        self._failure: Exception | None = None

    def run(self, shown: Callable[[Progress], None]) -> Done:
        """Read to the end as it is now; `shown` is told of the progress.

        Raises what ended the lane, or `BackfillStuckError`.
        """
        ensure_topics(self._settings.kafka, self._settings.topics, [self._record.name])
        step, before = self._step(), self._positions()
        lane, stop = self._lane(step), threading.Event()
        thread = threading.Thread(target=self._run_lane, args=(lane, stop), name="backfill", daemon=True)
        thread.start()
        try:
            self._watch(step, before, thread, shown)
        finally:
            stop.set()
            thread.join(STOP_S)
            self._lag.close()
        if self._failure is not None:
            raise self._failure
        return step.done

    def _run_lane(self, lane: Lane, stop: threading.Event) -> None:
        try:
            lane.run(stop, ready=lambda: None)
        except Exception as error:  # noqa: BLE001  handed to the caller's thread
            self._failure = error

    def _watch(
        self,
        step: BackfillStep,
        before: Sequence[PartitionLag],
        thread: threading.Thread,
        shown: Callable[[Progress], None],
    ) -> None:
        ends = {lag.partition: lag.log_end for lag in before}
        total = sum(lag.records for lag in before)
        moved_at, left = time.monotonic(), total
        while thread.is_alive():
            now_left = sum(max(ends[lag.partition] - _next(lag), 0) for lag in self._positions())
            if now_left < left:
                moved_at, left = time.monotonic(), now_left
            shown(Progress(offsets=total, read=total - left, done=step.done))
            quiet_s = time.monotonic() - moved_at
            if left == 0 or (left <= MARKS_MAX * len(ends) and quiet_s > QUIET_S):
                return
            if quiet_s > STUCK_S:
                raise BackfillStuckError(self._record.name, left=left, waited_s=STUCK_S)
            time.sleep(LOOK_S)

    def _positions(self) -> list[PartitionLag]:
        return self._lag.of_topic(self._topic, partition_counts(self._settings.kafka)[self._topic])

    def _step(self) -> BackfillStep:
        settings = self._settings
        topics = wiring.topics(settings)
        step = BackfillStep(
            self._serving(),
            self._span,
            topics=topics,
            clock=SystemClock(),
            rows_per_s=self._rows_per_s,
            held_back=lambda: False,
        )
        if is_embedded(settings.kafka):
            readers = [
                Readers(
                    lag=GroupLag(settings.kafka, group),
                    topics=lambda: (topics.of(SHADOWS, self._record.name),),
                    record_bytes=lambda: step.prediction_bytes_mean,
                )
                for group in (sink_group(settings.topics.prefix), outcomes_group(settings.topics.prefix))
            ]
            step.held_back = Brake(readers, lag_bytes_max=settings.embedded.lag_bytes_max).held
        return step

    def _serving(self) -> Serving:
        """The version as if it served all, opened to be tried: it need not be approved."""
        record, settings = self._record, self._settings
        loader = Loader(
            versions=_ToTry(settings),
            schemas=wiring.schema_registry(settings),
            strikes=Strikes(settings.run_dir / "strikes-backfill"),
            decoder=settings.scoring.decoder,
            value_bytes_max=settings.scoring.value_bytes_max,
            quarantine="dead_letter",
        )
        everyone = (BucketRange(start=0, end=BUCKETS),)
        return loader.load(
            DeploymentState(
                model=record.name,
                generation=0,
                salt=0,
                versions=(ServedVersion(version=record.version, bundle=record.bundle, arm=ARM, buckets=everyone),),
                previous_version=None,
                request_schema_id=record.request_schema_id,
                prediction_schema_id=record.prediction_schema_id,
                accepted_losses=(),
                command_id="",
                decided_at=0,
            )
        )

    def _lane(self, step: BackfillStep) -> Lane:
        settings = self._settings
        clock, topics, codec = SystemClock(), wiring.topics(settings), wiring.codec(settings)
        watchdog = Watchdog(memory_bytes_max=settings.scoring.memory_bytes_max)
        watchdog.start()
        cluster = cluster_id(settings.kafka)
        signals = SignalWriter(topics=topics, codec=codec, clock=clock, cluster_id=cluster, service=LANE)
        plan = LanePlan(
            name=self._group,
            group=self._group,
            slot=0,
            meters=Meters(),
            step=step,
            cluster_id=cluster,
            model_of=None,
            loss_signal=signals.records_lost,
            batch_records_max=max(1, min(settings.scoring.batch_records_max, round(self._rows_per_s))),
        )
        return build_lane(settings, plan, topics=topics, codec=codec, clock=clock, watchdog=watchdog)


class _ToTry:
    """The shelf's versions to look at what they would answer."""

    def __init__(self, settings: Settings) -> None:
        self._shelf = wiring.shelf(settings)

    def open(self, name: str, version: str, *, bundle: str | None) -> LoadedVersion:
        return self._shelf.open_to_try(name, version, bundle=bundle)


def _next(lag: PartitionLag) -> int:
    return max(lag.committed, lag.log_start)
