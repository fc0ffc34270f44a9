"""An outcome process: the lane that joins labels to predictions, with the state of its partitions."""

import gc
import shutil
import threading
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path

import structlog

from penstock import wiring
from penstock.roles.lanes import LanePlan, build_lane, dead_letter_writer
from registry.bundles import read_manifest
from registry.catalogue import VersionState
from registry.errors import BundleRefusedError
from registry.manifest import Manifest
from runtime.batch import KafkaMessage
from runtime.brake import Brake, Readers
from runtime.clock import Clock, SystemClock
from runtime.follower import Follower, read_to_end
from runtime.group_lag import GroupLag
from runtime.groups import outcomes_group, sink_group
from runtime.kafka import EMBEDDED_PARTITIONS, cluster_id, describe_topic, ensure_topics, is_embedded
from runtime.metrics import Meters
from runtime.process import Body
from runtime.range_reader import RangeReader
from runtime.settings import OutcomeSettings, Settings
from runtime.watchdog import Watchdog
from schemas.codec import EventCodec
from schemas.errors import EventDecodeError
from schemas.events import Cohort, DeploymentState, Performance
from schemas.signature import Task
from schemas.topics import COHORTS, DEPLOYMENTS, OUTCOMES, PERFORMANCE, Topics
from streams.outcomes.errors import RetentionTooShortError
from streams.outcomes.inputs import Inputs
from streams.outcomes.judging import VersionTraits
from streams.outcomes.model_join import LabelBounds, ModelJoin
from streams.outcomes.partition_state import INPUTS, StatePlan
from streams.outcomes.partitions import Partitions, Place
from streams.outcomes.rocks_disk import RocksDisk, block_cache
from streams.outcomes.step import OutcomeStep
from streams.outcomes.versions import Versions
from streams.outcomes.windows import WindowPlan
from streams.scoring.signals import SignalWriter

LANE = "outcomes"
CATCH_UP_S = 45.0
BUCKETS = 64
OUTCOME_BYTES = 600.0
# Some hundred thousand requests are in memory at once and none of them is part of a cycle: looking through them
# after every 700 new ones took a quarter of the lane's time.
COLLECT_EVERY_OBJECTS = 200_000

_log = structlog.get_logger("penstock.outcomes")


def build_body(settings: Settings, slot: int, meters: Meters) -> Body:
    def run(stop: threading.Event, ready: Callable[[], None]) -> None:
        gc.set_threshold(COLLECT_EVERY_OBJECTS)
        ensure_topics(settings.kafka, settings.topics)
        watchdog = Watchdog(memory_bytes_max=settings.scoring.memory_bytes_max)
        watchdog.start()
        clock, topics, codec = SystemClock(), wiring.topics(settings), wiring.codec(settings)
        cluster = cluster_id(settings.kafka)
        follower = Follower(settings.kafka, topics.of(DEPLOYMENTS))
        known = list(_states(follower.catch_up(CATCH_UP_S), codec))
        retention = Retention(settings, Inputs(topics))
        for model in sorted({state.model for state in known}):
            retention.check(model)
        partitions = _partitions(settings, slot, topics=topics, clock=clock, cluster=cluster)
        step = OutcomeStep(
            deployments=_first_then(known, lambda: _states(follower.news(), codec)),
            admits=retention.admits,
            build_join=_joins(settings, topics=topics, codec=codec, clock=clock),
            partitions=partitions,
            topics=topics,
            codec=codec,
            clock=clock,
            dead_letters=dead_letter_writer(
                settings, f"outcomes-{slot}", topics=topics, codec=codec, clock=clock, cluster_id=cluster
            ),
            meters=meters,
        )
        if is_embedded(settings.kafka):
            step.held_back = _brake(settings, step, topics).held
        service = f"outcomes-{slot}"
        signals = SignalWriter(topics=topics, codec=codec, clock=clock, cluster_id=cluster, service=service)
        plan = LanePlan(
            name=LANE,
            group=outcomes_group(settings.topics.prefix),
            slot=slot,
            meters=meters,
            step=step,
            cluster_id=cluster,
            model_of=step.model_of,
            loss_signal=signals.records_lost,
            keeper=partitions,
            batch_records_max=settings.outcomes.batch_records_max,
        )
        _log.info("joining", guarantee=settings.guarantee, horizon_s=settings.outcomes.horizon_s)
        build_lane(settings, plan, topics=topics, codec=codec, clock=clock, watchdog=watchdog).run(stop, ready=ready)
        partitions.close()

    return run


