"""The view of a rollout as a terminal shows it: one panel that is drawn anew, or a line for each change."""

from collections.abc import Sequence
from typing import cast

from rich.box import SIMPLE
from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from penstock.rollouts.view import View

_BAR = 24
_COLORS = {
    "Pending": "cyan",
    "Running": "blue",
    "Paused": "yellow",
    "Inconclusive": "yellow",
    "Successful": "green",
    "Failed": "red",
}


def drawn(view: View) -> RenderableType:
    """The whole panel."""
    rollout = cast("View | None", view["rollout"])
    parts: list[RenderableType] = []
    if view["frozen_by"]:
        parts.append(Text(f"frozen by {view['frozen_by']}: automation only tells", style="bold yellow"))
    if rollout is not None:
        parts += [_phase(rollout), _steps(rollout)]
    parts.append(_shares(_list(view["versions"])))
    if rollout is not None and _list(rollout["evidence"]) and rollout["judged_by"] == "labels":
        parts += [_evidence(each, rollout) for each in _list(rollout["evidence"]) if rollout["strategy"] != "activate"]
    if rollout is not None and _list(rollout["guardrails"]):
        parts.append(_guardrails(_list(rollout["guardrails"])))
    parts += _notes(view)
    title = f"{view['model']}  generation {view['generation']}"
    return Panel(Group(*parts), title=title, title_align="left", padding=(0, 1))


def line(view: View) -> str:
    """One change on one line, for pipes and logs."""
    rollout = cast("View | None", view["rollout"])
    shares = ", ".join(f"{each['version']} {_percent(each['target'])}" for each in _list(view["versions"]))
    if rollout is None:
        return f"{view['model']} generation {view['generation']}: {shares}"
    step = cast("View | None", rollout["step"])
    where = "" if step is None else f" step {step['number']} of {step['of']}"
    return f"{view['model']} {rollout['strategy']} {rollout['phase']}{where} ({shares}): {rollout['reason']}"


def _phase(rollout: View) -> RenderableType:
    text = Text()
    text.append(f"{rollout['strategy']}  ", style="bold")
    text.append(str(rollout["phase"]), style=f"bold {_COLORS[str(rollout['phase'])]}")
    text.append(f"  {rollout['reason']}")
    return text


def _steps(rollout: View) -> RenderableType:
    step = cast("View | None", rollout["step"])
    if step is None or rollout["strategy"] == "activate":
        return Text("")
    shares = "  ".join(
        f"[{_step_name(shares)}]" if number == step["number"] else _step_name(shares)
        for number, shares in enumerate(cast("Sequence[Sequence[float]]", rollout["steps"]), start=1)
    )
    left = [f"{_time(step['time_left_s'])} to go"] if step["time_left_s"] else []
    if step["labels_min"]:
        left.append(f"{step['labels']:,} of {step['labels_min']:,} labels")
    if step["ends_in_s"] is not None:
        left.append(f"ends in {_time(step['ends_in_s'])}")
    elif step["deadline_left_s"] is not None:
        left.append(f"deadline in {_time(step['deadline_left_s'])}")
    return Text(f"steps  {shares}   {', '.join(left)}; waits for {step['waits_for']}")


def _step_name(shares: Sequence[float]) -> str:
    return "/".join(_percent(share) for share in shares)


def _shares(versions: Sequence[View]) -> RenderableType:
    table = Table(box=SIMPLE, show_edge=False, pad_edge=False)
    for name in ("version", "arm", "target", "observed", ""):
        table.add_column(name, justify="right" if name in ("target", "observed") else "left")
    for each in versions:
        observed = "" if each["observed"] is None else f"{_percent(each['observed'])} of {_rows(versions):,}"
        bar = ProgressBar(total=1.0, completed=float(str(each["target"])), width=_BAR, complete_style="blue")
        table.add_row(str(each["version"]), str(each["arm"]), _percent(each["target"]), observed, bar)
    return table


def _rows(versions: Sequence[View]) -> int:
    return sum(int(str(each["observed_rows"])) for each in versions)


