"""What docs/rollouts.md has from elsewhere: phases from the decisions' own table, figures as they were measured."""

from pathlib import Path

from benchmarks.rollout_page import measured_section
from benchmarks.rollout_results import RESULTS, decode
from docs.pages.markdown import block, code, table
from docs.pages.sections import with_section
from streams.rollout.phases import ENDED, TRANSITIONS, Phase

PAGE = Path(__file__).parents[1] / "rollouts.md"


def rollouts_page() -> str:
    """The page as it is, with the phases as the code has them and the figures as they are stored."""
    page = with_section(PAGE.read_text(encoding="utf-8"), "phases", f"{block(_picture(), 'mermaid')}\n\n{_table()}")
    return with_section(page, "measured", measured_section(decode(RESULTS.read_bytes())))


def _picture() -> str:
    """One arrow for each pair of phases, with what leads along it."""
    triggers: dict[tuple[Phase, Phase], list[str]] = {}
    for each in TRANSITIONS:
        if each.before != each.after:
            triggers.setdefault((each.before, each.after), []).append(each.trigger.value)
    arrows = [f"  {before} --> {after}: {', '.join(names)}" for (before, after), names in triggers.items()]
    ends = [f"  {phase} --> [*]" for phase in Phase if phase in ENDED]
    return "\n".join(["stateDiagram-v2", f"  [*] --> {Phase.PENDING}: start", *arrows, *ends])


def _table() -> str:
    """Each trigger with the phases in which it is legal and where it leads, in the order of the code's table."""
    rows: dict[tuple[str, str, str, str], list[str]] = {}
    for each in TRANSITIONS:
        after = "the same" if each.before == each.after else str(each.after)
        rows.setdefault((each.trigger.value, after, each.by, each.meaning), []).append(str(each.before))
    return table(
        ("trigger", "in", "leads to", "by", "when"),
        [
            (code(trigger), ", ".join(before), after, by, meaning)
            for (trigger, after, by, meaning), before in rows.items()
        ],
    )