class Retention:
    """Whether a model's topics keep records for as long as the join may need them."""

    def __init__(self, settings: Settings, inputs: Inputs) -> None:
        self._settings = settings
        self._inputs = inputs

    def check(self, model: str) -> None:
        """Raises `RetentionTooShortError`."""
        horizon_s = self._settings.outcomes.horizon_s
        for kind in INPUTS:
            topic = self._inputs.topic(model, kind)
            kept_ms = int(describe_topic(self._settings.kafka, topic).get("retention.ms", "-1"))
            if 0 <= kept_ms < horizon_s * 1_000:
                raise RetentionTooShortError(topic, retention_ms=kept_ms, horizon_s=horizon_s)

    def admits(self, model: str) -> bool:
        """The same as an answer, for a model that came while others are joined."""
        try:
            self.check(model)
        except RetentionTooShortError as error:
            _log.error("model is not joined", model=model, why=str(error))
            return False
        return True


def _partitions(settings: Settings, slot: int, *, topics: Topics, clock: Clock, cluster: str) -> Partitions:
    folder = settings.state_dir / f"outcomes-{slot}"
    _forget_other_clusters(folder, cluster)
    outcomes = settings.outcomes
    cache = block_cache(outcomes.memory_bytes // 2)
    return Partitions(
        inputs=Inputs(topics),
        plan=_plan(outcomes, settings.topics.partitions),
        open_disk=lambda model, partition: RocksDisk(folder / cluster / model / str(partition), cache=cache),
        read_again=lambda ranges: RangeReader(settings.kafka, ranges),
        closed_until=lambda model, partition: _closed_until(settings, model, partition),
        told=lambda places: _told(settings, places),
        clock=clock,
    )


def _plan(outcomes: OutcomeSettings, partitions: int) -> StatePlan:
    horizon_ms = int(outcomes.horizon_s * 1_000)
    return StatePlan(
        horizon_ms=horizon_ms,
        bucket_ms=max(horizon_ms // BUCKETS, 1),
        stretch_ms=max(int(outcomes.stretch_s * 1_000), 1),
        lateness_ms=int(outcomes.lateness_s * 1_000),
        idle_ms=int(outcomes.idle_s * 1_000),
        maturity_least_ms=int(outcomes.maturity_min_s * 1_000),
        maturity_most_ms=int(outcomes.maturity_max_s * 1_000),
        losses_max=outcomes.losses_max,
        front_bytes=outcomes.memory_bytes // 2 // partitions,
        windows=WindowPlan(
            window_ms=max(int(outcomes.window_s * 1_000), 1),
            tell_every_ms=int(outcomes.tell_every_s * 1_000),
            confidence_least=outcomes.confidence_min,
        ),
    )


def _forget_other_clusters(folder: Path, cluster: str) -> None:
    """State of another cluster is of no use, since its offsets mean nothing here: the embedded broker's last life."""
    for other in folder.iterdir() if folder.is_dir() else ():
        if other.name != cluster:
            shutil.rmtree(other, ignore_errors=True)


def _closed_until(settings: Settings, model: str, partition: int) -> int | None:
    """The end of the last cohort of a partition, from the topic of cohorts."""
    codec, topic = wiring.codec(settings), wiring.topics(settings).of(COHORTS)
    closed = None
    for message in read_to_end(settings.kafka, topic, deadline_s=CATCH_UP_S):
        cohort = codec.decode(Cohort, message.value())
        part = cohort.cohort_id.rsplit(":", 1)[1].partition(".")[0]
        if cohort.model == model and part == str(partition):
            closed = cohort.end if closed is None else max(closed, cohort.end)
    return closed


def _told(settings: Settings, places: Collection[Place]) -> dict[Place, list[Performance]]:
    """The newest that was told of each window of these partitions, from the topic of performance."""
    codec, topic = wiring.codec(settings), wiring.topics(settings).of(PERFORMANCE)
    newest: dict[str, Performance] = {}
    for message in read_to_end(settings.kafka, topic, deadline_s=CATCH_UP_S):
        part_id = (message.key() or b"").decode()
        model, number = part_id.partition(":")[0], part_id.rpartition(":")[2]
        if (model, int(number)) in places:
            part = codec.decode(Performance, message.value())
            newest[part_id] = max(newest.get(part_id, part), part, key=lambda each: each.revision)
    told: dict[Place, list[Performance]] = {place: [] for place in places}
    for part in newest.values():
        told[part.model, part.partition].append(part)
    return told


def _joins(settings: Settings, *, topics: Topics, codec: EventCodec, clock: Clock) -> Callable[[str], ModelJoin]:
    schemas = wiring.schema_registry(settings)
    versions = Versions(version_traits(settings), now_ms=clock.now_ms)
    ahead_s = settings.scoring.event_time_ahead_max_s
    bounds = LabelBounds(
        partitions=EMBEDDED_PARTITIONS if is_embedded(settings.kafka) else settings.topics.partitions,
        value_bytes_max=settings.scoring.value_bytes_max,
        ahead_ms=None if ahead_s is None else int(ahead_s * 1_000),
    )
    return lambda model: ModelJoin(model, topics=topics, schemas=schemas, codec=codec, versions=versions, bounds=bounds)


def version_traits(settings: Settings) -> Callable[[str], Mapping[str, VersionTraits]]:
    """What the shelf says of a model's versions, in the order they were added. `ShelfUnavailableError` passes."""
    bundles = settings.registry_dir / "bundles"
    known: dict[tuple[str, str], VersionTraits] = {}

    def read(model: str) -> dict[str, VersionTraits]:
        traits = {}
        for record in wiring.catalogue(settings).records(model):
            place = (model, record.bundle)
            if record.state is VersionState.REJECTED:
                continue
            try:
                known[place] = known.get(place) or _traits(read_manifest(bundles, record.bundle))
            except BundleRefusedError as error:
                _log.warning("version can't be read", model=model, version=record.version, why=str(error))
                continue
            traits[record.version] = known[place]
        return traits

    return read


def _traits(manifest: Manifest) -> VersionTraits:
    task = manifest.signature.task
    return VersionTraits(
        task=task,
        classes=manifest.signature.classes,
        loss_scale=manifest.profile.error_scale if task is Task.REGRESSION else None,
    )


def _brake(settings: Settings, step: OutcomeStep, topics: Topics) -> Brake:
    readers = Readers(
        lag=GroupLag(settings.kafka, sink_group(settings.topics.prefix)),
        topics=lambda: topics.of_models(OUTCOMES, step.models),
        record_bytes=lambda: OUTCOME_BYTES,
    )
    return Brake([readers], lag_bytes_max=settings.embedded.lag_bytes_max)


def _first_then(
    known: list[DeploymentState], news: Callable[[], Iterator[DeploymentState]]
) -> Callable[[], Iterator[DeploymentState]]:
    """What is known on the first call, then what is new."""

    def states() -> Iterator[DeploymentState]:
        while known:
            yield known.pop(0)
        yield from news()

    return states


def _states(messages: Iterator[KafkaMessage], codec: EventCodec) -> Iterator[DeploymentState]:
    for message in messages:
        try:
            yield codec.decode(DeploymentState, message.value())
        except EventDecodeError as error:
            _log.error("deployment not readable", offset=message.offset(), detail=str(error))
