"""The trainer's process: answers requests to retrain with candidates on the shelf."""

import threading
from collections.abc import Callable

from consumers.trainer.canary_desk import CanaryDesk
from consumers.trainer.event_topic import ModelEventTopic
from consumers.trainer.fit_process import FitProcess
from consumers.trainer.loop import TrainerLoop
from consumers.trainer.stored_outcomes import StoredOutcomes
from consumers.trainer.window import WindowRules
from consumers.trainer.work import Work, WorkLimits
from penstock import wiring
from producers.commands import CommandProducer
from runtime.clock import SystemClock
from runtime.kafka import ensure_topics
from runtime.metrics import Meters
from runtime.process import Body
from runtime.settings import Settings
from schemas.topics import MODEL_EVENTS


def build_body(settings: Settings, slot: int, meters: Meters) -> Body:
    def run(stop: threading.Event, ready: Callable[[], None]) -> None:
        ensure_topics(settings.kafka, settings.topics)
        work = Work(
            shelf=wiring.shelf(settings),
            bundles=settings.registry_dir / "bundles",
            outcomes=StoredOutcomes(wiring.store(settings)),
            fit=FitProcess(timeout_s=settings.trainer.fit_timeout_s),
            folder=settings.data_dir / "trainer" / str(slot),
            limits=work_limits(settings),
            clock=SystemClock(),
        )
        events = ModelEventTopic(settings.kafka, wiring.topics(settings).of(MODEL_EVENTS), wiring.codec(settings))
        loop = TrainerLoop(
            events,
            work,
            promoter=_canary_desk(settings),
            look_every_s=settings.trainer.look_every_s,
            meters=meters,
        )
        try:
            loop.run(stop, ready)
        finally:
            events.close()

    return run


def _canary_desk(settings: Settings) -> CanaryDesk | None:
    if settings.trainer.canary == "off":
        return None
    return CanaryDesk(
        CommandProducer(settings, registry=wiring.schema_registry(settings)),
        steps=settings.trainer.canary_steps,
        cool_down_ms=round(settings.rollout.cool_down_s * 1_000),
        clock=SystemClock(),
    )


def work_limits(settings: Settings) -> WorkLimits:
    """What a retrain may use, by the settings."""
    trainer = settings.trainer
    return WorkLimits(
        rules=WindowRules(
            rows_min=trainer.rows_min,
            rows_max=trainer.rows_max,
            class_rows_min=trainer.class_rows_min,
            judged_share=trainer.judged_share,
        ),
        request_wait_ms=round(trainer.request_wait_s * 1_000),
        memory_bytes_max=trainer.memory_bytes_max,
        trusted_types=settings.registry.trusted_types,
        bundle_bytes_max=settings.registry.bundle_bytes_max,
    )
