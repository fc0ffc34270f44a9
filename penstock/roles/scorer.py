"""A scorer's process: the scoring lane, with its fleet of loaded versions."""

import threading
from collections.abc import Callable

import numpy as np
import structlog

from penstock import wiring
from penstock.roles.lanes import LanePlan, build_lane, dead_letter_writer
from penstock.roles.scoring_parts import build_guard, build_loader, event_time_bounds, states_of
from registry.errors import ShelfUnavailableError
from runtime.brake import Brake, Readers
from runtime.clock import SystemClock
from runtime.follower import Follower
from runtime.group_lag import GroupLag
from runtime.groups import outcomes_group, scorer_group, sink_group
from runtime.kafka import cluster_id, ensure_topics, is_embedded
from runtime.metrics import Meters
from runtime.process import Body
from runtime.settings import Settings
from runtime.watchdog import Watchdog
from schemas.errors import SchemaRegistryUnavailableError
from schemas.topics import DEPLOYMENTS, PREDICTIONS
from streams.scoring.fleet import Fleet
from streams.scoring.profiler import Profiler
from streams.scoring.roles import ROLE_LIVE
from streams.scoring.signals import SignalWriter
from streams.scoring.step import ScoringStep
from streams.scoring.strikes import Strikes

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
        strikes = Strikes(settings.run_dir / "strikes")
        follower = Follower(settings.kafka, topics.of(DEPLOYMENTS))
        fleet = Fleet(
            known=states_of(follower.catch_up(CATCH_UP_S), codec),
            news=lambda: states_of(follower.news(), codec),
            loader=build_loader(settings, wiring.shelf(settings), strikes),
            signals=signals,
            meters=meters,
            retry_on=(SchemaRegistryUnavailableError, ShelfUnavailableError),
        )
        step = ScoringStep(
            fleet=fleet,
            topics=topics,
            clock=clock,
            dead_letters=dead_letter_writer(
                settings, service, topics=topics, codec=codec, clock=clock, cluster_id=cluster
            ),
            bounds=event_time_bounds(settings),
            guard=build_guard(settings, watchdog, strikes, lambda model, _version: fleet.states[model].generation),
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
