"""Rows whose drift is known: streams that do not change, and every kind of change, as blocks that the lane would send.

Rows are made or drawn, seeded, and counted by the shelf's own binning; what goes out are a reference
and blocks, with the means of the numbers in each, which is what simpler detectors are given.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from producers.sources.flight_table import FEATURES, load_flights
from registry.binning import Binning
from registry.reference_profile import OUT_OF_FOLD, ProfileOrder, ReferenceProfile, reference_profile
from schemas.events import ColumnCounts
from streams.drift.blocks import Block
from streams.drift.references import DriftReference, drift_reference

BLOCK_ROWS = 1_000
REFERENCE_BLOCKS = 300
CHUNK_BLOCKS = 50
NUMBERS = 17
KINDS = np.array(["bus", "car", "ship", "train", "van"], dtype=object)
KIND_SHARES = (0.4, 0.3, 0.15, 0.1, 0.05)
MISSING_SHARE = 0.01
SLOW_SHARE = 0.15
SLOW_STEP_ROWS, SLOW_STEPS = 100, 10.0
STRETCH_ROWS = 250
Floats = npt.NDArray[np.float64]


@dataclass(slots=True)
class Rows:
    """Made rows of 19 features and a score. `numbers` (rows, 17): standard normal; `rare`: one in a hundred missing."""

    numbers: Floats
    rare: Floats
    kind: npt.NDArray[np.object_]
    score: Floats


Change = Callable[[Rows, int, np.random.Generator], None]
"""Changes rows in place, from a row on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenBlock:
    """A block, and the means of its numbers, NaN where it has none."""

    block: Block
    means: Floats


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Rows as the shelf and the lane take them; `scores` (rows,)."""

    features: pa.RecordBatch
    scores: Floats


def independent(random: np.random.Generator) -> Iterator[Table]:
    """Chunks of rows that know nothing of each other."""
    while True:
        yield table_of(made_rows(CHUNK_BLOCKS * BLOCK_ROWS, random))


def wobbling(random: np.random.Generator) -> Iterator[Table]:
    """Chunks of rows whose numbers rise and fall slowly together with their own past: .15 sd, a thousand rows long."""
    kept = np.exp(-1 / SLOW_STEPS)
    slow = random.normal(size=NUMBERS)
    while True:
        rows = made_rows(CHUNK_BLOCKS * BLOCK_ROWS, random)
        steps = []
        for noise in random.normal(size=(len(rows.rare) // SLOW_STEP_ROWS, NUMBERS)):
            slow = kept * slow + np.sqrt(1 - kept**2) * noise
            steps.append(slow)
        level = np.repeat(np.array(steps), SLOW_STEP_ROWS, axis=0)
        rows.numbers = np.sqrt(1 - SLOW_SHARE**2) * rows.numbers + SLOW_SHARE * level
        yield table_of(rows)


class Flights:
    """The year's flights in stretches of 250 consecutive ones, drawn at random: what is alike by the hour stays so."""

    def __init__(self) -> None:
        flights = load_flights()
        self._score = np.array(1 / (1 + np.exp(-(flights["dep_delay"].to_numpy(dtype=np.float64) - 15) / 10)))
        frame: pd.DataFrame = flights[list(FEATURES)]
        found = pa.RecordBatch.from_pandas(frame, preserve_index=False)
        columns = [pa.array(each, pa.string()) if pa.types.is_large_string(each.type) else each for each in found]
        self._features = pa.record_batch(columns, names=found.schema.names)

    def __call__(self, random: np.random.Generator) -> Iterator[Table]:
        stretches = CHUNK_BLOCKS * BLOCK_ROWS // STRETCH_ROWS
        while True:
            starts = random.integers(0, len(self._score) - STRETCH_ROWS, stretches)
            rows = (starts[:, np.newaxis] + np.arange(STRETCH_ROWS)).ravel()
            yield Table(features=self._features.take(pa.array(rows)), scores=self._score[rows])


def made_rows(rows: int, random: np.random.Generator) -> Rows:
    rare = random.normal(size=rows)
    rare[random.random(rows) < MISSING_SHARE] = np.nan
    return Rows(
        numbers=random.normal(size=(rows, NUMBERS)),
        rare=rare,
        kind=KINDS[random.choice(len(KINDS), rows, p=KIND_SHARES)],
        score=random.beta(2.0, 5.0, rows),
    )


