"""`penstock up` and `penstock run`: the whole stack in the foreground, or one of its processes."""

import sys
from dataclasses import asdict

import click
import orjson

from penstock import processes, supervisor
from penstock.cli.options import config_given, example, with_settings
from penstock.cli.output import say
from penstock.roles import ROLES
from runtime.settings import Settings
from runtime.stack import Stack, attach

_EMBEDDED_NOTE = (
    "embedded stack: the broker keeps its records in memory, scoring is at-least-once, one scorer; "
    "name real servers in kafka.bootstrap_servers for exactly-once"
)


@click.command(epilog=example("penstock up --data-dir .penstock", "penstock up --config penstock.toml --workers 4"))
@click.option("--workers", type=int, help="Scorer processes; the embedded broker allows one.  [default: 1]")
@with_settings("workers")
def up(settings: Settings) -> int:
    """Run the whole stack in the foreground.

    Prints `ready {json}` when everything serves, starts again what dies, and stops cleanly on
    Ctrl-C or SIGTERM. Without servers in the configuration an embedded broker is started.
    """
    if settings.kafka.embedded:
        say(_EMBEDDED_NOTE)
    config = config_given()
    return supervisor.up(settings, config=None if config is None else str(config), on_ready=_announce)


@click.command(epilog=example("penstock run scorer --slot 1 --config penstock.toml"))
@click.argument("role", type=click.Choice(sorted(ROLES)))
@click.option(
    "--slot", type=click.IntRange(min=0), default=0, show_default=True, help="Which of several such processes."
)
@click.option("--supervised", is_flag=True, hidden=True)
@with_settings()
def run(settings: Settings, role: str, slot: int, *, supervised: bool) -> int:
    """Run one process of the stack alone, until it is told to stop."""
    attached = settings if role == "broker" else attach(settings)
    return processes.run(role, attached, slot=slot, supervised=supervised)


def _announce(stack: Stack) -> None:
    sys.stdout.write(f"ready {orjson.dumps(asdict(stack)).decode()}\n")
    sys.stdout.flush()
