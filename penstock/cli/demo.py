"""`penstock demo`: the main job on a year of real flights, and what becomes of a fault in them."""

import os
from pathlib import Path

import click
from rich.console import Console

from penstock.cli.options import example, with_settings
from penstock.demo.fault import Fault
from penstock.demo.performance import DemoPlan
from penstock.demo.run import end_in_order, run_demo
from penstock.errors import DemoFailedError
from runtime.settings import Settings

DATA_DIR = Path(".demo")
STORY_RATE, MAIN_JOB_RATE = 300.0, 1_000.0


@click.command(
    epilog=example("penstock demo", "DEMO_FAULT_DAY=2013-05-20 penstock demo", "penstock demo --requests 5000")
)
@click.option(
    "--requests",
    type=click.IntRange(min=100),
    help="Replay so many flights and no more: the main job, without a fault.",
)
@click.option(
    "--rate",
    type=click.FloatRange(min=1),
    help=f"Requests a second.  [default: {STORY_RATE:.0f}, with --requests {MAIN_JOB_RATE:.0f}]",
)
@with_settings(data_dir=DATA_DIR)
def demo(settings: Settings, *, requests: int | None, rate: float | None) -> None:
    """Score a year's flights out of New York, see a fault in them noticed, and what is done about it.

    Trains on January to March, starts the embedded stack, replays flights from April on with each
    label when that plane landed, swaps versions on the way and sends poison on purpose. From
    DEMO_FAULT_DAY on (2013-04-15) dep_delay comes in hours and distance in kilometers;
    DEMO_FAULT_FEATURE and DEMO_FAULT_FACTOR name other features and another factor, 1 is no fault.
    Ends with the ledger, three questions to the store and a chart of the error rate. Everything is
    in the data directory, which is emptied first.
    """
    if not settings.kafka.embedded:
        raise DemoFailedError("the demo runs on the embedded broker: leave kafka.bootstrap_servers empty")
    if requests is None:
        plan = DemoPlan(requests=None, rate=rate or STORY_RATE, fault=Fault.of(os.environ))
    else:
        plan = DemoPlan(requests=requests, rate=rate or MAIN_JOB_RATE)
    end_in_order()
    run_demo(settings, plan, Console(soft_wrap=True))