def table_of(rows: Rows) -> Table:
    columns: dict[str, pa.Array] = {f"x{index}": pa.array(rows.numbers[:, index]) for index in range(NUMBERS)}
    columns["rare"] = pa.array(rows.rare, from_pandas=True)
    columns["kind"] = pa.array(rows.kind, type=pa.string())
    return Table(features=pa.record_batch(columns), scores=rows.score)


def reference_of(tables: Iterator[Table]) -> tuple[ReferenceProfile, DriftReference]:
    """The first 300 blocks of a stream as the reference of a bundle."""
    taken = [next(tables) for _ in range(REFERENCE_BLOCKS // CHUNK_BLOCKS)]
    features = pa.Table.from_batches([table.features for table in taken]).combine_chunks().to_batches()[0]
    profile = reference_profile(
        features,
        np.concatenate([table.scores for table in taken]),
        order=ProfileOrder(time="at"),
        keep_text_of=tuple(features.schema.names),
        scores_of=OUT_OF_FOLD,
    )
    assert (profile.block_rows, profile.blocks) == (BLOCK_ROWS, REFERENCE_BLOCKS), profile.summary
    return profile, drift_reference(profile)


def blocks_of(table: Table, binning: Binning, reference: DriftReference, *, first: int) -> list[SeenBlock]:
    """Whole blocks of a table, of which `first` came before."""
    pieces = table.features.num_rows // BLOCK_ROWS
    counted = binning.count(table.features, table.scores, pieces=pieces)
    means = _means(table, pieces)
    return [
        SeenBlock(block=_block(columns, reference, first + index), means=means[index])
        for index, columns in enumerate(counted)
    ]


def _means(table: Table, pieces: int) -> Floats:
    numbers = [
        column.to_numpy(zero_copy_only=False).astype(np.float64)
        for column in table.features.columns
        if not pa.types.is_string(column.type)
    ]
    stacked = np.stack([*numbers, table.scores]).reshape(len(numbers) + 1, pieces, BLOCK_ROWS)
    present = np.count_nonzero(~np.isnan(stacked), axis=2)
    means: Floats = (np.nansum(stacked, axis=2) / np.where(present > 0, present, np.nan)).T
    return means


def _block(columns: tuple[ColumnCounts, ...], reference: DriftReference, number: int) -> Block:
    counts = np.zeros(reference.layout.shape)
    quantiles = np.full((len(columns), 5), np.nan)
    for index, column in enumerate(columns):
        counts[index, : len(column.counts)] = column.counts
        if column.quantiles:
            quantiles[index] = column.quantiles
    return Block(
        start=f"bench:{number}",
        rows=BLOCK_ROWS,
        profiled=BLOCK_ROWS,
        counts=counts,
        quantiles=quantiles,
        present=counts.sum(axis=1),
        strangers=tuple(column.strangers for column in columns),
        event_times=(number, number),
        append_times=(number, number),
    )


def _shift(by: float) -> Change:
    def change(rows: Rows, start: int, _: np.random.Generator) -> None:
        rows.numbers[start:, 0] += by

    return change


def _spread(rows: Rows, start: int, _: np.random.Generator) -> None:
    rows.numbers[start:, 0] *= 1.5**0.5


def _missing(rows: Rows, start: int, random: np.random.Generator) -> None:
    rows.rare[start:][random.random(len(rows.rare) - start) < 0.04 / (1 - MISSING_SHARE)] = np.nan


def _category(rows: Rows, start: int, random: np.random.Generator) -> None:
    rows.kind[start:][random.random(len(rows.kind) - start) < 0.05] = "tram"


def _unit(rows: Rows, start: int, _: np.random.Generator) -> None:
    rows.numbers[start:, 0] *= 100


def _gradual(rows: Rows, start: int, _: np.random.Generator) -> None:
    rows.numbers[start:, 0] += np.minimum(np.arange(len(rows.rare) - start) / 50_000, 1.0)


CHANGES: Mapping[str, Change] = {
    "shift of .1 sd": _shift(0.1),
    "shift of .25 sd": _shift(0.25),
    "shift of .5 sd": _shift(0.5),
    "variance x 1.5": _spread,
    "missing, 1 % to 5 %": _missing,
    "new category, 5 %": _category,
    "unit, x 100": _unit,
    "shift of 1 sd over 50,000 rows": _gradual,
}