def _evidence(each: View, rollout: View) -> RenderableType:
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    for _ in range(3):
        table.add_column()
    table.add_row(f"version {each['version']}", _losses(each), "")
    table.add_row("", _interval(each, rollout), "")
    for name, words, color in (("ok", "no worse", "green"), ("worse", "worse", "red")):
        bar = ProgressBar(total=1.0, completed=float(str(each[f"progress_{name}"])), width=_BAR, complete_style=color)
        e_value = f"e-value {_short(each[f'e_{name}'])} of {_short(each['e_needed'])} for {_goal(words, rollout)}"
        table.add_row("", e_value, bar)
    return table


def _goal(words: str, rollout: View) -> str:
    if words == "worse":
        return "worse than control"
    return "better than control" if rollout["margin"] == 0.0 else f"no worse than the margin {rollout['margin']:g}"


def _losses(each: View) -> str:
    if each["mean_loss"] is None:
        return "no matured labels of both arms yet"
    return (
        f"mean loss {each['mean_loss']:.4g} of {each['labels']:,} labels, "
        f"control {each['control_mean_loss']:.4g} of {each['control_labels']:,}"
    )


def _interval(each: View, rollout: View) -> str:
    """For people to read: the decision is by the e-values below it."""
    if each["interval"] is None:
        return "no interval yet: the candidate has fewer than ten errors"
    low, high = cast("Sequence[float]", each["interval"])
    confidence = 1.0 - float(str(rollout["alpha"]))
    return f"difference {each['difference']:+.4f}, in [{low:+.4f}, {high:+.4f}] at every look with {confidence:.0%}"


def _guardrails(readings: Sequence[View]) -> RenderableType:
    table = Table(box=SIMPLE, show_edge=False, pad_edge=False)
    for name in ("guardrail", "version", "value", "limit", "breaches"):
        table.add_column(name, justify="left" if name in ("guardrail", "version") else "right")
    for each in readings:
        style = "red" if int(str(each["breaches"])) else ""
        breaches = f"{each['breaches']} of {each['readings']}, {each['breaches_min']} fail"
        table.add_row(
            str(each["guardrail"]),
            str(each["version"]),
            f"{each['value']:.4g}",
            f"{each['limit']:g}",
            breaches,
            style=style,
        )
    return table


def _notes(view: View) -> list[RenderableType]:
    notes: list[str] = []
    overrides = _list(view["overrides"])
    if overrides:
        rules = ", ".join(f"{each['kind']} {each['value']} to {each['version']}" for each in overrides[:3])
        notes.append(f"pinned: {rules}{' ...' if len(overrides) > 3 else ''}")
    notes += [f"shadow: version {each['version']} scores {_percent(each['share'])}" for each in _list(view["shadows"])]
    if view["cool_down_left_s"]:
        notes.append(f"cools down: no rollout begins for another {_time(view['cool_down_left_s'])}")
    notes += [
        f"version {each['version']} is {each['state']}: {each['reason']}" for each in _list(view["withdrawn"])[-3:]
    ]
    if view["previous_version"]:
        notes.append(f"`penstock rollback {view['model']}` goes back to version {view['previous_version']}")
    return [Text(note, style="dim") for note in notes]


def _list(value: object) -> Sequence[View]:
    return cast("Sequence[View]", value)


def _percent(share: object) -> str:
    """A share from 0 to 1.

    >>> _percent(0.0125), _percent(0.5)
    ('1.25 %', '50 %')
    """
    return f"{round(float(str(share)) * 100, 2):g} %"


def _short(value: object) -> str:
    number = float(str(value))
    return f"{number:.3g}"


def _time(seconds: object) -> str:
    """A time that is left.

    >>> _time(75.0), _time(3600.0), _time(4.2)
    ('1m15s', '1h', '5s')
    """
    left = int(-(-float(str(seconds)) // 1))
    parts = [(left // 86_400, "d"), (left % 86_400 // 3_600, "h"), (left % 3_600 // 60, "m"), (left % 60, "s")]
    shown = [f"{count}{unit}" for count, unit in parts if count]
    return "".join(shown[:2]) or "0s"
