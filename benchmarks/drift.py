"""How often drift is told that is none, and how late that which is one, beside what people use otherwise.

Streams that do not change, and every kind of change, go through the shipped detectors; what comes of
it is written for machines (`benchmarks/results/drift.json`) and drawn into `docs/drift.md`.
"""

import argparse
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from benchmarks.drift_contenders import CONTENDERS, Contender, alarms_on_every_value
from benchmarks.drift_losses import (
    RISES,
    errors,
    exceeded_times,
    false_alarms,
    labels_until_exceeded,
    labels_until_risen,
    wobbling_errors,
)
from benchmarks.drift_report import LossFigures, Results, as_markdown, load_results, missed, write_part, write_results
from benchmarks.drift_streams import (
    BLOCK_ROWS,
    CHANGES,
    Flights,
    Table,
    blocks_of,
    independent,
    made_rows,
    reference_of,
    table_of,
    wobbling,
)
from registry.binning import Binning
from streams.drift.detectors import DETECTORS, DetectorName
from streams.drift.references import DriftReference

Source = Callable[[np.random.Generator], Iterator[Table]]
QUIET_BLOCKS = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """How much is measured. `rows` of a stream that does not change for each of `references`; labels in all."""

    references: int
    rows: int
    values: int
    changes: int
    blocks_max: int
    labels: int
    rises: int


FULL = Size(references=3, rows=2_000_000, values=30_000, changes=20, blocks_max=60, labels=1_000_000, rises=50)
SHORT = Size(references=1, rows=100_000, values=2_000, changes=1, blocks_max=20, labels=20_000, rises=3)
SLOWER = {"kswin": 20}
"""A detector that is so much slower is given so many times fewer labels and rises."""


