"""`penstock decisions`: what the controller decided, on what, and whether it comes out the same again."""

import click
import orjson

from consumers.decisions import LIST_LIMIT, all_decisions, decision_id, find_decision, newest_decisions
from penstock import wiring
from penstock.cli.arguments import ModelName
from penstock.cli.options import example, with_json, with_settings
from penstock.cli.output import iso, print_fields, print_json, print_table, say
from penstock.errors import DecisionAlteredError, DecisionNotFoundError
from penstock.rollouts.explaining import in_words, told
from runtime.settings import Settings
from schemas.events import JournalEntry
from streams.rollout.inputs import CommandInput, UnreadableInputError, input_of
from streams.rollout.journal import explain as explain_entry
from streams.rollout.journal import replay


@click.group(
    epilog=example(
        "penstock decisions list flights",
        "penstock decisions explain flights:12",
        "penstock decisions verify flights",
    )
)
def decisions() -> None:
    """See what the controller decided, with its input, and make decisions again from the journal.

    A decision is a pure function of the state before, one input and the time. The journal keeps all
    three, so that any decision can be made again, and comes out the same to the last byte.
    """


@decisions.command("list", epilog=example("penstock decisions list flights --limit 10"))
@click.argument("name", type=ModelName())
@click.option(
    "--limit", type=click.IntRange(min=1), default=LIST_LIMIT, show_default=True, help="How many, newest first."
)
@with_json
@with_settings()
def list_decisions(settings: Settings, name: str, *, limit: int, as_json: bool) -> None:
    """List the newest decisions about the model NAME."""
    rows = [_row(entry) for entry in newest_decisions(wiring.store(settings), name, limit=limit)]
    if as_json:
        print_json(rows)
        return
    print_table(rows, ("id", "at", "input", "by", "outcome", "reason"))


@decisions.command(epilog=example("penstock decisions show flights:12 --json"))
@click.argument("id", metavar="ID")
@with_json
@with_settings()
def show(settings: Settings, id: str, *, as_json: bool) -> None:  # noqa: A002  the argument's name in the help
    """Show the decision ID whole: its input, the time, the state before and after, and what was done."""
    entry = _found(settings, id)
    whole = {
        **_row(entry),
        "now": entry.now,
        "digest": entry.digest,
        "input": _parsed(entry.input),
        "state_before": _parsed(entry.state_before),
        "state_after": _parsed(entry.state_after),
        "actions": [_parsed(action) for action in entry.actions],
    }
    (print_json if as_json else print_fields)(whole)


@decisions.command(epilog=example("penstock decisions explain flights:12"))
@click.argument("id", metavar="ID")
@with_json
@with_settings()
def explain(settings: Settings, id: str, *, as_json: bool) -> None:  # noqa: A002  the argument's name in the help
    """Make the decision ID again from what the journal holds, and tell what it rests on.

    Exit code 1 unless it comes out the same byte for byte: then the input, the state or the answer
    is not what was written.
    """
    store = wiring.store(settings)
    entry = _found(settings, id)
    before = find_decision(store, f"{entry.model}:{entry.sequence - 1}") if entry.sequence else None
    chain = "" if entry.sequence == 0 else None if before is None else before.digest
    found = explain_entry(entry, chain=chain)
    if as_json:
        print_json({"id": decision_id(entry), "holds": not found.faults, "faults": found.faults, **told(found)})
    else:
        print_fields(in_words(found))
        for fault in found.faults:
            say(f"{decision_id(entry)}: {fault}")
        if not found.faults:
            say("made again from the journal, it is the same byte for byte")
    if found.faults:
        raise DecisionAlteredError((decision_id(entry),))


@decisions.command(epilog=example("penstock decisions verify flights"))
@click.argument("name", type=ModelName())
@with_json
@with_settings()
def verify(settings: Settings, name: str, *, as_json: bool) -> None:
    """Make every decision about the model NAME again, in order, each from the state that the one before gives.

    Exit code 1 when any comes out otherwise, is missing, or was put in.
    """
    made, altered = 0, []
    for found in replay(all_decisions(wiring.store(settings), name)):
        made += 1
        if found.faults:
            altered.append({"id": decision_id(found.entry), "faults": list(found.faults)})
    if as_json:
        print_json({"model": name, "decisions": made, "holds": not altered, "altered": altered})
    else:
        print_fields({"model": name, "decisions": made, "altered": len(altered)})
        for each in altered:
            say(f"{each['id']}: {'; '.join(each['faults'])}")
    if altered:
        raise DecisionAlteredError(tuple(str(each["id"]) for each in altered[:5]))


def _found(settings: Settings, wanted: str) -> JournalEntry:
    entry = find_decision(wiring.store(settings), wanted)
    if entry is None:
        raise DecisionNotFoundError(wanted)
    return entry


def _row(entry: JournalEntry) -> dict[str, object]:
    kind, by = _origin(entry)
    return {
        "id": decision_id(entry),
        "at": iso(entry.now),
        "input": kind,
        "by": by,
        "outcome": entry.outcome,
        "reason": entry.reason,
    }


def _origin(entry: JournalEntry) -> tuple[str, str]:
    """What kind of input it was, and who is behind it."""
    try:
        event = input_of(entry.input)
    except UnreadableInputError:
        return "not readable", ""
    if isinstance(event, CommandInput):
        return event.command.action, event.command.issued_by
    return type(event).__name__.removesuffix("Input").lower(), "penstock"


def _parsed(text: str | None) -> object:
    """JSON as objects; what is none, as it is."""
    if text is None:
        return None
    try:
        return orjson.loads(text)
    except ValueError:
        return text
