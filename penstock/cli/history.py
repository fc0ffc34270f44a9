"""`penstock models history`: everything that happened to versions, with who, when and why."""

import click

from penstock.cli.arguments import ModelName
from penstock.cli.options import example, with_json, with_settings
from penstock.cli.output import iso, print_json, print_table, say
from penstock.past_events import past_events
from registry.errors import VersionNotFoundError
from runtime.settings import Settings
from schemas.events import ModelEvent


@click.command(epilog=example("penstock models history flights", "penstock models history flights 2 --json"))
@click.argument("name", type=ModelName())
@click.argument("version", required=False)
@with_json
@with_settings()
def history(settings: Settings, name: str, version: str | None, *, as_json: bool) -> None:
    """Show what happened to the model NAME, or to one VERSION of it: when, what, to which version, by whom and why.

    From the shelf, the topic of model events and the store, as far as they can be asked now.
    """
    past = past_events(settings, name)
    for words in past.missing:
        say(f"there may be more: {words}")
    events = [each for each in past.events if version is None or version in _versions(each)]
    if not events:
        raise VersionNotFoundError(name, version)
    rows = [
        {
            "at": iso(each.occurred_at),
            "what": each.kind,
            "version": each.version,
            "previous_version": each.previous_version,
            "by": each.issued_by or None,
            "why": each.reason,
            "caused_by": each.caused_by,
        }
        for each in events
    ]
    if as_json:
        print_json(rows)
    else:
        print_table(rows, ("at", "what", "version", "previous_version", "by", "why"))


def _versions(event: ModelEvent) -> set[str]:
    """The versions that an event names; a rollout of several names them with commas."""
    return {name for names in (event.version, event.previous_version) if names for name in names.split(",")}
