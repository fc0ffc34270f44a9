"""The results as JSON for machines and as a page for people."""

import os
import platform
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from importlib.metadata import version
from statistics import median

import orjson

from benchmarks.contender import ROOT, Turn
from benchmarks.open_loop import Latency
from benchmarks.page import LANE, write_part

RESULTS = ROOT / "benchmarks" / "results" / "lane.json"
LIBRARIES = ("confluent-kafka", "fastavro", "faust-streaming", "numpy", "pyruhvro", "scikit-learn")

PAGE_TEXT = """\
# Benchmarks

Written by `make bench`, which starts a real Kafka 4.1 broker beside the contenders on the same machine.
Trust the ratios: all contenders take turns on one topic, one model and one broker.
A figure is only given after every request was found answered exactly once, with the estimator's own score to 1e-12.

Measured on {machine}.

## Throughput

A 20-feature LogisticRegression, Avro requests with the Confluent framing.
The first fifth of each turn is left out as warm-up.
Penstock's predictions echo the features and say where the request was; the others write id, entity, version and score.
The hand-written loop commits without waiting for its predictions to arrive, so a crash of it loses some.

| contender | events/s, median | turns | slowest to fastest | CPU us an event, median |
|---|---:|---:|---|---:|
{throughput}

| ratio | measured | wanted at least |
|---|---:|---:|
{ratios}

## Latency

Open loop: requests are sent on schedule whatever the answers do.
A latency runs from the moment at which the request was due until a read_committed consumer holds its prediction.
Load generator, broker, scorer and consumer share the machine.

| share of capacity | requests/s | p50 ms | p99 ms | max ms | events |
|---:|---:|---:|---:|---:|---:|
{latency}

## Memory

One scorer with {resident_events:,} requests through it never had more than {resident_mb:.0f} MB resident.
Allowed are {allowed_mb:.0f} MB.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A ratio of two contenders' medians and what it must come to at least."""

    of: str
    against: str
    at_least: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """Everything that one run measured; every figure stands on outputs that were found right."""

    turns: Mapping[str, tuple[Turn, ...]]
    targets: tuple[Target, ...]
    latencies: tuple[Latency, ...]
    resident_bytes_max: int
    resident_bytes_allowed: int
    resident_events: int

    def median_of(self, name: str) -> float:
        return median_rate(self.turns[name])

    def ratio(self, target: Target) -> float:
        return self.median_of(target.of) / self.median_of(target.against)

    def missed(self) -> list[str]:
        """What falls short of its target, in words."""
        short = [
            f"{target.of} / {target.against}: {self.ratio(target):.2f}, wanted {target.at_least}"
            for target in self.targets
            if self.ratio(target) < target.at_least
        ]
        if self.resident_bytes_max > self.resident_bytes_allowed:
            short.append(f"resident memory {self.resident_bytes_max / 1e6:.0f} MB")
        return short


def median_rate(turns: tuple[Turn, ...]) -> float:
    """Events per second in the middle one of the turns."""
    return median(turn.events_per_s for turn in turns)


def write_report(report: Report) -> None:
    """Write both files."""
    RESULTS.parent.mkdir(parents=True, exist_ok=True)
    RESULTS.write_bytes(orjson.dumps(_as_json(report), option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
    write_part(LANE, as_markdown(report))


def as_markdown(report: Report) -> str:
    """What `docs/benchmarks.md` says of the lane."""
    return PAGE_TEXT.format(
        machine=machine_words(),
        throughput="\n".join(throughput_row(name, turns) for name, turns in report.turns.items()),
        ratios="\n".join(_ratio_row(target, report.ratio(target)) for target in report.targets),
        latency="\n".join(_latency_row(latency, report) for latency in report.latencies),
        resident_events=report.resident_events,
        resident_mb=report.resident_bytes_max / 1e6,
        allowed_mb=report.resident_bytes_allowed / 1e6,
    )


def turns_as_json(turns: Mapping[str, tuple[Turn, ...]]) -> dict[str, object]:
    """Every turn of each contender, and the median of their rates."""
    return {
        name: {"median": median_rate(each), "turns": [asdict(turn) for turn in each]} for name, each in turns.items()
    }


def throughput_row(name: str, turns: tuple[Turn, ...]) -> str:
    """A contender's line in a table of rates."""
    rates = sorted(turn.events_per_s for turn in turns)
    cpu = median(turn.cpu_us_per_event for turn in turns)
    return f"| {name} | {median_rate(turns):,.0f} | {len(turns)} | {rates[0]:,.0f} to {rates[-1]:,.0f} | {cpu:.1f} |"


def _ratio_row(target: Target, ratio: float) -> str:
    return f"| {target.of} / {target.against} | {ratio:.2f} | {target.at_least} |"


def _latency_row(latency: Latency, report: Report) -> str:
    capacity = report.median_of(report.targets[0].of)
    return (
        f"| {latency.per_s / capacity:.0%} | {latency.per_s:,.0f} | {latency.ms_p50:.1f} | {latency.ms_p99:.1f} "
        f"| {latency.ms_max:.1f} | {latency.events:,} |"
    )


def machine_words() -> str:
    """What the figures were measured on."""
    libraries = ", ".join(f"{library} {version(library)}" for library in LIBRARIES)
    system = f"{platform.system()} {platform.machine()}, Python {platform.python_version()}"
    return f"{os.cpu_count()} cores, {system}, {libraries}"


def _as_json(report: Report) -> dict[str, object]:
    return {
        "machine": machine_words(),
        "events_per_s": turns_as_json(report.turns),
        "ratios": [
            {"of": target.of, "against": target.against, "ratio": report.ratio(target), "at_least": target.at_least}
            for target in report.targets
        ],
        "latency": [asdict(latency) for latency in report.latencies],
        "resident_bytes_max": report.resident_bytes_max,
        "resident_events": report.resident_events,
        "missed": report.missed(),
    }
