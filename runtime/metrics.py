"""What processes count and measure: declared once here, served by each process at /metrics.

The reference page is generated from `METRICS`. Names follow Prometheus: base units last,
counters end in `_total` on the page that is served, what only tells of a thing ends in `_info`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from typing import Literal

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
    start_http_server,
)

from runtime.watchdog import resident_bytes

_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_RECORDS = (1, 2, 5, 10, 25, 50, 100, 250, 500, 1_000, 2_000, 5_000, 10_000)

EVERY_ROLE = ("broker", "controller", "scorer", "shadow", "outcomes", "monitor", "sink", "trainer", "supervisor")
LANES = ("controller", "scorer", "shadow", "outcomes", "monitor")
READERS = (*LANES, "sink")
SCORERS = ("scorer", "shadow")
SHADOWS = ("shadow",)
JOINERS = ("outcomes",)
MONITORS = ("monitor",)
SINKS = ("sink",)
TRAINERS = ("trainer",)
SUPERVISORS = ("supervisor",)


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """One metric: its name, its kind, what it says, the roles that serve it and the labels it has."""

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    doc: str
    roles: tuple[str, ...]
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()


RECORDS = Metric(name="penstock_records", kind="counter", doc="Records made final.", roles=LANES, labels=("topic",))
DEAD_LETTERS = Metric(
    name="penstock_dead_letters",
    kind="counter",
    doc="Records dead-lettered.",
    roles=READERS,
    labels=("topic", "reason"),
)
LAG_RECORDS = Metric(
    name="penstock_lag_records",
    kind="gauge",
    doc="Offsets that this process has still to read in its partitions; ends of transactions take offsets too.",
    roles=READERS,
    labels=("topic",),
)
BATCH_RECORDS = Metric(
    name="penstock_batch_records", kind="histogram", doc="Records in a batch.", roles=READERS, buckets=_RECORDS
)
STAGE_SECONDS = Metric(
    name="penstock_stage_seconds",
    kind="histogram",
    doc="What a batch spent in one stage: decode, validate (and route), score, profile, encode, produce, offsets, "
    "commit; in the sink decode, write, commit.",
    roles=READERS,
    labels=("stage",),
    buckets=_SECONDS,
)
PROCESS_SECONDS = Metric(
    name="penstock_process_seconds",
    kind="histogram",
    doc="Turning a batch into records to produce.",
    roles=LANES,
    buckets=_SECONDS,
)
TRANSACTION_SECONDS = Metric(
    name="penstock_transaction_seconds",
    kind="histogram",
    doc="Making a batch final: produce, send offsets, commit; on the embedded broker the same without a transaction.",
    roles=LANES,
    buckets=_SECONDS,
)
BATCHES_READ_AGAIN = Metric(
    name="penstock_batches_read_again",
    kind="counter",
    doc="Batches that left no trace and were read again.",
    roles=LANES,
)
REBALANCES = Metric(
    name="penstock_rebalances", kind="counter", doc="Times that partitions came or went.", roles=READERS
)
PARTITIONS = Metric(name="penstock_partitions", kind="gauge", doc="Partitions owned.", roles=READERS)
PARTITIONS_WAITING = Metric(
    name="penstock_partitions_waiting",
    kind="gauge",
    doc="Partitions owned that wait for a version, the sink or an operator.",
    roles=LANES,
)
WATCHDOG_CALL_SECONDS = Metric(
    name="penstock_watchdog_call_seconds",
    kind="gauge",
    doc="How long the call that the watchdog watches has been running; 0 when there is none.",
    roles=LANES,
)
SWAPS = Metric(
    name="penstock_swaps", kind="counter", doc="Deployments that came to serve.", roles=SCORERS, labels=("model",)
)
SHADOW_FAILURES = Metric(
    name="penstock_shadow_failures",
    kind="counter",
    doc="Requests that a shadow could not score, which the live lane dealt with all the same.",
    roles=SHADOWS,
    labels=("model", "version", "reason"),
)
MODEL_VERSION_INFO = Metric(
    name="penstock_model_version_info",
    kind="gauge",
    doc="1 while the version serves, with the arm, the bundle and the generation of the deployment.",
    roles=SCORERS,
    labels=("model", "version", "arm", "bundle", "generation"),
)
OUTCOMES_MADE = Metric(
    name="penstock_outcomes",
    kind="counter",
    doc="Outcomes made final: a prediction with its label, or with a correction of it.",
    roles=JOINERS,
    labels=("model",),
)
OUTCOMES_EXPIRED = Metric(
    name="penstock_outcomes_expired",
    kind="counter",
    doc="What went after the horizon: `unlabeled` predictions, and `unmatched` labels without a prediction.",
    roles=JOINERS,
    labels=("model", "what"),
)
OUTCOMES_LATE = Metric(
    name="penstock_outcomes_late",
    kind="counter",
    doc="Predictions that came after the cohort of their event time was closed.",
    roles=JOINERS,
    labels=("model",),
)
OUTCOMES_PENDING = Metric(
    name="penstock_outcomes_pending",
    kind="gauge",
    doc="Predictions in this process's partitions that wait for their label.",
    roles=JOINERS,
    labels=("model",),
)
OUTCOMES_RESTORING = Metric(
    name="penstock_outcomes_restoring",
    kind="gauge",
    doc="Partitions whose state is being brought back from disk and topics.",
    roles=JOINERS,
)
COHORTS_CLOSED = Metric(
    name="penstock_cohorts_closed", kind="counter", doc="Cohorts closed.", roles=JOINERS, labels=("model",)
)
EVENT_TIME_SECONDS = Metric(
    name="penstock_event_time_seconds",
    kind="gauge",
    doc="Event time that the slowest of this process's partitions has come to, in seconds since the epoch.",
    roles=JOINERS,
    labels=("model",),
)
SIGNALS_RAISED = Metric(
    name="penstock_signals",
    kind="counter",
    doc="Signals that the monitor has raised, by kind: drift, performance, request_rate, reference.",
    roles=MONITORS,
    labels=("model", "kind"),
)
DRIFT_LEARNING = Metric(
    name="penstock_drift_learning",
    kind="gauge",
    doc="Versions whose drift can't be judged yet: what is usual is learned from live rows.",
    roles=MONITORS,
)
DRIFT_RESTORING = Metric(
    name="penstock_drift_restoring",
    kind="gauge",
    doc="1 while the monitor reads again what it had watched before.",
    roles=MONITORS,
)
DOCUMENTS = Metric(name="penstock_documents", kind="counter", doc="Documents that the store has taken.", roles=SINKS)
DOCUMENTS_REJECTED = Metric(
    name="penstock_documents_rejected",
    kind="counter",
    doc="Documents that the store has refused for good.",
    roles=SINKS,
)
SINK_BACKLOG_RECORDS = Metric(
    name="penstock_sink_backlog_records",
    kind="gauge",
    doc="Records that were read and are not in the store yet; those that were not even read are the lag.",
    roles=SINKS,
)
SINK_WAITS = Metric(
    name="penstock_sink_waits",
    kind="counter",
    doc="Times that the sink waited for the store, a registry or a broker.",
    roles=SINKS,
)
PROCESS_UP = Metric(
    name="penstock_process_up",
    kind="gauge",
    doc="1 while the supervised process lives and serves.",
    roles=SUPERVISORS,
    labels=("process",),
)
PROCESS_EXITS = Metric(
    name="penstock_process_exits",
    kind="counter",
    doc="Deaths of a supervised process by cause: hung, memory, fenced, failed, killed, stopped.",
    roles=SUPERVISORS,
    labels=("process", "cause"),
)
PROCESS_RESTARTS = Metric(
    name="penstock_process_restarts",
    kind="counter",
    doc="Times that a supervised process was started again.",
    roles=SUPERVISORS,
    labels=("process",),
)
READY = Metric(
    name="penstock_ready",
    kind="gauge",
    doc="1 while the process serves, 0 while it starts or stops.",
    roles=EVERY_ROLE,
    labels=("role", "slot"),
)
BUILD_INFO = Metric(
    name="penstock_build_info",
    kind="gauge",
    doc="1, with the version of penstock.",
    roles=EVERY_ROLE,
    labels=("version",),
)
LOG_LINES_DROPPED = Metric(
    name="penstock_log_lines_dropped",
    kind="counter",
    doc="Log lines that found a full queue or could not be delivered, by destination: stderr, file, topic.",
    roles=EVERY_ROLE,
    labels=("destination",),
)
DECISIONS = Metric(
    name="penstock_decisions",
    kind="counter",
    doc="Inputs that the controller has decided on: accepted, refused, acted, noted or ignored.",
    roles=("controller",),
    labels=("outcome",),
)
ROLLOUT_SHARE = Metric(
    name="penstock_rollout_share",
    kind="gauge",
    doc="Share of the entities that a version serves, 0 to 1, as the controller last decided.",
    roles=("controller",),
    labels=("model", "version"),
)
TRAININGS = Metric(
    name="penstock_trainings",
    kind="counter",
    doc="Retrains that were answered, by outcome: Trained, TrainingFailed.",
    roles=TRAINERS,
    labels=("outcome",),
)
TRAINING_SECONDS = Metric(
    name="penstock_training_seconds",
    kind="histogram",
    doc="From taking up a retrain to its answer.",
    roles=TRAINERS,
    buckets=(1.0, 2.5, 5.0, 10.0, 25.0, 50.0, 100.0, 250.0, 500.0, 1_000.0, 2_500.0),
)
RESIDENT_BYTES = Metric(
    name="penstock_resident_bytes", kind="gauge", doc="Resident memory of the process.", roles=EVERY_ROLE
)

METRICS = (
    RECORDS,
    DEAD_LETTERS,
    LAG_RECORDS,
    BATCH_RECORDS,
    STAGE_SECONDS,
    PROCESS_SECONDS,
    TRANSACTION_SECONDS,
    BATCHES_READ_AGAIN,
    REBALANCES,
    PARTITIONS,
    PARTITIONS_WAITING,
    WATCHDOG_CALL_SECONDS,
    SWAPS,
    SHADOW_FAILURES,
    MODEL_VERSION_INFO,
    OUTCOMES_MADE,
    OUTCOMES_EXPIRED,
    OUTCOMES_LATE,
    OUTCOMES_PENDING,
    OUTCOMES_RESTORING,
    COHORTS_CLOSED,
    EVENT_TIME_SECONDS,
    SIGNALS_RAISED,
    DRIFT_LEARNING,
    DRIFT_RESTORING,
    DOCUMENTS,
    DOCUMENTS_REJECTED,
    SINK_BACKLOG_RECORDS,
    SINK_WAITS,
    PROCESS_UP,
    PROCESS_EXITS,
    PROCESS_RESTARTS,
    READY,
    BUILD_INFO,
    LOG_LINES_DROPPED,
    DECISIONS,
    ROLLOUT_SHARE,
    TRAININGS,
    TRAINING_SECONDS,
    RESIDENT_BYTES,
)


def metrics_of(role: str) -> tuple[Metric, ...]:
    """What a process in that role serves."""
    return tuple(metric for metric in METRICS if role in metric.roles)


class Meters:
    """The metrics of one process; nothing is shared between two of these.

    Without a role it has all of them, for parts that are run outside a process of ours.
    """

    def __init__(self, role: str | None = None) -> None:
        # A second series that says when each counter was made would double the page.
        disable_created_metrics()  # type: ignore[no-untyped-call]  # has no annotations
        self._registry = CollectorRegistry()
        self._role = role
        metrics = METRICS if role is None else metrics_of(role)
        self._made: Mapping[str, Counter | Gauge | Histogram] = {metric.name: self._make(metric) for metric in metrics}
        # The usual metrics of a process under their usual names: CPU time, open files, start time.
        ProcessCollector(registry=self._registry)
        if RESIDENT_BYTES.name in self._made:
            self.follow(RESIDENT_BYTES, resident_bytes)
            self.set(BUILD_INFO, 1, version=version("penstock"))

    def add(self, metric: Metric, amount: float = 1, **labels: str) -> None:
        """Count up a counter."""
        made = self._child(metric, labels)
        assert isinstance(made, Counter), metric.name
        made.inc(amount)

    def set(self, metric: Metric, value: float, **labels: str) -> None:
        """Put a gauge at a value."""
        made = self._child(metric, labels)
        assert isinstance(made, Gauge), metric.name
        made.set(value)

    def follow(self, metric: Metric, read: Callable[[], float]) -> None:
        """Let a gauge say what `read` gives whenever the page is asked for."""
        made = self._child(metric, {})
        assert isinstance(made, Gauge), metric.name
        made.set_function(read)

    def observe(self, metric: Metric, value: float, **labels: str) -> None:
        """Add a value to a histogram."""
        made = self._child(metric, labels)
        assert isinstance(made, Histogram), metric.name
        made.observe(value)

    def forget(self, metric: Metric, **labels: str) -> None:
        """Stop serving the series of a metric that have these label values among their own."""
        self._of(metric).remove_by_labels(labels)

    def page(self) -> str:
        """What is served at /metrics now."""
        return generate_latest(self._registry).decode()

    def serve(self, *, host: str, port: int) -> int:
        """Serve /metrics and return the port; port 0 takes a free one. Raises `OSError` when it is taken."""
        server, _thread = start_http_server(port, addr=host, registry=self._registry)
        return int(server.server_port)

    def _of(self, metric: Metric) -> Counter | Gauge | Histogram:
        assert metric.name in self._made, f"{metric.name} is not declared for the role {self._role}: add it to `roles`"
        return self._made[metric.name]

    def _child(self, metric: Metric, labels: Mapping[str, str]) -> Counter | Gauge | Histogram:
        made = self._of(metric)
        return made.labels(**labels) if metric.labels else made

    def _make(self, metric: Metric) -> Counter | Gauge | Histogram:
        if metric.kind == "histogram":
            return Histogram(metric.name, metric.doc, metric.labels, registry=self._registry, buckets=metric.buckets)
        made = Counter if metric.kind == "counter" else Gauge
        return made(metric.name, metric.doc, metric.labels, registry=self._registry)
