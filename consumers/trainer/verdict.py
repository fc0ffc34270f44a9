"""Is a refitted version as good as the one that serves? From both versions' losses on the same rows. Pure."""

from enum import StrEnum

from registry.manifest import TrainingFacts
from schemas.signature import Task


class Verdict(StrEnum):
    """What the rows that were held back say of the candidate, beside the version it was refitted from."""

    BETTER = "better"
    AS_GOOD = "as good"
    WORSE = "worse"


def verdict_of(facts: TrainingFacts) -> Verdict:
    """By the interval of 95 % of the difference in mean loss: worse only where all of it lies above zero."""
    if facts.difference_low > 0:
        return Verdict.WORSE
    return Verdict.BETTER if facts.difference_high < 0 else Verdict.AS_GOOD


def in_words(facts: TrainingFacts, *, parent: str, task: Task) -> str:
    """Both losses, the rows they are of, and the verdict."""
    name = "mean absolute error" if task is Task.REGRESSION else "error rate"
    return (
        f"{name} {facts.loss:.4g}, and {facts.parent_loss:.4g} of version {parent} on the same "
        f"{facts.rows_judged:,} newest of {facts.rows:,} outcomes: {verdict_of(facts).value}"
    )
