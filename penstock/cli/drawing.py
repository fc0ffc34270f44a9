"""Draws reports: a picture as PNG, and a page that needs nothing but itself as HTML."""

import html
import io
from collections.abc import Mapping, Sequence
from pathlib import Path

from matplotlib.figure import Figure

from consumers.performance_report import Baseline, Group, judge_group

_COLORS = {"healthy": "#2f855a", "warning": "#b7791f", "critical": "#c53030", "unknown": "#718096"}


def draw_performance(
    path: Path, model: str, by_what: str, groups: Mapping[str, Group], baselines: Mapping[str, Baseline]
) -> tuple[Path, Path]:
    """Mean losses with their intervals beside the baseline; returns where the picture and the page are."""
    figure = _figure(model, by_what, groups, baselines)
    picture, page = path.with_suffix(".png"), path.with_suffix(".html")
    picture.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(picture, dpi=130)
    drawn = io.StringIO()
    figure.savefig(drawn, format="svg")
    page.write_text(_page(model, by_what, groups, baselines, drawn.getvalue()), encoding="utf-8")
    return picture, page


def _figure(model: str, by_what: str, groups: Mapping[str, Group], baselines: Mapping[str, Baseline]) -> Figure:
    figure = Figure(figsize=(max(6.0, 0.42 * len(groups) + 3.0), 4.6), layout="constrained")
    axes = figure.subplots()
    for place, (name, group) in enumerate(groups.items()):
        loss = group.measures.get("loss")
        if loss is None:
            continue
        health = judge_group(group, baselines[name]).health.value
        low, high = (loss.value if bound is None else bound for bound in (loss.low, loss.high))
        margins = [[loss.value - max(low, 0.0)], [high - loss.value]]
        axes.errorbar(place, loss.value, yerr=margins, fmt="o", capsize=3, color=_COLORS[health])
        baseline = baselines[name].loss
        if baseline is not None:
            axes.hlines(baseline, place - 0.4, place + 0.4, colors="#31659c", linestyles="dashed", linewidth=1)
    axes.set_xticks(
        range(len(groups)),
        [_tick(name) for name in groups],
        rotation=45 if len(groups) > 4 else 0,
        ha="right" if len(groups) > 4 else "center",
    )
    axes.set_ylim(bottom=0)
    axes.set_ylabel("mean loss, with 95 % interval")
    axes.set_title(f"{model} by {by_what}; dashed: the baseline")
    axes.grid(axis="y", alpha=0.3)
    return figure


def _tick(name: str) -> str:
    """A moment without what all moments end with.

    >>> _tick("2013-04-01T00:00:00.000Z"), _tick("2013-04-01T06:00:00.000Z"), _tick("UA")
    ('2013-04-01', '2013-04-01 06:00', 'UA')
    """
    if not name.endswith(":00.000Z"):
        return name
    return name.removesuffix(":00.000Z").removesuffix("T00:00").replace("T", " ")


def _page(model: str, by_what: str, groups: Mapping[str, Group], baselines: Mapping[str, Baseline], drawn: str) -> str:
    names = list(dict.fromkeys(name for group in groups.values() for name in group.measures))
    rows = [[by_what, "health", "predicted", "coverage", "maturity", *names, "why, and what next"]]
    for name, group in groups.items():
        verdict = judge_group(group, baselines[name])
        measures = group.measures
        figures = [f"{measures[each].value:.3f}" if each in measures else "" for each in names]
        coverage = "" if group.coverage is None else f"{group.coverage:.1%}"
        counts = [f"{group.sums.predicted:,}", coverage, f"{group.maturity:.0%}"]
        rows.append([name, verdict.health.value, *counts, *figures, f"{verdict.reason}; {verdict.next}"])
    return page_of(f"{model} by {by_what}", drawn, rows)


def page_of(title: str, drawn: str, rows: Sequence[Sequence[str]], *, note: str = "") -> str:
    """A page of a picture (SVG) and a table, whose first row is its head; `note` is HTML between title and picture."""
    cells = [_cells("th" if number == 0 else "td", row) for number, row in enumerate(rows)]
    table = "\n".join(f"<tr>{row}</tr>" for row in cells)
    title = html.escape(title)
    style = (
        "body{font-family:system-ui;margin:2em}td,th{padding:.3em .8em;text-align:left;border-bottom:1px solid #ddd}"
    )
    picture = drawn[drawn.index("<svg") :]
    head = f'<!doctype html><meta charset="utf-8"><title>{title}</title><style>{style}</style>'
    return f"{head}<h1>{title}</h1>{note}{picture}<table>{table}</table>\n"


def _cells(tag: str, values: Sequence[str]) -> str:
    return "".join(f"<{tag}>{html.escape(value)}</{tag}>" for value in values)
