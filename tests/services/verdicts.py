"""What must hold of every crash: each accepted request predicted exactly once, and the ledger says so."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np

from tests.services.scoring_model import ROWS, ScoringModel
from tests.services.topic_records import Predictions

SCORE_DIFFERENCE_MAX = 1e-12


def assert_each_exactly_once(accepted: Mapping[int, tuple[int, int]], predictions: Predictions) -> None:
    """Every accepted request has one prediction, made from the record where the broker put it."""
    answered = Counter(predictions.numbers.tolist())
    lost = accepted.keys() - answered.keys()
    twice = [number for number, times in answered.items() if times > 1]
    unknown = answered.keys() - accepted.keys()

    assert (len(lost), len(twice), len(unknown)) == (0, 0, 0), (
        sorted(lost)[:5],
        sorted(twice)[:5],
        sorted(unknown)[:5],
    )
    made_from = dict(zip(predictions.numbers.tolist(), predictions.source_places, strict=True))
    assert made_from == dict(accepted)


def assert_scored_right(predictions: Predictions, model: ScoringModel) -> None:
    """Every score is the one that the version in the prediction gives to that request."""
    for version in set(predictions.versions.tolist()):
        rows = predictions.versions == version
        expected = model.scores(version)[predictions.numbers[rows] % ROWS]
        difference = np.abs(predictions.scores[rows] - expected)

        assert float(difference.max()) <= SCORE_DIFFERENCE_MAX, version


def assert_in_order(predictions: Predictions) -> None:
    """Within a partition, predictions come in the order of their requests, and generations never fall."""
    for partition in np.unique(predictions.partitions):
        rows = np.flatnonzero(predictions.partitions == partition)
        offsets = [predictions.source_places[row][1] for row in rows]

        assert offsets == sorted(offsets), partition
        assert bool(np.all(np.diff(predictions.generations[rows]) >= 0)), partition


def assert_balanced(ledger: Mapping[str, Any], *, accepted: int, dead_lettered: int = 0) -> None:
    """The ledger counted every accepted request once, lost none and repeated none."""
    told = {name: ledger[name] for name in ("accepted", "scored", "dead_lettered", "in_flight", "lost", "duplicates")}

    assert told == {
        "accepted": accepted,
        "scored": accepted - dead_lettered,
        "dead_lettered": dead_lettered,
        "in_flight": 0,
        "lost": 0,
        "duplicates": 0,
    }, ledger
