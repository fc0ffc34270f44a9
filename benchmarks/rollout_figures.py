"""Draws what simulated rollouts came to, as SVG that is the same whenever the results are."""

from pathlib import Path

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.rollout_results import Power, RolloutResults, digest_of

DOCS = Path(__file__).resolve().parents[1] / "docs"
FALSE_DECISIONS = DOCS / "rollouts-false-decisions.svg"
POWER = DOCS / "rollouts-power.svg"
GREEN, RED, AMBER, BLUE = "#2f855a", "#c53030", "#b7791f", "#31659c"
_PANELS_A_ROW = 3


def draw_figures(results: RolloutResults) -> None:
    """Both figures; each carries the digest of the results in its description."""
    _save(_false_decisions(results), FALSE_DECISIONS, results)
    _save(_power(results), POWER, results)


def _false_decisions(results: RolloutResults) -> Figure:
    """The share of rollouts of equal candidates that were called worse by then; one panel a world."""
    rows = -(-len(results.false_rollbacks) // _PANELS_A_ROW)
    figure = Figure(figsize=(10.0, 2.9 * rows), layout="constrained")
    panels = figure.subplots(rows, _PANELS_A_ROW, sharex=True, sharey=True, squeeze=False).flat
    for axes, world in zip(panels, results.false_rollbacks, strict=False):
        looks = [(look + 1) * results.stretch_labels / 1_000 for look in range(len(world.penstock))]
        axes.plot(looks, world.naive, RED, label="z-test at each look")
        axes.plot(looks, world.pooled, AMBER, label="pooled confidence sequence")
        axes.plot(looks, world.penstock, GREEN, linewidth=2, label="penstock")
        axes.axhline(results.alpha, color=BLUE, linestyle="dashed", linewidth=1, label=f"alpha {results.alpha}")
        axes.set_title(world.world.replace(" while", "\nwhile"), fontsize=9)
        axes.set_ylim(-0.02, 1.02)
        axes.grid(alpha=0.3)
    figure.supxlabel("labels of both arms, thousands", fontsize=9)
    figure.supylabel("called worse, of candidates that are not", fontsize=9)
    handles, labels = figure.axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=4, fontsize=9)
    return figure


def _power(results: RolloutResults) -> Figure:
    """The share of rollouts that were decided by then; one panel a share, one curve a pair of mean losses."""
    shares = sorted({each.share for each in results.power})
    figure = Figure(figsize=(10.0, 4.2), layout="constrained")
    panels = figure.subplots(1, len(shares), sharey=True, squeeze=False).flat
    for axes, share in zip(panels, shares, strict=True):
        for number, each in enumerate(each for each in results.power if each.share == share):
            _draw_decided(axes, each, mpl.colormaps["viridis"](number / 7.0), results)
        axes.set_xscale("log")
        axes.set_xlim(300, results.labels_max)
        axes.set_title(f"{share:.0%} of the entities", fontsize=9)
        axes.set_ylim(-0.02, 1.02)
        axes.grid(alpha=0.3)
    figure.supxlabel("labels of both arms", fontsize=9)
    figure.supylabel("decided, of all rollouts", fontsize=9)
    handles, labels = figure.axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=4, fontsize=8)
    return figure


def _draw_decided(axes: Axes, each: Power, color: tuple[float, float, float, float], results: RolloutResults) -> None:
    worse = each.rolled_back > each.promoted
    parts = [(place + 1) / results.power_rollouts for place in range(len(each.labels))]
    axes.step(
        [*each.labels, results.labels_max],
        [*parts, parts[-1] if parts else 0.0],
        where="post",
        color=color,
        linestyle="solid" if worse else "dashed",
        label=f"{each.control_loss:.0%} against {each.candidate_loss:.0%}: {'rolled back' if worse else 'promoted'}",
    )


def _save(figure: Figure, path: Path, results: RolloutResults) -> None:
    """Neither the date nor random names: a run that comes to the same changes no byte."""
    with mpl.rc_context({"svg.hashsalt": path.name}):
        figure.savefig(path, format="svg", metadata={"Date": None, "Description": digest_of(results)})
    lines = (line.rstrip() for line in path.read_text(encoding="utf-8").splitlines())
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
