"""The figures in docs/drift.md are those that were measured, and the shipped detectors still come to them."""

from benchmarks.drift import FULL, delays_of, e_detector_name
from benchmarks.drift_contenders import PENSTOCK
from benchmarks.drift_losses import labels_until_exceeded, labels_until_risen
from benchmarks.drift_report import as_markdown, drawn_part, load_results, missed

SOME = 2


def test_the_page_shows_what_was_measured() -> None:
    """Drawn anew from the results it is the same, and nothing falls short."""
    results = load_results()

    assert as_markdown(results) == drawn_part()
    assert missed(results) == []


def test_the_first_delays_are_found_again() -> None:
    """To the row: whoever changes the detector or the bins measures again."""
    measured = load_results().delays["unit, x 100"]

    assert {name: found[:SOME] for name, found in measured.items()} == delays_of(
        "unit, x 100", seeds=range(SOME), blocks_max=FULL.blocks_max
    )
    assert all(delay is not None for delay in measured[PENSTOCK])


def test_the_first_labels_are_found_again() -> None:
    """Of a detector of a rise, and of the one against a baseline."""
    losses = load_results().losses
    budget = 100_000

    assert list(losses["adwin"].delays["0.1 to 0.3"][:SOME]) == [
        labels_until_risen("adwin", 0.1, 0.3, seed=seed) for seed in range(SOME)
    ]
    assert list(losses[e_detector_name(budget)].delays["0.1 to 0.3"][:SOME]) == [
        labels_until_exceeded(0.1, 0.3, budget=budget, seed=seed) for seed in range(SOME)
    ]
