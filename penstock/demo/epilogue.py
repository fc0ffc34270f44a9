"""What the whole story came to: figures by month and version, a chart of the error rate, and whether all was seen."""

import re
from collections.abc import Sequence

from rich.console import Console

from consumers.timeline import Moment
from penstock import wiring
from penstock.cli.tables import table_text
from penstock.demo.error_chart import Chart, as_text, draw
from penstock.demo.error_rates import ErrorRates, Rate
from penstock.demo.flight_days import FlightDays
from penstock.demo.story import Story
from penstock.errors import DemoFailedError
from runtime.settings import Settings
from schemas.alarms import DRIFT, PERFORMANCE, REFERENCE

PICTURE = "error-rate.png"
SCALE = "scale"
_SIGNALS = (DRIFT, PERFORMANCE, REFERENCE)
_MARKED = (
    *("Activated", DRIFT, "RetrainRequested", "Trained", "TrainingFailed", "RolloutStarted", "Widened"),
    *("Promoted", "Inconclusive", "RolledBack", "Barred"),
)
_SHARE = re.compile(r"\b(\d+) %")


def print_story(settings: Settings, story: Story, console: Console) -> None:
    """Months with what was signaled in each, versions since the fault, and the chart; all of it from the store."""
    store = wiring.store(settings)
    rates, days = ErrorRates(store), FlightDays.of(store)
    console.print("\n[bold]The error rate by month, and what was signaled in it[/]")
    for month in rates.by_month():
        console.print(f"  {month.name}: {_in_words(month)}", highlight=False, markup=False)
        told = [f"    {days.at(each.at)}  {each.kind}: {each.words}" for each in story.of(*_SIGNALS)]
        told = [line for line in told if line.strip().startswith(month.name)]
        console.print("\n".join(told) or "    nothing was signaled", highlight=False, markup=False)
    if story.fault.changes_something:
        console.print(f"\n[bold]Flights since {story.fault.day}, by the version that answered[/]")
        rows = [
            {"version": each.name, "flights": each.flights, "error_rate": round(each.error_rate, 3)}
            for each in rates.by_version(since=story.fault.since)
        ]
        console.print(table_text(rows), markup=False, highlight=False)
    chart = Chart(days=rates.by_day(), served=rates.served(), marks=_marks(story, days))
    console.print("\n[bold]The error rate by day of departure, and what happened when[/]")
    console.print(as_text(chart), highlight=False, markup=False)
    picture = settings.data_dir / PICTURE
    draw(picture, chart)
    console.print(f"  the same as a picture: {picture}", highlight=False, markup=False)


def check_story(story: Story) -> str:
    """What was seen, in a sentence. Raises `DemoFailedError` naming what was not, or what should not have been."""
    if not story.fault.changes_something:
        return _check_quiet(story)
    named = story.named
    wanted = {
        **{f"a drift signal that names {name}": name in named for name in story.fault.factors},
        "a retrain that was asked for": bool(story.requested),
        "a candidate that came to serve": story.answered,
        "an error rate that falls again": story.errors.recovered,
        "the bad version taken back": story.bad_taken_back,
    }
    missing = [what for what, was in wanted.items() if not was]
    if missing:
        raise DemoFailedError(
            f"the story did not come to its end; not seen: {', '.join(missing)}. "
            "A fault that changes little may go unnoticed: name a larger factor, or another feature"
        )
    called = "; ".join(f"{name} ({words})" for name, words in named.items())
    healed = (
        f"version {', '.join(sorted(story.promoted))} promoted" if story.promoted else "the version kept, as better"
    )
    return f"{called} noticed, {healed}, version {story.bad_version} taken back"


def _check_quiet(story: Story) -> str:
    """Without a fault no scale is signaled, and nothing rolled back."""
    wrong = [moment.words for moment in story.of(DRIFT) if f"({SCALE}" in moment.words]
    wrong += [moment.words for moment in story.of("RolledBack")]
    if wrong:
        raise DemoFailedError(f"nothing was wrong, and yet: {'; '.join(wrong)}")
    return "there was no fault, no change of scale was signaled, and nothing was rolled back"


def _marks(story: Story, days: FlightDays) -> list[tuple[str, str]]:
    """What happened on which day, in a few words each."""
    fault, named = story.fault, tuple(story.named)
    marks = [(fault.day.isoformat(), f"the fault begins: {fault.words}")] if fault.changes_something else []
    marks += [(days.at(moment.at), _few_words(moment, named)) for moment in story.of(*_MARKED)]
    return sorted(dict.fromkeys([*marks, *story.turns]), key=lambda mark: mark[0])


def _few_words(moment: Moment, features: Sequence[str]) -> str:
    """The kind and the versions, with the share that a canary gets, or those of the features that drifted."""
    words = " ".join((moment.kind, *moment.versions))
    share = _SHARE.search(moment.words)
    if moment.kind in ("RolloutStarted", "Widened") and share is not None:
        return f"{words}, {share.group(1)} %"
    if moment.kind == "RolledBack":
        return f"RolledBack: {', '.join(moment.versions)} serves"
    if moment.kind == DRIFT:
        names = [name for name in features if f" {name} (" in moment.words]
        return f"{words}: {', '.join(names)}" if names else words
    return words


def _in_words(rate: Rate) -> str:
    return f"{rate.flights:,} flights whose outcome is known, error rate {rate.error_rate:.3f}"
