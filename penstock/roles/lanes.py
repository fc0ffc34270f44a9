"""What every lane's process builds alike: consumer, commit, assignment, receipts and the lane."""

from collections.abc import Callable
from dataclasses import dataclass

from runtime.assignment import Assignment, LossSignal
from runtime.clock import Clock
from runtime.commit import Commit, PlainCommit, TransactionalCommit
from runtime.dead_letters import DeadLetterWriter
from runtime.kafka import build_group_consumer, build_producer
from runtime.keeper import Keeper
from runtime.lag_watch import LagWatch
from runtime.lane import Lane, LaneStep
from runtime.last_receipts import receipts_reader
from runtime.membership import build_membership
from runtime.metrics import WATCHDOG_CALL_SECONDS, Meters
from runtime.offsets import Floors, no_floors
from runtime.receipts import ReceiptWriter
from runtime.settings import Settings
from runtime.watchdog import Watchdog
from schemas.codec import EventCodec
from schemas.topics import Topics

# Below the hang limit of the watchdog, so that a call which can be repeated is, before the process ends.
CALL_DEADLINE_S = 8.0
ASSIGN_DEADLINE_S = 45.0


@dataclass(frozen=True, slots=True, kw_only=True)
class LanePlan:
    """What one lane is, beside the settings: its name, group, slot and step.

    A lane with a `keeper` reads the same partitions of all its topics, and is told of their ends.
    `batch_records_max`: where it differs from that of scoring. `floors`: offsets before which it does
    not begin.
    """

    name: str
    group: str
    meters: Meters
    slot: int
    step: LaneStep
    cluster_id: str
    model_of: Callable[[str], str] | None
    loss_signal: LossSignal
    keeper: Keeper | None = None
    batch_records_max: int | None = None
    floors: Floors = no_floors

    @property
    def transactional_id(self) -> str:
        return f"{self.group}-{self.slot}"


def dead_letter_writer(
    settings: Settings, service: str, *, topics: Topics, codec: EventCodec, clock: Clock, cluster_id: str
) -> DeadLetterWriter:
    """Dead letters of that process, cut to the length that the settings give."""
    return DeadLetterWriter(
        service=service,
        cluster_id=cluster_id,
        topics=topics,
        codec=codec,
        clock=clock,
        value_bytes_max=settings.scoring.dead_letter_bytes_max,
    )


def build_lane(
    settings: Settings, plan: LanePlan, *, topics: Topics, codec: EventCodec, clock: Clock, watchdog: Watchdog
) -> Lane:
    """The lane of that plan, with receipts where the plan says whose records they are."""
    plan.meters.follow(WATCHDOG_CALL_SECONDS, lambda: watchdog.call_s)
    co_partitioned = plan.keeper is not None
    consumer = build_group_consumer(settings.kafka, group=plan.group, co_partitioned=co_partitioned)
    assignment = Assignment(
        consumer,
        membership=build_membership(settings.kafka, consumer, co_partitioned=co_partitioned),
        last_receipts=receipts_reader(
            settings.kafka, topics=topics, codec=codec, lane=plan.name, cluster_id=plan.cluster_id
        ),
        loss_signal=plan.loss_signal,
        deadline_s=ASSIGN_DEADLINE_S,
        meters=plan.meters,
        keeper=plan.keeper,
        floors=plan.floors,
    )
    commit: Commit
    if settings.guarantee == "exactly_once":
        commit = TransactionalCommit(
            build_producer(settings.kafka, transactional_id=plan.transactional_id),
            consumer,
            watchdog=watchdog,
            hang_s=settings.scoring.transaction_hang_s,
            deadline_s=CALL_DEADLINE_S,
        )
    else:
        commit = PlainCommit(build_producer(settings.kafka), consumer, deadline_s=CALL_DEADLINE_S)
    receipts = None
    if plan.model_of is not None:
        receipts = ReceiptWriter(
            lane=plan.name,
            guarantee=settings.guarantee,
            cluster_id=plan.cluster_id,
            topics=topics,
            codec=codec,
            clock=clock,
            model_of=plan.model_of,
        )
    return Lane(
        consumer=consumer,
        commit=commit,
        step=plan.step,
        assignment=assignment,
        receipts=receipts,
        batch_records_max=plan.batch_records_max or settings.scoring.batch_records_max,
        batch_wait_ms=settings.scoring.batch_wait_ms,
        meters=plan.meters,
        lag_watch=LagWatch(settings.kafka, lambda: assignment.measured, plan.meters),
        keeper=plan.keeper,
    )