def main() -> int:
    """Measure, print, write; exit code 1 when a figure falls short."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--short", action="store_true", help="a little of each, and nothing written")
    parser.add_argument("--page", action="store_true", help="only draw the page, from what was measured before")
    arguments = parser.parse_args()
    if arguments.page:
        write_part(as_markdown(load_results()))
        return 0
    results = measure(SHORT if arguments.short else FULL)
    print(as_markdown(results))
    if arguments.short:
        return 0
    write_results(results)
    write_part(as_markdown(results))
    for miss in missed(results):
        print(f"MISSED: {miss}", file=sys.stderr)
    return 1 if missed(results) else 0


def measure(size: Size) -> Results:
    """All of it, with a line of progress for each part."""
    sources: Mapping[str, Source] = {"independent": independent, "wobbling": wobbling, "flights": Flights()}
    told = _Progress()
    quiet: dict[str, dict[str, int]] = {}
    for name, source in sources.items():
        quiet[name] = dict.fromkeys(CONTENDERS, 0)
        for number in range(size.references):
            for contender, alarms in false_alarms_of(source, seed=number, rows=size.rows).items():
                quiet[name][contender] += alarms
            told(f"{name}, reference {number + 1} of {size.references}: {quiet[name]}")
    values = every_value(size.values)
    told("every value")
    delays: dict[str, dict[str, list[int | None]]] = {}
    for change in CHANGES:
        delays[change] = delays_of(change, seeds=range(size.changes), blocks_max=size.blocks_max)
        told(f"{change}: {delays[change]}")
    return Results(
        rows=size.rows * size.references,
        false_alarms=quiet,
        values=size.values,
        alarms_on_every_value=values,
        delays=delays,
        labels=size.labels,
        losses=_losses(size, told),
    )


def false_alarms_of(source: Source, *, seed: int, rows: int) -> dict[str, int]:
    """Alarms of every contender on rows like those of the reference, which has a seed of its own."""
    tables = source(np.random.default_rng(1_000 + seed))
    profile, reference = reference_of(tables)
    contenders, alarms = _contenders(reference), dict.fromkeys(CONTENDERS, 0)
    seen_rows = 0
    while seen_rows < rows:
        for seen in blocks_of(next(tables), profile.binning, reference, first=seen_rows):
            for name, contender in contenders.items():
                alarms[name] += contender.observe(seen)
            seen_rows += BLOCK_ROWS
    return alarms


def every_value(rows: int) -> int:
    """Alarms of a detector for each column of independent rows that is fed with every value."""
    made = made_rows(rows, np.random.default_rng(77))
    return alarms_on_every_value([*made.numbers.T, made.score])


def delays_of(change: str, *, seeds: range, blocks_max: int) -> dict[str, list[int | None]]:
    """Rows from the change to the alarm of each contender, for each seed; None: not within so many blocks."""
    profile, reference = reference_of(independent(np.random.default_rng(0)))
    found: dict[str, list[int | None]] = {name: [] for name in CONTENDERS}
    for seed in seeds:
        delays = _delays(change, profile.binning, reference, seed=seed, blocks_max=blocks_max)
        for name, delay in delays.items():
            found[name].append(delay)
    return found


def _delays(
    change: str, binning: Binning, reference: DriftReference, *, seed: int, blocks_max: int
) -> dict[str, int | None]:
    """The change comes somewhere in the block after the quiet ones; who was alarmed before begins anew."""
    random = np.random.default_rng(10_000 + seed)
    rows = made_rows((QUIET_BLOCKS + blocks_max) * BLOCK_ROWS, random)
    start = QUIET_BLOCKS * BLOCK_ROWS + int(random.integers(BLOCK_ROWS))
    CHANGES[change](rows, start, random)
    contenders = _contenders(reference)
    found: dict[str, int | None] = dict.fromkeys(contenders, None)
    for number, seen in enumerate(blocks_of(table_of(rows), binning, reference, first=0)):
        for name, contender in contenders.items():
            if not contender.observe(seen):
                continue
            if number < QUIET_BLOCKS:
                contenders = {**contenders, name: CONTENDERS[name](reference)}
            elif found[name] is None:
                found[name] = (number + 1) * BLOCK_ROWS - start
    return found


def _contenders(reference: DriftReference) -> dict[str, Contender]:
    return {name: build(reference) for name, build in CONTENDERS.items()}


def _losses(size: Size, told: "_Progress") -> dict[str, LossFigures]:
    losses: dict[str, LossFigures] = {}
    for name in sorted(DETECTORS):
        losses[name] = of_detector(name, labels=size.labels, rises=size.rises)
        told(f"{name}: {losses[name].alarms}")
    for budget in (100_000, 1_000_000):
        named = e_detector_name(budget)
        losses[named] = of_e_detector(budget, labels=size.labels, rises=size.rises)
        told(f"{named}: {losses[named].alarms}")
    return losses


def of_detector(name: DetectorName, *, labels: int, rises: int) -> LossFigures:
    """One of river's: false alarms in a million labels of two quiet streams, and labels until a rise is told."""
    labels, rises = labels // SLOWER.get(name, 1), -(-rises // SLOWER.get(name, 1))
    return LossFigures(
        alarms={
            "calm": _in_a_million(false_alarms(name, errors(0.1, labels, seed=5)), labels),
            "wobbling": _in_a_million(false_alarms(name, wobbling_errors(0.1, labels, seed=6)), labels),
        },
        delays={
            rise_name(*rise): [labels_until_risen(name, *rise, seed=seed) for seed in range(rises)] for rise in RISES
        },
    )


def of_e_detector(budget: int, *, labels: int, rises: int) -> LossFigures:
    """The test against a baseline; where the rate wobbles, with a margin of .05."""
    quiet = {
        "calm": (errors(0.1, labels, seed=5), 0.12),
        "at the margin": (errors(0.12, labels, seed=7), 0.12),
        "wobbling": (wobbling_errors(0.1, labels, seed=6), 0.15),
    }
    return LossFigures(
        alarms={
            name: _in_a_million(exceeded_times(losses, level=level, budget=budget), labels)
            for name, (losses, level) in quiet.items()
        },
        delays={
            rise_name(*rise): [labels_until_exceeded(*rise, budget=budget, seed=seed) for seed in range(rises)]
            for rise in RISES
        },
    )


def _in_a_million(alarms: int, labels: int) -> float:
    return alarms * 1_000_000 / labels


def rise_name(before: float, after: float) -> str:
    """A rise as results name it.

    >>> rise_name(0.05, 0.1)
    '0.05 to 0.1'
    """
    return f"{before:g} to {after:g}"


def e_detector_name(budget: int) -> str:
    """The test against a baseline, by its budget.

    >>> e_detector_name(100_000)
    'e-detector, one in 100,000'
    """
    return f"e-detector, one in {budget:,}"


class _Progress:
    """Says what was done, and when since the start."""

    def __init__(self) -> None:
        self._started = time.monotonic()

    def __call__(self, words: str) -> None:
        print(f"{time.monotonic() - self._started:6.0f} s  {words}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
