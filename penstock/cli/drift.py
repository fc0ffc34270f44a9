"""`penstock report drift`: what a version is asked now, beside what it was trained on, and what was signaled."""

from pathlib import Path

import click

from consumers.drift_report import ColumnStory, DriftReport, Look, Window, report_drift, window_name
from consumers.sinks.shape import time_text
from penstock import wiring
from penstock.cli.arguments import ModelName
from penstock.cli.options import example, with_json, with_settings
from penstock.cli.output import print_json, print_table, say
from registry.bundles import read_manifest
from registry.reference_profile import ReferenceProfile
from runtime.settings import Settings

LEVELS = (0.0, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0)
"""From this index on, a window has the bar of that height."""
BARS = tuple(chr(ord("\N{LOWER ONE EIGHTH BLOCK}") + height) for height in range(len(LEVELS)))
UNKNOWN = "\N{MIDDLE DOT}"


@click.command(
    epilog=example("penstock report drift flights", "penstock report drift flights --version 1 --plot drift.png")
)
@click.argument("name", type=ModelName())
@click.option("--version", metavar="VERSION", help="Of this version; without it of the one that was last in charge.")
@click.option(
    "--plot",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Draw it too: writes FILE.png and FILE.html.",
)
@with_json
@with_settings()
def drift(settings: Settings, name: str, *, version: str | None, plot: Path | None, as_json: bool) -> None:
    """Features and scores of the model NAME against their reference over time, and the signals about them."""

    def find_reference(bundle: str) -> ReferenceProfile:
        return read_manifest(settings.registry_dir / "bundles", bundle).profile

    report = report_drift(wiring.store(settings), name, find_reference, version=version)
    if report is not None and plot is not None:
        # Drawing takes a second to import, and most calls do without.
        from penstock.cli.drift_drawing import draw_drift  # noqa: PLC0415

        for path in draw_drift(plot, name, report):
            say(f"drawn in {path}")
    if as_json:
        print_json(_plain(name, report))
    elif report is None:
        say(f"no rows of {name} were profiled yet")
    else:
        _print(name, report)


def _print(name: str, report: DriftReport) -> None:
    """A line for each column, and one for each column that was signaled."""
    say(f"{name}, version {report.version}, against {report.reference}")
    if not report.judged:
        say("the reference has no order of time: what is usual is learned from the first live rows, and drift by that")
    print_table([_row(story, report.windows) for story in report.columns])
    first, last = report.windows[0], report.windows[-1]
    say(
        f"index: population stability index; bars from {window_name(first)} on, {len(report.windows)} windows of "
        f"{(last.end - last.start) // 3_600_000} h, at {', '.join(f'{level:g}' for level in LEVELS[1:])}"
    )
    for story in report.columns:
        for told in story.told:
            say(f"{story.name}: drift since {told.since}: {told.words}")


def _row(story: ColumnStory, windows: tuple[Window, ...]) -> dict[str, object]:
    newest, highest = story.looks[-1], story.highest
    return {
        "column": story.name,
        "importance": None if story.importance is None else round(story.importance, 3),
        "reference": look_words(story.reference),
        "newest": look_words(newest),
        "missing": f"{story.reference.missing:.1%} to {newest.missing:.1%}",
        "index": None if newest.psi is None else round(newest.psi, 3),
        "highest": "" if highest is None else f"{story.looks[highest].psi:.3f} on {window_name(windows[highest])}",
        "over time": "".join(bar(look.psi) for look in story.looks),
        "signaled": story.told[-1].words if story.told else "",
    }


def look_words(look: Look) -> str:
    """The middle of numbers with what lies around it, the first of texts.

    >>> look_words(Look(missing=0.0, quantiles=(-6.0, -2.0, 0.0, 11.5, 90.0), top={}))
    '0 (-6 to 90)'
    >>> look_words(Look(missing=0.0, quantiles=(), top={"UA": 0.5, "AA": 0.25}))
    'UA 50%, AA 25%'
    """
    if look.quantiles:
        return f"{look.quantiles[2]:.4g} ({look.quantiles[0]:.4g} to {look.quantiles[-1]:.4g})"
    return ", ".join(f"{name} {share:.0%}" for name, share in look.top.items())


def bar(index: float | None) -> str:
    """How far a window is from the reference, as one character.

    >>> BARS.index(bar(0.003)), BARS.index(bar(0.3)), BARS.index(bar(7.0))
    (0, 5, 7)
    """
    return UNKNOWN if index is None else BARS[sum(index >= level for level in LEVELS) - 1]


def _plain(name: str, report: DriftReport | None) -> dict[str, object]:
    if report is None:
        return {"model": name, "version": None, "windows": [], "columns": []}
    return {
        "model": name,
        "version": report.version,
        "reference": report.reference,
        "reference_in_time_order": report.judged,
        "windows": [
            {"start": time_text(each.start), "end": time_text(each.end), "rows": each.rows, "profiled": each.profiled}
            for each in report.windows
        ],
        "columns": [_plain_column(story) for story in report.columns],
    }


def _plain_column(story: ColumnStory) -> dict[str, object]:
    return {
        "name": story.name,
        "importance": story.importance,
        "reference": _plain_look(story.reference),
        "windows": [_plain_look(look) for look in story.looks],
        "signals": [{"id": told.signal_id, "since": told.since, "words": told.words} for told in story.told],
    }


def _plain_look(look: Look) -> dict[str, object]:
    return {"missing": look.missing, "quantiles": list(look.quantiles), "top": dict(look.top), "psi": look.psi}
