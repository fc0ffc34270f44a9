"""A shadow's process: versions that score without serving, in a group of their own, behind every other process."""

import os
import threading
from collections.abc import Callable

import numpy as np
import structlog

from penstock import wiring
from penstock.roles.lanes import LanePlan, build_lane
from penstock.roles.scoring_parts import build_guard, build_loader, event_time_bounds, states_of
from registry.errors import ShelfUnavailableError
from registry.loaded import LoadedVersion
from runtime.brake import Brake, Readers
from runtime.clock import SystemClock
from runtime.follower import Follower
from runtime.group_lag import GroupLag
from runtime.groups import outcomes_group, shadow_group, sink_group
from runtime.kafka import cluster_id, ensure_topics, is_embedded
from runtime.metrics import Meters
from runtime.process import Body
from runtime.settings import Settings
from runtime.watchdog import Watchdog
from schemas.errors import SchemaRegistryUnavailableError
from schemas.topics import DEPLOYMENTS, SHADOWS, Topics
from streams.scoring.fleet import Fleet
from streams.scoring.profiler import Profiler
from streams.scoring.roles import ROLE_SHADOW
from streams.scoring.shadow_step import ShadowStep
from streams.scoring.shadows import Shadows, name_of, shadow_name
from streams.scoring.signals import SignalWriter
from streams.scoring.strikes import Strikes

LANE = "shadow"
CATCH_UP_S = 45.0

_log = structlog.get_logger("penstock.shadow")


def build_body(settings: Settings, slot: int, meters: Meters) -> Body:
    def run(stop: threading.Event, ready: Callable[[], None]) -> None:
        os.nice(settings.shadow.nice)
        ensure_topics(settings.kafka, settings.topics)
        watchdog = Watchdog(memory_bytes_max=settings.scoring.memory_bytes_max)
        watchdog.start()
        clock, topics, codec = SystemClock(), wiring.topics(settings), wiring.codec(settings)
        cluster, service = cluster_id(settings.kafka), f"shadow-{slot}"
        signals = SignalWriter(
            topics=topics, codec=codec, clock=clock, cluster_id=cluster, service=service, role=ROLE_SHADOW
        )
        follower = Follower(settings.kafka, topics.of(DEPLOYMENTS))
        shadows = Shadows()
        # Beside the strikes of scorers: what hangs here may serve there all the same, until it hangs there too.
        strikes = Strikes(settings.run_dir / "strikes-shadow")
        fleet = Fleet(
            known=shadows.take(states_of(follower.catch_up(CATCH_UP_S), codec)),
            news=lambda: shadows.take(states_of(follower.news(), codec)),
            loader=build_loader(settings, _ShelfOnDemand(settings), strikes),
            signals=signals,
            meters=meters,
            retry_on=(SchemaRegistryUnavailableError, ShelfUnavailableError),
            name_of=name_of,
        )

        def generation_of(model: str, version: str) -> int:
            return fleet.states[shadow_name(model, version)].generation

        step = ShadowStep(
            shadows=shadows,
            fleet=fleet,
            topics=topics,
            clock=clock,
            bounds=event_time_bounds(settings),
            guard=build_guard(settings, watchdog, strikes, generation_of),
            profiler=Profiler(
                settings.drift,
                role=ROLE_SHADOW,
                topics=topics,
                codec=codec,
                clock=clock,
                cluster_id=cluster,
                random=np.random.default_rng(),
            ),
            meters=meters,
        )
        if is_embedded(settings.kafka):
            step.held_back = _brake(settings, step, shadows, topics).held
        plan = LanePlan(
            name=LANE,
            group=shadow_group(settings.topics.prefix),
            slot=slot,
            meters=meters,
            step=step,
            cluster_id=cluster,
            model_of=None,
            loss_signal=signals.records_lost,
            batch_records_max=settings.shadow.batch_records_max,
            floors=lambda: shadows.floors(topics),
        )
        _log.info("shadows score", shadows=sorted(shadows.names), guarantee=settings.guarantee)
        build_lane(settings, plan, topics=topics, codec=codec, clock=clock, watchdog=watchdog).run(stop, ready=ready)
        fleet.close()

    return run


class _ShelfOnDemand:
    """The shelf once a shadow is to be loaded: most of the time there is none, and scikit-learn takes memory."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def open(self, name: str, version: str, *, bundle: str | None) -> LoadedVersion:
        return wiring.shelf(self._settings).open(name, version, bundle=bundle)


def _brake(settings: Settings, step: ShadowStep, shadows: Shadows, topics: Topics) -> Brake:
    """Holds the lane back on the embedded broker while who reads its predictions is far behind."""
    groups = (sink_group(settings.topics.prefix), outcomes_group(settings.topics.prefix))
    readers = [
        Readers(
            lag=GroupLag(settings.kafka, group),
            topics=lambda: topics.of_models(SHADOWS, shadows.active),
            record_bytes=lambda: step.prediction_bytes_mean,
        )
        for group in groups
    ]
    return Brake(readers, lag_bytes_max=settings.embedded.lag_bytes_max)
