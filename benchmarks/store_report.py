"""What the store's benchmark measured, as JSON for machines and as a part of the page for people."""

import os
import platform
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from importlib.metadata import version
from statistics import median, quantiles

import orjson

from benchmarks.contender import ROOT
from benchmarks.page import STORE_HEADING
from benchmarks.store_contenders import StoreTurn
from tests.services.elasticsearch_server import ELASTICSEARCH_VERSION

RESULTS = ROOT / "benchmarks" / "results" / "store.json"
PENSTOCK = "penstock's sink"
HELPER = "`streaming_bulk` at its defaults"
RATIO_MIN = 2.0
LIBRARIES = ("elasticsearch", "orjson")

PART = """\
{heading}

Predictions with 20 features, to Elasticsearch {server} with a heap of 512 MB on the same machine, one shard.
In each turn both write the same documents under the same strict templates into indices that are new.
Every 10,000 documents are written by both, one right after the other, so that a noisy second hits both.
Who begins alternates.
The ratio is the median of those {pairs} pairs.
A first turn warms the server up and is not counted.
The helper of Elasticsearch's own client is given finished sources, and its time begins after they are made.
The sink begins with documents, and looks for repeated requests before it writes.
A figure is only given after every document was read back and found equal, its version included.

Measured on {machine}.

| contender | documents/s, median | turns of {documents:,} | slowest to fastest | client's CPU us a document, median |
|---|---:|---:|---|---:|
{rows}

| ratio | median of {pairs} pairs | the middle half of them | wanted at least |
|---|---:|---|---:|
| {penstock} / {helper} | {ratio:.2f} | {low:.2f} to {high:.2f} | {wanted} |
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreReport:
    """All turns of one run; every figure stands on documents that were found equal."""

    turns: Mapping[str, tuple[StoreTurn, ...]]

    def median_of(self, name: str) -> float:
        """Documents per second in the middle one of the turns."""
        return median(turn.documents_per_s for turn in self.turns[name])

    @property
    def pairs(self) -> list[float]:
        """How many times as fast the sink was, portion by portion."""
        return [
            helped.wall_s / taken.wall_s
            for turn, helper in zip(self.turns[PENSTOCK], self.turns[HELPER], strict=True)
            for taken, helped in zip(turn.portions, helper.portions, strict=True)
        ]

    @property
    def ratio(self) -> float:
        return median(self.pairs)

    def missed(self) -> list[str]:
        """What falls short of its target, in words."""
        if self.ratio >= RATIO_MIN:
            return []
        return [f"{PENSTOCK} / {HELPER}: {self.ratio:.2f}, wanted {RATIO_MIN}"]


def write_results(report: StoreReport) -> None:
    """Write the figures for machines."""
    RESULTS.parent.mkdir(parents=True, exist_ok=True)
    content = {
        "machine": _machine(),
        "documents_per_s": {
            name: {"median": report.median_of(name), "turns": [asdict(turn) for turn in turns]}
            for name, turns in report.turns.items()
        },
        "ratios": [
            {"of": PENSTOCK, "against": HELPER, "ratio": report.ratio, "pairs": report.pairs, "at_least": RATIO_MIN}
        ],
        "missed": report.missed(),
    }
    RESULTS.write_bytes(orjson.dumps(content, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))


def as_markdown(report: StoreReport) -> str:
    """The part of `docs/benchmarks.md`."""
    low, _middle, high = quantiles(report.pairs, n=4)
    return PART.format(
        heading=STORE_HEADING,
        server=ELASTICSEARCH_VERSION,
        machine=_machine(),
        documents=report.turns[PENSTOCK][0].documents,
        rows="\n".join(_row(name, turns, report) for name, turns in report.turns.items()),
        penstock=PENSTOCK,
        helper=HELPER,
        ratio=report.ratio,
        pairs=len(report.pairs),
        low=low,
        high=high,
        wanted=RATIO_MIN,
    )


def _row(name: str, turns: tuple[StoreTurn, ...], report: StoreReport) -> str:
    rates = sorted(turn.documents_per_s for turn in turns)
    cpu = median(turn.cpu_us_per_document for turn in turns)
    return (
        f"| {name} | {report.median_of(name):,.0f} | {len(turns)} | {rates[0]:,.0f} to {rates[-1]:,.0f} | {cpu:.1f} |"
    )


def _machine() -> str:
    libraries = ", ".join(f"{library} {version(library)}" for library in LIBRARIES)
    system = f"{platform.system()} {platform.machine()}, Python {platform.python_version()}"
    return f"{os.cpu_count()} cores, {system}, {libraries}"
