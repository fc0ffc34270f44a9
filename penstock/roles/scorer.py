"""A scorer's process: the scoring lane, with its fleet of loaded versions."""

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager

import numpy as np
import structlog

from penstock import wiring
from penstock.roles.lanes import LanePlan, build_lane
from registry.errors import ShelfUnavailableError
from runtime.batch import KafkaMessage
from runtime.brake import Brake, Readers
from runtime.clock import SystemClock
from runtime.dead_letters import DeadLetterWriter
from runtime.follower import Follower
from runtime.group_lag import GroupLag
from runtime.groups import outcomes_group, scorer_group, sink_group
from runtime.kafka import cluster_id, ensure_topics, is_embedded
from runtime.metrics import Meters
from runtime.process import Body
from runtime.settings import Settings
from runtime.watchdog import Watchdog
from schemas.codec import EventCodec
from schemas.errors import EventDecodeError, SchemaRegistryUnavailableError
from schemas.events import DeploymentState
from schemas.topics import DEPLOYMENTS, PREDICTIONS, Topics
from streams.scoring.fleet import Fleet
from streams.scoring.loading import Loader
from streams.scoring.profiler import Profiler
from streams.scoring.scorer import ROLE_LIVE
from streams.scoring.signals import SignalWriter
from streams.scoring.step import ScoringStep
from streams.scoring.strikes import Strikes
from streams.scoring.validation import EventTimeBounds

LANE = "scoring"
CATCH_UP_S = 45.0
LOAD_S = 120.0

_log = structlog.get_logger("penstock.scorer")


def build_body(settings: Settings, slot: int, meters: Meters) -> Body:
    def run(stop: threading.Event, ready: Callable[[], None]) -> None:
        ensure_topics(settings.kafka, settings.topics)
        watchdog = Watchdog(memory_bytes_max=settings.scoring.memory_bytes_max)
        watchdog.start()
        clock, topics, codec = SystemClock(), wiring.topics(settings), wiring.codec(settings)
        cluster = cluster_id(settings.kafka)
        service = f"scorer-{slot}"
        signals = SignalWriter(topics=topics, codec=codec, clock=clock, cluster_id=cluster, service=service)
        fleet = _fleet(settings, topics=topics, codec=codec, signals=signals, meters=meters)
        step = ScoringStep(
            fleet=fleet,
            topics=topics,
            clock=clock,
            dead_letters=DeadLetterWriter(
                service=service,
                cluster_id=cluster,
                topics=topics,
                codec=codec,
                clock=clock,
                value_bytes_max=settings.scoring.dead_letter_bytes_max,
            ),
            bounds=_bounds(settings),
            guard=_guard(settings, watchdog, fleet),
            profiler=Profiler(
                settings.drift,
                role=ROLE_LIVE,
                topics=topics,
                codec=codec,
                clock=clock,
                cluster_id=cluster,
                random=np.random.default_rng(),
            ),
        )
        if is_embedded(settings.kafka):
            groups = (sink_group(settings.topics.prefix), outcomes_group(settings.topics.prefix))
            readers = [
                Readers(
                    lag=GroupLag(settings.kafka, group),
                    topics=lambda: topics.of_models(PREDICTIONS, fleet.serving),
                    record_bytes=lambda: step.prediction_bytes_mean,
                )
                for group in groups
            ]
            step.held_back = Brake(readers, lag_bytes_max=settings.embedded.lag_bytes_max).held
        plan = LanePlan(
            name=LANE,
            group=scorer_group(settings.topics.prefix),
            slot=slot,
            meters=meters,
            step=step,
            cluster_id=cluster,
            model_of=step.model_of,
            loss_signal=signals.records_lost,
        )
        _log.info("scoring", guarantee=settings.guarantee, decoder=settings.scoring.decoder)
        fleet.load_all(LOAD_S)
        build_lane(settings, plan, topics=topics, codec=codec, clock=clock, watchdog=watchdog).run(stop, ready=ready)
        fleet.close()

    return run


def _fleet(settings: Settings, *, topics: Topics, codec: EventCodec, signals: SignalWriter, meters: Meters) -> Fleet:
    loader = Loader(
        versions=wiring.shelf(settings),
        schemas=wiring.schema_registry(settings),
        strikes=Strikes(settings.run_dir / "strikes"),
        decoder=settings.scoring.decoder,
        value_bytes_max=settings.scoring.value_bytes_max,
        quarantine=settings.scoring.quarantine,
    )
    follower = Follower(settings.kafka, topics.of(DEPLOYMENTS))
    return Fleet(
        known=_states(follower.catch_up(CATCH_UP_S), codec),
        news=lambda: _states(follower.news(), codec),
        loader=loader,
        signals=signals,
        meters=meters,
        retry_on=(SchemaRegistryUnavailableError, ShelfUnavailableError),
    )


def _bounds(settings: Settings) -> EventTimeBounds:
    past_s, ahead_s = settings.scoring.event_time_past_max_s, settings.scoring.event_time_ahead_max_s
    return EventTimeBounds(
        past_ms=None if past_s is None else int(past_s * 1_000),
        ahead_ms=None if ahead_s is None else int(ahead_s * 1_000),
    )


def _guard(settings: Settings, watchdog: Watchdog, fleet: Fleet) -> Callable[[str, str], AbstractContextManager[None]]:
    strikes = Strikes(settings.run_dir / "strikes")

    def guard(model: str, version: str) -> AbstractContextManager[None]:
        def strike(why: str) -> None:
            strikes.add(model, version, fleet.states[model].generation, why)

        return watchdog.limit(f"{model} {version} predict", settings.scoring.predict_timeout_s, strike)

    return guard


def _states(messages: Iterator[KafkaMessage], codec: EventCodec) -> Iterator[DeploymentState]:
    for message in messages:
        try:
            yield codec.decode(DeploymentState, message.value())
        except EventDecodeError as error:
            _log.error(
                "deployment not readable",
                topic=message.topic(),
                partition=message.partition(),
                offset=message.offset(),
                detail=str(error),
            )
