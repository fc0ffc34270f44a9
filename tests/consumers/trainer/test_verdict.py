"""Is the candidate as good? By the interval of the paired difference, said in words."""

import pytest

from consumers.trainer.verdict import Verdict, in_words, verdict_of
from registry.manifest import TrainingFacts
from schemas.signature import Task


def facts(low: float, high: float) -> TrainingFacts:
    return TrainingFacts(
        cause="c",
        since=0,
        until=1,
        judged_from=0,
        rows=5_000,
        rows_judged=1_000,
        sha256="",
        loss=0.081,
        parent_loss=0.1432,
        difference_low=low,
        difference_high=high,
    )


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (-0.08, -0.04, Verdict.BETTER),
        (-0.02, 0.01, Verdict.AS_GOOD),
        (0.0, 0.0, Verdict.AS_GOOD),
        (0.001, 0.05, Verdict.WORSE),
    ],
)
def test_verdict(low: float, high: float, expected: Verdict) -> None:
    """Worse or better only where the whole interval says so; two versions that answer alike are as good."""
    assert verdict_of(facts(low, high)) is expected


def test_the_verdict_in_words() -> None:
    """Both losses, of how many rows, and what follows."""
    said = in_words(facts(-0.08, -0.04), parent="1", task=Task.BINARY)

    assert said == "error rate 0.081, and 0.1432 of version 1 on the same 1,000 newest of 5,000 outcomes: better"
    assert in_words(facts(0, 0), parent="1", task=Task.REGRESSION).startswith("mean absolute error 0.081, and")
