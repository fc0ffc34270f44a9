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
MAIN_JOB_REQUESTS = 52_000
MAIN_JOB_RATE, STORY_RATE = 1_000.0, 300.0


@click.command(epilog=example("penstock demo", "penstock demo --requests 5000", "penstock demo --fault"))
@click.option(
    "--requests",
    type=click.IntRange(min=100),
    help=f"Replay so many flights.  [default: {MAIN_JOB_REQUESTS}, with --fault as many as it takes]",
)
@click.option(
    "--rate",
    type=click.FloatRange(min=1),
    help=f"Requests a second.  [default: {MAIN_JOB_RATE:.0f}, with --fault {STORY_RATE:.0f}]",
)
@click.option("--fault", is_flag=True, help="Go on to a fault in the data, and what becomes of it.")
@with_settings(data_dir=DATA_DIR)
def demo(settings: Settings, *, requests: int | None, rate: float | None, fault: bool) -> None:
    """Score flights out of New York; with --fault, see a fault in them noticed, and what is done about it.

    Trains on January to March, starts the embedded stack, replays flights from April on with each
    label when that plane landed, swaps versions on the way and sends poison on purpose. Ends with
    the ledger and three questions to the store. Everything is in the data directory, which is
    emptied first.

    With --fault dep_delay comes in hours and distance in kilometers from DEMO_FAULT_DAY on
    (2013-04-15); DEMO_FAULT_FEATURE and DEMO_FAULT_FACTOR name other features and another factor,
    1 is no fault. Ends with a chart of the error rate too, and with an error if the story did not
    come to its end.
    """
    if not settings.kafka.embedded:
        raise DemoFailedError("the demo runs on the embedded broker: leave kafka.bootstrap_servers empty")
    if fault and requests is not None:
        raise click.UsageError("with --fault as many flights are replayed as it takes: leave --requests out")
    if fault:
        plan = DemoPlan(requests=None, rate=rate or STORY_RATE, fault=Fault.of(os.environ))
    else:
        plan = DemoPlan(requests=requests or MAIN_JOB_REQUESTS, rate=rate or MAIN_JOB_RATE)
    end_in_order()
    run_demo(settings, plan, Console(soft_wrap=True))
