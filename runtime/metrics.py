"""What processes count and measure: declared once here, served by each process at /metrics.

The reference page is generated from `METRICS`. Names follow Prometheus: base units last,
counters end in `_total` on the page that is served.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest, start_http_server

from runtime.watchdog import resident_bytes

_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_RECORDS = (1, 2, 5, 10, 25, 50, 100, 250, 500, 1_000, 2_000, 5_000, 10_000)


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """One metric: its name, its kind, what it says and the labels it has."""

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    doc: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()


RECORDS = Metric(name="penstock_records", kind="counter", doc="Records made final.", labels=("topic",))
DEAD_LETTERS = Metric(
    name="penstock_dead_letters", kind="counter", doc="Records dead-lettered.", labels=("topic", "reason")
)
BATCH_RECORDS = Metric(name="penstock_batch_records", kind="histogram", doc="Records in a batch.", buckets=_RECORDS)
PROCESS_SECONDS = Metric(
    name="penstock_process_seconds", kind="histogram", doc="Turning a batch into records to produce.", buckets=_SECONDS
)
COMMIT_SECONDS = Metric(
    name="penstock_commit_seconds",
    kind="histogram",
    doc="Making a batch final: produce, send offsets, commit.",
    buckets=_SECONDS,
)
BATCHES_READ_AGAIN = Metric(
    name="penstock_batches_read_again", kind="counter", doc="Batches that left no trace and were read again."
)
REBALANCES = Metric(name="penstock_rebalances", kind="counter", doc="Times that partitions came or went.")
PARTITIONS = Metric(name="penstock_partitions", kind="gauge", doc="Partitions owned.")
PARTITIONS_WAITING = Metric(
    name="penstock_partitions_waiting",
    kind="gauge",
    doc="Partitions owned that wait for a version, the sink or an operator.",
)
SWAPS = Metric(name="penstock_swaps", kind="counter", doc="Deployments that came to serve.", labels=("model",))
VERSION_SERVES = Metric(
    name="penstock_version_serves", kind="gauge", doc="1 while the version serves.", labels=("model", "version")
)
DOCUMENTS = Metric(name="penstock_documents", kind="counter", doc="Documents that the store has taken.")
DOCUMENTS_REJECTED = Metric(
    name="penstock_documents_rejected", kind="counter", doc="Documents that the store has refused for good."
)
SINK_WAITS = Metric(
    name="penstock_sink_waits", kind="counter", doc="Times that the sink waited for the store, a registry or a broker."
)
LOG_LINES_DROPPED = Metric(
    name="penstock_log_lines_dropped",
    kind="counter",
    doc="Log lines that found a full queue or could not be delivered.",
    labels=("destination",),
)
RESIDENT_BYTES = Metric(name="penstock_resident_bytes", kind="gauge", doc="Resident memory of the process.")

METRICS = (
    RECORDS,
    DEAD_LETTERS,
    BATCH_RECORDS,
    PROCESS_SECONDS,
    COMMIT_SECONDS,
    BATCHES_READ_AGAIN,
    REBALANCES,
    PARTITIONS,
    PARTITIONS_WAITING,
    SWAPS,
    VERSION_SERVES,
    DOCUMENTS,
    DOCUMENTS_REJECTED,
    SINK_WAITS,
    LOG_LINES_DROPPED,
    RESIDENT_BYTES,
)


class Meters:
    """The metrics of one process; nothing is shared between two of these."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._made: Mapping[str, Counter | Gauge | Histogram] = {metric.name: self._make(metric) for metric in METRICS}
        resident = self._made[RESIDENT_BYTES.name]
        assert isinstance(resident, Gauge), "declared as a gauge"
        resident.set_function(resident_bytes)

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

    def observe(self, metric: Metric, value: float, **labels: str) -> None:
        """Add a value to a histogram."""
        made = self._child(metric, labels)
        assert isinstance(made, Histogram), metric.name
        made.observe(value)

    def forget(self, metric: Metric, **labels: str) -> None:
        """Stop serving the series of a metric that has these label values among its own."""
        self._made[metric.name].remove_by_labels(labels)

    def page(self) -> str:
        """What is served at /metrics now."""
        return generate_latest(self._registry).decode()

    def serve(self, *, host: str, port: int) -> int:
        """Serve /metrics and return the port; port 0 takes a free one. Raises `OSError` when it is taken."""
        server, _thread = start_http_server(port, addr=host, registry=self._registry)
        return int(server.server_port)

    def _child(self, metric: Metric, labels: Mapping[str, str]) -> Counter | Gauge | Histogram:
        made = self._made[metric.name]
        return made.labels(**labels) if metric.labels else made

    def _make(self, metric: Metric) -> Counter | Gauge | Histogram:
        if metric.kind == "histogram":
            return Histogram(metric.name, metric.doc, metric.labels, registry=self._registry, buckets=metric.buckets)
        made = Counter if metric.kind == "counter" else Gauge
        return made(metric.name, metric.doc, metric.labels, registry=self._registry)
