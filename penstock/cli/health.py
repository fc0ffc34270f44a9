"""`penstock health`: whether one process serves, for whatever supervises it."""

import click

from penstock.cli.options import example, with_settings
from penstock.errors import UnhealthyError
from penstock.health import fault_of
from penstock.roles import ROLES
from runtime.settings import Settings


@click.command(epilog=example("penstock health scorer --slot 1"))
@click.argument("role", type=click.Choice(sorted(ROLES)))
@click.option(
    "--slot", type=click.IntRange(min=0), default=0, show_default=True, help="Which of several such processes."
)
@click.option(
    "--timeout", type=click.FloatRange(min=0.1), default=2.0, show_default=True, help="Seconds for its metrics."
)
@with_settings()
def health(settings: Settings, role: str, slot: int, *, timeout: float) -> None:
    """Exit with 0 if the process of this data directory serves, else with 1 and the reason.

    The process's own word is read, which is at most a second old while it lives. It is told
    from that of others by its role and slot.
    """
    fault = fault_of(settings, role, slot, timeout_s=timeout)
    if fault is not None:
        raise UnhealthyError(fault)
    click.echo(f"{role}-{slot} serves")
