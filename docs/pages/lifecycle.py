"""The page of a version's life: standings and legal changes, drawn from the table that the code has."""

from docs.pages.markdown import block, code, page, table
from registry.lifecycle import MEANINGS, TRANSITIONS, Standing

_INTRO = """
What a model version can be, and how it gets there.
A standing is stored nowhere: `penstock models list` derives it from what the shelf knows of the version and from what
the deployment says became of it.
A change that is not in the table does not happen.
Every change is an event on `model-events`, with who, when and why.
"""


def lifecycle_page() -> str:
    """The picture, the standings and the changes."""
    standings = [(code(each.value), MEANINGS[each]) for each in Standing]
    changes = [
        (
            ", ".join(code(each.value) for each in change.before),
            code(change.after.value),
            code(change.event),
            change.cause,
        )
        for change in TRANSITIONS
    ]
    return page(
        "The life of a version",
        _INTRO,
        block(_picture(), "mermaid"),
        "## Standings",
        table(("standing", "means"), standings),
        "## Changes",
        table(("from", "to", "event", "by"), changes),
    )


def _picture() -> str:
    """One arrow for each pair, with the events that lead along it."""
    events: dict[tuple[str, str], list[str]] = {}
    for change in TRANSITIONS:
        for before in change.before or ("[*]",):
            known = events.setdefault((str(before), change.after.value), [])
            if change.event not in known:
                known.append(change.event)
    arrows = [f"  {before} --> {after}: {', '.join(names)}" for (before, after), names in events.items()]
    return "\n".join(["stateDiagram-v2", *arrows])
