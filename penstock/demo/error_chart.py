"""The error rate by day with what happened when, as text and as a picture."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from penstock.demo.error_rates import Rate
from penstock.demo.scene import MODEL

_BAR_WIDTH = 40
_COLORS = ("#31659c", "#c53030", "#2f855a", "#b7791f", "#6b46c1", "#0987a0")


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """`days` in order; `served`: the version that answered most flights of a day; `marks`: what happened, by day."""

    days: Sequence[Rate]
    served: Mapping[str, str]
    marks: Sequence[tuple[str, str]]


def as_text(chart: Chart) -> str:
    """A bar for each day, the version that served, and what happened beside it.

    >>> day = Rate(name="2013-04-08", flights=900, error_rate=0.2)
    >>> print(as_text(Chart(days=[day], served={"2013-04-08": "1"}, marks=[("2013-04-08", "drift 1")])))
    2013-04-08  version 1  0.200 ########################################  drift 1
    """
    most = max((each.error_rate for each in chart.days), default=0.0) or 1.0
    return "\n".join(
        f"{each.name}  version {chart.served.get(each.name, '?')}  {each.error_rate:.3f} "
        f"{'#' * round(_BAR_WIDTH * each.error_rate / most):<{_BAR_WIDTH}}  "
        f"{'; '.join(words for day, words in chart.marks if day == each.name)}".rstrip()
        for each in chart.days
    )


def draw(path: Path, chart: Chart) -> None:
    """The same as a PNG: numbers on the curve, and beside it what they stand for."""
    from matplotlib.figure import Figure  # noqa: PLC0415  takes a second to import, and most calls do without

    figure = Figure(figsize=(15, 7), layout="constrained")
    axes, legend = figure.subplots(1, 2, width_ratios=(3, 1))
    places = {each.name: place for place, each in enumerate(chart.days)}
    rates = [each.error_rate for each in chart.days]
    axes.plot(list(places.values()), rates, color="#a0aec0", linewidth=1)
    for number, version in enumerate(sorted(set(chart.served.values()), key=_order)):
        own = [place for day, place in places.items() if chart.served.get(day) == version]
        color = _COLORS[number % len(_COLORS)]
        axes.scatter(own, [rates[place] for place in own], color=color, s=22, zorder=3, label=f"version {version}")
    top = max(rates, default=0.0) * 1.25 or 1.0
    days = list(dict.fromkeys(day for day, _ in chart.marks if day in places))
    lines = []
    for number, day in enumerate(days, start=1):
        axes.axvline(places[day], linestyle=":", linewidth=1, color="gray")
        axes.text(
            places[day],
            top * (0.97 - 0.05 * (number % 4)),
            str(number),
            ha="center",
            va="center",
            fontsize=9,
            bbox={"boxstyle": "circle", "facecolor": "white", "edgecolor": "gray"},
        )
        lines += [f"{number}  {day}", *(f"     {words}" for other, words in chart.marks if other == day)]
    axes.set_xticks(list(places.values())[::7], list(places)[::7], rotation=45, ha="right")
    axes.set_ylim(0, top)
    axes.set_ylabel("error rate")
    axes.set_title(f"{MODEL}: error rate by day of departure, by the version that answered most")
    axes.grid(axis="y", alpha=0.3)
    legend.axis("off")
    legend.legend(*axes.get_legend_handles_labels(), loc="lower left")
    legend.text(0, 1, "\n".join(lines), va="top", fontsize=9, transform=legend.transAxes)
    figure.savefig(path, dpi=110)


def _order(version: str) -> tuple[int, str]:
    return len(version), version
