"""Draws the report of drift: a picture as PNG, and a page that needs nothing but itself as HTML."""

import html
import io
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from consumers.drift_report import ColumnStory, DriftReport, window_name
from penstock.cli.drawing import page_of

PANELS_MAX = 12
PANELS_A_ROW = 3
TICKS_MAX, PANEL_TICKS_MAX = 10, 4
_REFERENCE, _LIVE, _TOLD = "#31659c", "#2f855a", "#c53030"


def draw_drift(path: Path, model: str, report: DriftReport) -> tuple[Path, Path]:
    """Every column's distance from the reference, and what the first of them were; returns the picture and the page."""
    figure = _figure(model, report)
    picture, page = path.with_suffix(".png"), path.with_suffix(".html")
    picture.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(picture, dpi=110)
    drawn = io.StringIO()
    figure.savefig(drawn, format="svg")
    page.write_text(_page(model, report, drawn.getvalue()), encoding="utf-8")
    return picture, page


def _figure(model: str, report: DriftReport) -> Figure:
    shown = report.columns[:PANELS_MAX]
    lines = -(-len(shown) // PANELS_A_ROW)
    height = 0.24 * len(report.columns) + 1.6
    figure = Figure(figsize=(13.0, height + 2.3 * lines), layout="constrained")
    grid = figure.add_gridspec(1 + lines, PANELS_A_ROW, height_ratios=[height, *[2.3] * lines])
    _distances(figure, figure.add_subplot(grid[0, :]), report)
    for index, story in enumerate(shown):
        axes = figure.add_subplot(grid[1 + index // PANELS_A_ROW, index % PANELS_A_ROW])
        _column(axes, story, report)
    figure.suptitle(f"{model}, version {report.version}: rows (green) against their reference (blue); red: drift since")
    return figure


def _distances(figure: Figure, axes: Axes, report: DriftReport) -> None:
    """Columns by windows, the darker the further."""
    distances = np.array(
        [[np.nan if look.psi is None else look.psi for look in story.looks] for story in report.columns]
    )
    image = axes.imshow(np.sqrt(np.minimum(distances, 1.0)), aspect="auto", cmap="YlOrRd", vmin=0.0, vmax=1.0)
    axes.set_yticks(range(len(report.columns)), [story.name for story in report.columns])
    for index, story in enumerate(report.columns):
        for told in story.told:
            axes.plot(_place(told.since, report), index, marker="v", color="black", markersize=5)
    _ticks(axes, report, TICKS_MAX)
    bar = figure.colorbar(image, ax=axes, ticks=[0.0, 0.1**0.5, 0.5, 1.0])
    bar.ax.set_yticklabels(["0", "0.1", "0.25", "1 and more"])
    axes.set_title("population stability index; triangles: drift since", fontsize=10)


def _column(axes: Axes, story: ColumnStory, report: DriftReport) -> None:
    places = range(len(report.windows))
    if story.reference.quantiles:
        nothing = (np.nan,) * len(story.reference.quantiles)
        quantiles = np.array([look.quantiles or nothing for look in story.looks])
        low, _, middle, _, high = story.reference.quantiles
        axes.axhspan(low, high, color=_REFERENCE, alpha=0.12)
        axes.axhline(middle, color=_REFERENCE, linestyle="dashed", linewidth=1)
        axes.fill_between(places, quantiles[:, 0], quantiles[:, -1], color=_LIVE, alpha=0.25)
        axes.plot(places, quantiles[:, 2], color=_LIVE, linewidth=1.4)
        axes.set_title(f"{story.name}: median, 5 to 95 %", fontsize=9)
    else:
        for name, share in story.reference.top.items():
            (line,) = axes.plot(places, [look.top.get(name, np.nan) for look in story.looks], label=name, linewidth=1.4)
            axes.axhline(share, color=line.get_color(), linestyle="dashed", linewidth=1)
        axes.legend(fontsize=7)
        axes.set_title(f"{story.name}: shares", fontsize=9)
    for told in story.told:
        axes.axvline(_place(told.since, report), color=_TOLD, linewidth=1)
    _ticks(axes, report, PANEL_TICKS_MAX)


def _place(since: str, report: DriftReport) -> float:
    """Where a moment lies among the windows, whose middles are at 0, 1, ...; what is outside lies at their ends."""
    moment = datetime.fromisoformat(since).astimezone(UTC).timestamp() * 1_000
    edges = [*(window.start for window in report.windows), report.windows[-1].end]
    return float(np.interp(moment, edges, range(len(edges)))) - 0.5


def _ticks(axes: Axes, report: DriftReport, at_most: int) -> None:
    step = -(-len(report.windows) // at_most)
    places = range(0, len(report.windows), step)
    axes.set_xticks(places, [window_name(report.windows[place]) for place in places], fontsize=7)


def _page(model: str, report: DriftReport, drawn: str) -> str:
    rows = [["column", "importance", "newest index", "drift"]]
    for story in report.columns:
        newest, importance = story.looks[-1].psi, story.importance
        figures = ["" if each is None else f"{each:.3f}" for each in (importance, newest)]
        rows.append([story.name, *figures, "; ".join(f"since {told.since}: {told.words}" for told in story.told)])
    note = f"<p>Version {html.escape(report.version)}, against {html.escape(report.reference)}.</p>"
    return page_of(f"{model}: drift", drawn, rows, note=note)
