"""What the benchmark of drift measured, as JSON for machines and as a part of docs/drift.md for people."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

import orjson
from scipy import stats

from benchmarks.contender import ROOT
from benchmarks.drift_contenders import BUDGET_ROWS, CONTENDERS, PENSTOCK
from benchmarks.drift_losses import middle
from benchmarks.page import joined, split

RESULTS = ROOT / "benchmarks" / "results" / "drift.json"
PAGE = ROOT / "docs" / "drift.md"
HEADING = "## Measured"
CHANCE_LEAST = 0.01
STREAMS = {
    "independent": "rows that know nothing of each other",
    "wobbling": "numbers that wander by .15 sd, a thousand rows long",
    "flights": "flights, in stretches of 250 drawn at random",
}
WANTED: Mapping[str, int] = {
    "shift of .1 sd": 12_000,
    "shift of .25 sd": 2_500,
    "shift of .5 sd": 1_500,
    "variance x 1.5": 2_500,
    "missing, 1 % to 5 %": 2_000,
    "new category, 5 %": 1_000,
    "unit, x 100": 1_000,
    "shift of 1 sd over 50,000 rows": 12_000,
}
"""Median rows from a change to its alarm, at most."""
PART = """\
{heading}

`python -m benchmarks.drift` measures this with the shipped code and draws this part of the page.
The streams are seeded, so that it finds the same again; every single delay is in `benchmarks/results/drift.json`.

### False alarms

{rows:,} rows of each kind do not change.
There are 20 or 21 columns, 300 blocks of 1,000 rows are the reference, and the budget is one in {budget:,} rows.
So {allowed} are allowed.

{quiet}

At its defaults and fed with every value, ADWIN raised {values_alarms:,} alarms on {values:,} independent rows.

### Delays

Median rows from a change in one column to the alarm, of {changes} changes that begin anywhere in a block.

{delays}

### Losses

False alarms in a million labels, and median labels until a rise is told after 5,000 at the rate before.
Calm: a rate of .1; wobbling: one that wanders by itself, with a standard deviation of .2 on a log scale.
The e-detector has a margin of .02 above .1 and of .01 above .05, and where the rate wobbles one of .05.

{losses}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class LossFigures:
    """Of one detector: false alarms in a million labels by stream, and labels until a rise was told, by rise."""

    alarms: Mapping[str, float]
    delays: Mapping[str, Sequence[int | None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Results:
    """Alarms by stream and contender on so many `rows` that do not change, and delays by change and contender.

    A delay of None: it was not found. `losses`: by detector.
    """

    rows: int
    false_alarms: Mapping[str, Mapping[str, int]]
    values: int
    alarms_on_every_value: int
    delays: Mapping[str, Mapping[str, Sequence[int | None]]]
    labels: int
    losses: Mapping[str, LossFigures]


def missed(results: Results) -> list[str]:
    """What falls short, in words: a budget that is overdrawn beyond chance, a change that takes too long."""
    allowed = results.rows / BUDGET_ROWS
    budgets = [
        f"{stream}: {alarms[PENSTOCK]} false alarms where {allowed:g} are allowed"
        for stream, alarms in results.false_alarms.items()
        if stats.poisson.sf(alarms[PENSTOCK] - 1, allowed) < CHANCE_LEAST
    ]
    delays = [
        f"{change}: {middle(results.delays[change][PENSTOCK])} rows until it is told, wanted {wanted:,}"
        for change, wanted in WANTED.items()
        if (middle(results.delays[change][PENSTOCK]) or float("inf")) > wanted
    ]
    return budgets + delays


def write_results(results: Results) -> None:
    """Write the figures for machines."""
    RESULTS.parent.mkdir(parents=True, exist_ok=True)
    RESULTS.write_bytes(orjson.dumps(asdict(results), option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))


def load_results() -> Results:
    """What was measured last."""
    found = orjson.loads(RESULTS.read_bytes())
    losses = {name: LossFigures(**figures) for name, figures in found["losses"].items()}
    return Results(**{**found, "losses": losses})


def write_part(part: str) -> None:
    """Write the last part of the page anew."""
    before, _ = split(PAGE.read_text(encoding="utf-8"), HEADING)
    PAGE.write_text(joined(before, part), encoding="utf-8")


def drawn_part() -> str:
    """The part as it is on the page."""
    return split(PAGE.read_text(encoding="utf-8"), HEADING)[1]


def as_markdown(results: Results) -> str:
    """The part of `docs/drift.md`."""
    return PART.format(
        heading=HEADING,
        rows=results.rows,
        budget=BUDGET_ROWS,
        allowed=f"{results.rows / BUDGET_ROWS:g}",
        quiet=_table(
            ("stream", *CONTENDERS),
            [(words, *results.false_alarms[name].values()) for name, words in STREAMS.items()],
        ),
        values=results.values,
        values_alarms=results.alarms_on_every_value,
        changes=len(next(iter(results.delays.values()))[PENSTOCK]),
        delays=_table(
            ("change", *CONTENDERS, "wanted at most"),
            [
                (change, *(_median(found) for found in results.delays[change].values()), f"{wanted:,}")
                for change, wanted in WANTED.items()
            ],
        ),
        losses=_losses(results),
    )


def _losses(results: Results) -> str:
    rises = list(next(iter(results.losses.values())).delays)
    kinds = ("calm", "at the margin", "wobbling")
    rows = [
        (
            name,
            *(f"{figures.alarms[kind]:,.0f}" if kind in figures.alarms else "" for kind in kinds),
            *(_median(figures.delays[rise]) for rise in rises),
        )
        for name, figures in results.losses.items()
    ]
    return _table(("detector", *kinds, *rises), rows)


def _median(found: Sequence[int | None]) -> str:
    """The median in short; how many were found where most were not, or were told of too early.

    >>> _median([1_000, 2_000, 3_000]), _median([None, None, 5]), _median([])
    ('2,000', '1 of 3 found', '')
    """
    if not found:
        return ""
    ordered = middle(found)
    return f"{sum(each is not None for each in found)} of {len(found)} found" if ordered is None else f"{ordered:,.0f}"


def _table(head: Sequence[object], rows: Sequence[Sequence[object]]) -> str:
    """Rows in Markdown, figures to the right."""
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines)
