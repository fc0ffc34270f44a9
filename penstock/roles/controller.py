"""The rollout controller's process: one lane with a fixed transactional id."""

import threading
from collections.abc import Callable

from penstock import wiring
from penstock.roles.lanes import LanePlan, build_lane, dead_letter_writer
from penstock.roles.shelf_desk import approval_recorder, shelf_news, statement_facts, told_events, version_facts
from runtime.batch import RetryLaterError
from runtime.clock import SystemClock
from runtime.errors import AccessDeniedError
from runtime.follower import read_to_end
from runtime.groups import controller_group
from runtime.kafka import cluster_id, ensure_topics
from runtime.metrics import Meters
from runtime.process import Body
from runtime.settings import ActingSettings, RolloutSettings, Settings
from runtime.watchdog import Watchdog
from schemas.events import DeploymentState, GuardrailLimit, JournalEntry, RolloutRules
from schemas.topics import DEPLOYMENTS, JOURNAL
from streams.rollout.acting_rules import ActingRules, KindRules
from streams.rollout.memory import ControllerState, made_whole, restored_state
from streams.rollout.plan import Defaults
from streams.rollout.step import ControllerStep, Surroundings
from streams.rollout.windows import ReadingRules
from streams.scoring.signals import SignalWriter

RESTORE_S = 45.0


def build_body(settings: Settings, slot: int, meters: Meters) -> Body:
    def run(stop: threading.Event, ready: Callable[[], None]) -> None:
        ensure_topics(settings.kafka, settings.topics)
        watchdog = Watchdog(memory_bytes_max=settings.scoring.memory_bytes_max)
        watchdog.start()
        clock, topics, codec = SystemClock(), wiring.topics(settings), wiring.codec(settings)
        cluster = cluster_id(settings.kafka)
        service = f"controller-{slot}"
        signals = SignalWriter(topics=topics, codec=codec, clock=clock, cluster_id=cluster, service=service)
        step = ControllerStep(
            topics=topics,
            codec=codec,
            clock=clock,
            surroundings=Surroundings(
                facts=version_facts(settings),
                statements=statement_facts(settings),
                record_approval=approval_recorder(settings),
                news=shelf_news(settings, deadline_s=RESTORE_S),
                restore=lambda: _restore(settings),
                ensure_topics=lambda model: _ensure(settings, model),
            ),
            defaults=rollout_defaults(settings.rollout),
            acting_rules=acting_rules(settings.acting),
            reading_rules=ReadingRules(
                rows_min=settings.rollout.guardrail_rows_min,
                every_ms=_ms(settings.rollout.guardrail_every_s),
            ),
            meters=meters,
            dead_letters=dead_letter_writer(
                settings, service, topics=topics, codec=codec, clock=clock, cluster_id=cluster
            ),
        )
        plan = LanePlan(
            name="controller",
            group=controller_group(settings.topics.prefix),
            # One controller decides, whatever slots others were given: the newest fences those before it.
            slot=0,
            meters=meters,
            step=step,
            keeper=step,
            cluster_id=cluster,
            model_of=None,
            loss_signal=signals.records_lost,
        )
        lane = build_lane(settings, plan, topics=topics, codec=codec, clock=clock, watchdog=watchdog)
        lane.run(stop, ready=ready)

    return run


def rollout_defaults(settings: RolloutSettings) -> Defaults:
    """What holds for a rollout whose command says nothing else."""
    limits = {
        "dead_letter_share": settings.dead_letter_share_max,
        "not_finite_share": settings.not_finite_share_max,
        "row_us": settings.row_us_max,
        "score_shift": settings.score_shift_max,
    }
    return Defaults(
        rules=RolloutRules(
            judged_by=settings.judged_by,
            promotion=settings.promotion,
            alpha=settings.alpha,
            margin=settings.margin,
            block_labels_min=settings.block_labels_min,
            labels_max=settings.labels_max,
            coverage_min=settings.coverage_min,
            deadline_ms=_ms(settings.step_deadline_s),
            cool_down_ms=_ms(settings.cool_down_s),
            readings=settings.guardrail_readings,
            breaches_min=settings.guardrail_breaches,
            limits=tuple(GuardrailLimit(guardrail=name, limit=limit) for name, limit in limits.items()),
        ),
        step_duration_ms=_ms(settings.step_duration_s),
        step_labels_min=settings.step_labels_min,
        warm_up_ms=_ms(settings.warm_up_s),
    )


def acting_rules(settings: ActingSettings) -> ActingRules:
    """What holds where automation acts on signals."""
    return ActingRules(
        retrain=KindRules(
            mode=settings.retrain,
            cool_down_ms=_ms(settings.retrain_cool_down_s),
            per_day_max=settings.retrains_per_day_max,
        ),
        rollback=KindRules(
            mode=settings.rollback,
            cool_down_ms=_ms(settings.rollback_cool_down_s),
            per_day_max=settings.rollbacks_per_day_max,
        ),
        record_labels_min=settings.record_labels_min,
        tally_labels_min=settings.tally_labels,
        retrain_on=settings.retrain_on,
    )


def _restore(settings: Settings) -> ControllerState:
    topics, codec = wiring.topics(settings), wiring.codec(settings)
    deployments = read_to_end(settings.kafka, topics.of(DEPLOYMENTS), deadline_s=RESTORE_S)
    entries = [
        codec.decode(JournalEntry, message.value())
        for message in read_to_end(settings.kafka, topics.of(JOURNAL), deadline_s=RESTORE_S)
    ]
    state = restored_state(
        [codec.decode(DeploymentState, message.value()) for message in deployments if message.value() is not None],
        entries,
    )
    if settings.guarantee == "exactly_once":
        return state
    return made_whole(state, entries, told_events(settings, RESTORE_S))


def _ms(seconds: float) -> int:
    return round(seconds * 1_000)


def _ensure(settings: Settings, model: str) -> None:
    try:
        ensure_topics(settings.kafka, settings.topics, [model])
    except AccessDeniedError as error:
        # The command waits for whoever may create the topics.
        raise RetryLaterError(str(error)) from error
