"""`penstock dead-letters`: what could not be processed, and why."""

import click

from consumers.reports import list_dead_letters, show_dead_letter
from penstock import wiring
from penstock.cli.arguments import ModelName
from penstock.cli.options import example, with_json, with_settings
from penstock.cli.output import print_fields, print_json, print_table
from runtime.settings import Settings
from schemas.reasons import Reason


@click.group("dead-letters", epilog=example("penstock dead-letters list --model flights"))
def dead_letters() -> None:
    """See what could not be processed, why, and what to do."""


@dead_letters.command("list", epilog=example("penstock dead-letters list --model flights --reason truncated --json"))
@click.option("--model", type=ModelName(), help="Of this model only.")
@click.option(
    "--reason", type=click.Choice([reason.value for reason in Reason]), metavar="REASON", help="With this reason only."
)
@click.option(
    "--limit", type=click.IntRange(min=1), default=50, show_default=True, help="At most so many, newest first."
)
@with_json
@with_settings()
def list_letters(settings: Settings, *, model: str | None, reason: str | None, limit: int, as_json: bool) -> None:
    """List dead letters, newest first."""
    rows = list_dead_letters(wiring.store(settings), reason=reason, model=model, limit=limit)
    if as_json:
        print_json(rows)
        return
    print_table(rows, ("id", "failed_at", "model", "reason", "detail"))


@dead_letters.command(epilog=example("penstock dead-letters show embedded-19ab:flights.requests:3:117"))
@click.argument("letter_id", metavar="ID")
@with_json
@with_settings()
def show(settings: Settings, letter_id: str, *, as_json: bool) -> None:
    """Show one dead letter whole: original bytes, headers, where it came from, and the remedy."""
    letter = show_dead_letter(wiring.store(settings), letter_id)
    (print_json if as_json else print_fields)(letter)
