"""`penstock models bar|unbar|retire`: taking a version out of use, and back."""

import click

from penstock.cli.arguments import ModelName
from penstock.cli.options import example, with_json, with_settings
from penstock.cli.output import print_fields, print_json
from penstock.commanding import command
from runtime.settings import Settings

_REASON = click.option("--reason", required=True, metavar="TEXT", help="Why; kept in the journal and shown to others.")
_TIMEOUT = click.option(
    "--timeout", type=click.FloatRange(min=0.1), default=30.0, show_default=True, help="Seconds to wait."
)


@click.command(epilog=example("penstock models bar flights 2 --reason 'scores too low for freight'"))
@click.argument("name", type=ModelName())
@click.argument("version")
@_REASON
@_TIMEOUT
@with_json
@with_settings()
def bar(settings: Settings, name: str, version: str, *, reason: str, timeout: float, as_json: bool) -> None:
    """Let VERSION of the model NAME serve by no path until a person lifts it.

    Refused while it serves: activate another version first.
    """
    _ask(settings, "bar", name, version, reason=reason, timeout=timeout, as_json=as_json)


@click.command(epilog=example("penstock models unbar flights 2 --reason 'the reference data were wrong'"))
@click.argument("name", type=ModelName())
@click.argument("version")
@_REASON
@_TIMEOUT
@with_json
@with_settings()
def unbar(settings: Settings, name: str, version: str, *, reason: str, timeout: float, as_json: bool) -> None:
    """Lift the bar from VERSION of the model NAME; only a person may."""
    _ask(settings, "unbar", name, version, reason=reason, timeout=timeout, as_json=as_json)


@click.command(epilog=example("penstock models retire flights 1 --reason 'trained before the new terminal'"))
@click.argument("name", type=ModelName())
@click.argument("version")
@_REASON
@_TIMEOUT
@with_json
@with_settings()
def retire(settings: Settings, name: str, version: str, *, reason: str, timeout: float, as_json: bool) -> None:
    """End the life of VERSION of the model NAME: it stays on the shelf and never serves again.

    Refused while it serves: activate another version first.
    """
    _ask(settings, "retire", name, version, reason=reason, timeout=timeout, as_json=as_json)


def _ask(
    settings: Settings, action: str, name: str, version: str, *, reason: str, timeout: float, as_json: bool
) -> None:
    arguments = {"version": version, "reason": reason}
    entry = command(settings, action, name, arguments=arguments, wait_s=timeout)
    answer = {"model": name, "version": version, "answer": entry.reason, "command_id": entry.command_id}
    (print_json if as_json else print_fields)(answer)
