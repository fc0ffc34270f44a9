"""The rollout controller's process: one lane with a fixed transactional id."""

import threading
from collections.abc import Callable

from penstock import wiring
from penstock.roles.lanes import LanePlan, build_lane
from registry.bundles import bundle_fault
from registry.errors import ShelfUnavailableError, VersionNotFoundError
from runtime.batch import RetryLaterError
from runtime.clock import SystemClock
from runtime.dead_letters import DeadLetterWriter
from runtime.errors import AccessDeniedError
from runtime.follower import read_to_end
from runtime.groups import controller_group
from runtime.kafka import cluster_id, ensure_topics
from runtime.metrics import Meters
from runtime.process import Body
from runtime.settings import Settings
from runtime.watchdog import Watchdog
from schemas.events import DeploymentState, JournalEntry
from schemas.topics import DEPLOYMENTS, JOURNAL
from streams.rollout.decisions import VersionFacts
from streams.rollout.step import ControllerState, ControllerStep, restored_state
from streams.scoring.signals import SignalWriter

RESTORE_S = 45.0


def build_body(settings: Settings, slot: int, meters: Meters) -> Body:
    def run(stop: threading.Event, ready: Callable[[], None]) -> None:
        ensure_topics(settings.kafka, settings.topics)
        watchdog = Watchdog(memory_bytes_max=settings.scoring.memory_bytes_max)
        watchdog.start()
        clock, topics, codec = SystemClock(), wiring.topics(settings), wiring.codec(settings)
        cluster = cluster_id(settings.kafka)
        signals = SignalWriter(topics=topics, codec=codec, clock=clock, cluster_id=cluster)
        step = ControllerStep(
            topics=topics,
            codec=codec,
            clock=clock,
            facts=version_facts(settings),
            restore=lambda: _restore(settings),
            ensure_topics=lambda model: _ensure(settings, model),
            dead_letters=DeadLetterWriter(
                service=f"controller-{slot}",
                cluster_id=cluster,
                topics=topics,
                codec=codec,
                clock=clock,
                value_bytes_max=settings.scoring.dead_letter_bytes_max,
            ),
        )
        plan = LanePlan(
            name="controller",
            group=controller_group(settings.topics.prefix),
            slot=slot,
            meters=meters,
            step=step,
            cluster_id=cluster,
            model_of=None,
            loss_signal=signals.records_lost,
        )
        lane = build_lane(settings, plan, topics=topics, codec=codec, clock=clock, watchdog=watchdog)
        lane.run(stop, ready=ready)

    return run


def version_facts(settings: Settings) -> Callable[[str, str], VersionFacts]:
    """What the shelf says of a version now: its state, and whether its bundle is what was registered."""
    catalogue = wiring.catalogue(settings)
    bundles = settings.registry_dir / "bundles"

    def facts(model: str, version: str) -> VersionFacts:
        try:
            record = catalogue.record(model, version)
            fault = bundle_fault(bundles, record.bundle, bytes_max=settings.registry.bundle_bytes_max)
        except VersionNotFoundError:
            return VersionFacts(state=None)
        except ShelfUnavailableError as error:
            raise RetryLaterError(str(error)) from error
        return VersionFacts(
            state=record.state,
            failure=record.failure or fault,
            bundle=record.bundle,
            request_schema_id=record.request_schema_id,
            prediction_schema_id=record.prediction_schema_id,
        )

    return facts


def _restore(settings: Settings) -> ControllerState:
    topics, codec = wiring.topics(settings), wiring.codec(settings)
    deployments = read_to_end(settings.kafka, topics.of(DEPLOYMENTS), deadline_s=RESTORE_S)
    journal = read_to_end(settings.kafka, topics.of(JOURNAL), deadline_s=RESTORE_S)
    return restored_state(
        [codec.decode(DeploymentState, message.value()) for message in deployments if message.value() is not None],
        [codec.decode(JournalEntry, message.value()) for message in journal],
    )


def _ensure(settings: Settings, model: str) -> None:
    try:
        ensure_topics(settings.kafka, settings.topics, [model])
    except AccessDeniedError as error:
        # The command waits for whoever may create the topics.
        raise RetryLaterError(str(error)) from error
