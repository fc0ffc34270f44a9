"""Outcomes as a store would give them, from the samples of the shelf's tests."""

from collections.abc import Iterable, Sequence

import pandas as pd

from consumers.errors import StoreUnavailableError
from consumers.trainer.window import OutcomeRow, Stretch, WindowRules
from registry.sampling import as_features
from schemas.signature import Signature

HOUR_MS = 3_600_000
RULES = WindowRules(rows_min=600, rows_max=5_000, class_rows_min=20, judged_share=0.25)


def outcome(number: int, label: str | float | None = "1", *, revision: int = 0, **features: object) -> OutcomeRow:
    """Outcome `number`, an hour after the one before."""
    return OutcomeRow(
        request_id=f"r{number:05d}", event_time=number * HOUR_MS, label=label, revision=revision, features=features
    )


def outcomes_of(sample: pd.DataFrame, signature: Signature, *, target: str) -> list[OutcomeRow]:
    """A row of the sample every hour, as the stored outcome of a prediction."""
    rows = as_features(sample, signature).to_pylist()
    truths = sample[target].tolist()
    return [
        outcome(number, truth if isinstance(truth, float) else str(truth), **row)
        for number, (row, truth) in enumerate(zip(rows, truths, strict=True))
    ]


class OutcomesInMemory:
    """The store's side of the trainer, with faults as data: `down` makes every call fail."""

    def __init__(self, rows: Sequence[OutcomeRow] = (), *, until: int | None = None) -> None:
        self.rows = list(rows)
        self.until = until
        self.down = False

    def matured_until(self, model: str) -> int | None:
        self._check_up()
        return self.until if self.until is not None or not self.rows else self.rows[-1].event_time + 1

    def newest(self, model: str, stretch: Stretch, *, rows_max: int) -> Iterable[OutcomeRow]:
        self._check_up()
        found = [row for row in self.rows if stretch.since <= row.event_time < stretch.until and row.label is not None]
        return sorted(found, key=lambda row: -row.event_time)[:rows_max]

    def _check_up(self) -> None:
        if self.down:
            raise StoreUnavailableError("the store is down")
