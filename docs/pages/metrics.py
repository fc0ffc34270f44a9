"""The page of metrics: names, kinds, labels and meanings."""

from docs.pages.markdown import code, page, table
from runtime.metrics import EVERY_ROLE, METRICS, Metric

_INTRO = """
Each process serves these at `/metrics` on `metrics.host` and `metrics.port`; port 0 takes a free one.
The port taken is in `run/ROLE-SLOT.json`.
`run/metrics-targets.json` lists those of a running stack, as Prometheus's `file_sd_configs` reads them.
Counters end in `_total` where they are served, histograms in `_bucket`, `_sum` and `_count`.
Beside them are the usual ones of a process, `process_cpu_seconds_total`, `process_open_fds` and others.
The role `supervisor` is `penstock up` itself, on `metrics.port`; the processes that it starts take free ports.
"""


def metrics_page() -> str:
    """Every metric declared."""
    return page(
        "Metrics", _INTRO, table(("metric", "kind", "labels", "served by", "what it says"), [_row(m) for m in METRICS])
    )


def _row(metric: Metric) -> tuple[str, ...]:
    return (code(metric.name), metric.kind, ", ".join(map(code, metric.labels)), _served_by(metric), metric.doc)


def _served_by(metric: Metric) -> str:
    return "every process" if metric.roles == EVERY_ROLE else ", ".join(metric.roles)
