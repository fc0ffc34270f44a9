"""The page of reasons: why a record is dead-lettered, why a retrain gave nothing, and what to do."""

from docs.pages.markdown import code, page, table
from schemas.reasons import REMEDIES, STAGES, TRAINING_REMEDIES, Reason, Stage, TrainingFault

_INTRO = """
A record that can't be processed goes to `dead-letters` alone; its neighbors are not harmed.
Each dead letter carries one of these codes, the original bytes and headers, and where the record came from.
`penstock dead-letters list` shows them, `penstock dead-letters show ID` one of them whole.
"""
_RETRAINS = """
A retrain that gives no candidate is answered by a `TrainingFailed` on `model-events`, whose `details` name the fault.
[retraining.md](../retraining.md) says how each comes about.
"""
_STAGES = {
    Stage.DECODE: "The bytes are no request of this model.",
    Stage.VALIDATE: "The request is readable and says something that can't be accepted.",
    Stage.SCORE: "The model version could not answer.",
    Stage.ENCODE: "The answer could not be written.",
    Stage.JOIN: "A label can't be joined to its prediction.",
    Stage.STORE: "The store for analysts refused the document.",
}


def reasons_page() -> str:
    """Every reason, by stage."""
    parts: list[str] = []
    for stage, meaning in _STAGES.items():
        rows = [(code(reason.value), REMEDIES[reason]) for reason in Reason if STAGES[reason] is stage]
        if rows:
            parts += [f"## {stage.value}", meaning, table(("reason", "remedy"), rows)]
    faults = [(code(fault.value), TRAINING_REMEDIES[fault]) for fault in TrainingFault]
    parts += ["## Retrains that failed", _RETRAINS, table(("fault", "remedy"), faults)]
    return page("Reasons", _INTRO, *parts)
