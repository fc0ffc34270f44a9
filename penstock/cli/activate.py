"""`penstock activate`: let a version of a model serve."""

import json
from uuid import uuid4

import click

from penstock import wiring
from penstock.cli.options import example, with_json, with_settings
from penstock.cli.output import print_fields, print_json
from penstock.cli.versions import find_version
from penstock.commanding import command, publish
from penstock.errors import CommandRefusedError
from runtime.settings import Settings
from runtime.stack import attach

_SERVABLE = frozenset({"validated", "approved"})


@click.command(epilog=example("penstock activate flights 2"))
@click.argument("name")
@click.argument("version")
@click.option("--wait/--no-wait", default=True, show_default=True, help="Wait until the controller has decided.")
@click.option("--timeout", type=click.FloatRange(min=0.1), default=30.0, show_default=True, help="Seconds to wait.")
@with_json
@with_settings()
def activate(settings: Settings, name: str, version: str, *, wait: bool, timeout: float, as_json: bool) -> None:
    """Let VERSION of the model NAME serve, from the next batch on.

    Nothing is restarted and no request is lost. Refused for a version that validation has not passed.
    """
    _check(settings, name, version)
    if wait:
        entry = command(settings, "activate", name, arguments={"version": version}, wait_s=timeout)
        state = json.loads(entry.state_after or "{}")
        answer = {"model": name, "version": version, "generation": state.get("generation")}
    else:
        command_id = str(uuid4())
        publish(attach(settings), "activate", name, arguments={"version": version}, command_id=command_id)
        answer = {"model": name, "version": version, "generation": None, "command_id": command_id}
    (print_json if as_json else print_fields)(answer)


def _check(settings: Settings, name: str, version: str) -> None:
    """Refuse here what the controller would refuse, so that it is said at once.

    Raises `VersionNotFoundError`, `CommandRefusedError`.
    """
    record = find_version(wiring.catalogue(settings), name, version)
    if record.state not in _SERVABLE:
        why = f" ({record.failure})" if record.failure else ""
        raise CommandRefusedError("activate", name, f"version {version} is {record.state}, not validated{why}")
