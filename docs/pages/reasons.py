"""The page of reasons: why a record is dead-lettered, at which stage, and what to do."""

from docs.pages.markdown import code, page, table
from schemas.reasons import REMEDIES, STAGES, Reason, Stage

_INTRO = """
A record that can't be processed goes to `dead-letters` alone; its neighbors are not harmed.
Each dead letter carries one of these codes, the original bytes and headers, and where the record came from.
`penstock dead-letters list` shows them, `penstock dead-letters show ID` one of them whole.
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
    return page("Reasons of dead letters", _INTRO, *parts)
