"""`penstock timeline`: what happened to a model, each thing under the one that led to it."""

import io
import shutil
import sys
from collections.abc import Iterator
from dataclasses import asdict

import click
from rich.console import Console
from rich.text import Text
from rich.tree import Tree

from consumers.timeline import Moment, Step, trees
from consumers.timeline_reading import timeline as read_timeline
from penstock import wiring
from penstock.cli.arguments import ModelName
from penstock.cli.arguments import Moment as MomentArgument
from penstock.cli.options import example, with_json, with_settings
from penstock.cli.output import iso, print_json, say
from penstock.cli.tables import PIPE_WIDTH
from runtime.settings import Settings

_BAD = frozenset({"drift", "performance", "guardrail", "TrainingFailed", "RolledBack", "Barred", "Refused", "Rejected"})
_GOOD = frozenset({"Trained", "Approved", "Promoted", "Activated"})


@click.command(epilog=example("penstock timeline flights", "penstock timeline flights --since 2026-03-01 --json"))
@click.argument("name", type=ModelName())
@click.option("--since", type=MomentArgument(), help="Leave out chains that ended before this time.")
@with_json
@with_settings()
def timeline(settings: Settings, name: str, *, since: int | None, as_json: bool) -> None:
    """What happened to the model NAME: alarms, retrains, candidates, rollouts, and what led to what.

    From the store, so also after topics have forgotten. Times are when it was decided or noticed.
    """
    chains = [
        chain
        for chain in trees(read_timeline(wiring.store(settings), name))
        if since is None or any(moment.at >= since for moment in _moments(chain))
    ]
    if as_json:
        moments = [moment for chain in chains for moment in _moments(chain)]
        print_json([_record(moment) for moment in sorted(moments, key=lambda each: each.at)])
        return
    terminal = sys.stdout.isatty()
    width = shutil.get_terminal_size().columns if terminal else PIPE_WIDTH
    for chain in chains:
        sys.stdout.write(drawn(chain, width=width, styled=terminal) + "\n")
    if not chains:
        say(f"nothing is stored about {name}")


def drawn(step: Step, *, width: int, styled: bool = False) -> str:
    """A chain as text, what followed indented under what led to it."""
    screen = io.StringIO()
    console = Console(file=screen, width=width, highlight=False, markup=False, force_terminal=styled)
    console.print(_branch(step))
    return "\n".join(line.rstrip() for line in screen.getvalue().rstrip("\n").split("\n"))


def _branch(step: Step) -> Tree:
    branch = Tree(_label(step.moment), guide_style="dim")
    for each in step.followed_by:
        branch.children.append(_branch(each))
    return branch


def _label(moment: Moment) -> Text:
    style = "red" if moment.kind in _BAD else "green" if moment.kind in _GOOD else "bold"
    label = Text.assemble((iso(moment.at), "dim"), "  ", (moment.kind, style))
    if moment.versions:
        label.append(f" {', '.join(moment.versions)}")
    if moment.who:
        label.append(f" by {moment.who}", "dim")
    return label.append(f": {moment.words}")


def _moments(step: Step) -> Iterator[Moment]:
    yield step.moment
    for each in step.followed_by:
        yield from _moments(each)


def _record(moment: Moment) -> dict[str, object]:
    return {**asdict(moment), "at": iso(moment.at)}
