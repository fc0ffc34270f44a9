"""`penstock demo`: the main job on a year of real flights."""

from pathlib import Path

import click
from rich.console import Console

from penstock.cli.options import example, with_settings
from penstock.demo.performance import DemoPlan
from penstock.demo.run import end_in_order, run_demo
from penstock.errors import DemoFailedError
from runtime.settings import Settings

DATA_DIR = Path(".demo")


@click.command(epilog=example("penstock demo", "penstock demo --requests 5000 --rate 500"))
@click.option("--requests", type=click.IntRange(min=100), default=52_000, show_default=True, help="Flights to replay.")
@click.option("--rate", type=click.FloatRange(min=1), default=1_000.0, show_default=True, help="Requests a second.")
@with_settings(data_dir=DATA_DIR)
def demo(settings: Settings, *, requests: int, rate: float) -> None:
    """Score a year's flights out of New York and see the whole loop work.

    Trains two versions on January to March, starts the embedded stack, replays flights from April
    on, swaps versions half way, sends poison on purpose, and ends with the ledger and three
    questions to the store. Everything is in the data directory, which is emptied first.
    """
    if not settings.kafka.embedded:
        raise DemoFailedError("the demo runs on the embedded broker: leave kafka.bootstrap_servers empty")
    end_in_order()
    run_demo(settings, DemoPlan(requests=requests, rate=rate), Console(soft_wrap=True))
