"""`penstock ledger`: the proof that nothing was lost and nothing counted twice."""

from typing import Any

import click

from penstock import wiring
from penstock.cli.arguments import ModelName
from penstock.cli.options import example, with_json, with_settings
from penstock.cli.output import print_json, print_table, say
from penstock.errors import LedgerUnbalancedError, ModelNotSeenError
from runtime.settings import Settings

COLUMNS = ("name", "accepted", "scored", "dead_lettered", "in_flight", "lost", "duplicates", "redelivered", "balanced")


@click.command(epilog=example("penstock ledger", "penstock ledger --model flights --check --json"))
@click.option("--model", type=ModelName(), help="This model only.")
@click.option("--check", is_flag=True, help="Exit with code 1 unless the ledger balances.")
@with_json
@with_settings()
def ledger(settings: Settings, *, model: str | None, check: bool, as_json: bool) -> None:
    """Account for every request that Kafka accepted, from the receipts of each transaction.

    accepted = scored + dead-lettered + in flight + lost. Works while requests flow; without a
    broker from what is stored.
    """
    content = wiring.ledger_reader(settings).read(settings.guarantee).to_dict()
    if model is not None:
        content = _of_model(content, model)
    if as_json:
        print_json(content)
    else:
        print_ledger(content)
    faulty = [entry["name"] for entry in content["models"] if not entry["balanced"]]
    if check and faulty:
        raise LedgerUnbalancedError(tuple(faulty))


def print_ledger(content: dict[str, Any]) -> None:
    """The ledger as a table, what was found under it, and what could not be looked at."""
    print_table(content["models"], COLUMNS)
    findings = [
        {"model": entry["name"], "partition": partition["partition"], **finding}
        for entry in content["models"]
        for partition in entry["partitions"]
        for finding in partition["findings"]
    ]
    if findings:
        print_table(findings, ("model", "partition", "kind", "offset_from", "offset_to", "records", "detail"))
    for note in content["notes"]:
        say(note)


def _of_model(content: dict[str, Any], model: str) -> dict[str, Any]:
    entries = [entry for entry in content["models"] if entry["name"] == model]
    if not entries:
        raise ModelNotSeenError(model)
    return {**content, "models": entries, "balanced": all(entry["balanced"] for entry in entries)}
