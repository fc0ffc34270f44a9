"""A model's timeline out of the store: its alarms, its events, and what automation asked for in vain."""

import orjson

from consumers.questions import Question, Row, Store, only
from consumers.sinks.shape import ms_of
from consumers.stored_collections import COMMANDS, JOURNAL, MODEL_EVENTS, SIGNALS, Collection
from consumers.timeline import Moment, linked
from schemas.issuers import is_automation

REFUSED = "Refused"
_LOADED = "version_loaded"
"""Every worker says so after every change: no news to people."""


def timeline(store: Store, model: str) -> list[Moment]:
    """What happened to a model, in the order of time, each with the moment that led to it.

    Raises `StoreNotFoundError`, `StoreUnavailableError`.
    """
    commands = {str(row["id"]): row for row in store.ask(_COMMANDS, {"model": model})}
    moments = [_alarm(row) for row in store.ask(_SIGNALS, {"model": model}) if row["kind"] != _LOADED]
    moments += [_event(row) for row in store.ask(_EVENTS, {"model": model})]
    for row in store.ask(_REFUSALS, {"model": model, "outcome": "refused"}):
        command = commands.get(str(row["command_id"]))
        if command is not None and is_automation(str(command["issued_by"])):
            moments.append(_refusal(row, command))
    causes = {name: _argument(command, "cause") for name, command in commands.items()}
    return linked(moments, causes)


def _asked(collection: Collection, *columns: str, also: str = "") -> Question:
    """All documents of a model, and of another value if that is named, with these columns."""
    names = ", ".join(f'"{name}"' for name in ("id", *columns))
    condition = f" AND {also} = :{also}" if also else ""
    return Question(
        collection=collection,
        sql=f"SELECT {names} FROM {collection.name} WHERE model = :model{condition}",  # noqa: S608  names are declared
        search=lambda parameters: {
            "query": {"bool": {"filter": only(parameters)}},
            "_source": list(columns),
            "sort": [{collection.time: "asc"}],
        },
        complete=True,
    )


_SIGNALS = _asked(SIGNALS, "kind", "message", "evidence", "raised_at")
_EVENTS = _asked(MODEL_EVENTS, "kind", "version", "previous_version", "reason", "caused_by", "issued_by", "occurred_at")
_COMMANDS = _asked(COMMANDS, "arguments", "issued_by")
_REFUSALS = _asked(JOURNAL, "command_id", "reason", "now", also="outcome")


def _alarm(row: Row) -> Moment:
    return Moment(
        id=str(row["id"]),
        at=ms_of(str(row["raised_at"])),
        kind=str(row["kind"]),
        versions=_versions(_evidence(row).get("version")),
        who="",
        words=str(row["message"]),
        caused_by="",
    )


def _event(row: Row) -> Moment:
    return Moment(
        id=str(row["id"]),
        at=ms_of(str(row["occurred_at"])),
        kind=str(row["kind"]),
        versions=_versions(row["version"]),
        who=str(row["issued_by"] or ""),
        words=str(row["reason"]),
        caused_by=str(row["caused_by"]),
    )


def _refusal(row: Row, command: Row) -> Moment:
    return Moment(
        id="refused:" + str(command["id"]),
        at=ms_of(str(row["now"])),
        kind=REFUSED,
        versions=_versions(_argument(command, "version")),
        who=str(command["issued_by"]),
        words=str(row["reason"]),
        caused_by=str(row["command_id"]),
    )


def _versions(named: object) -> tuple[str, ...]:
    return tuple(named.split(",")) if isinstance(named, str) and named else ()


def _argument(command: Row, name: str) -> str:
    arguments = command["arguments"]
    return str(arguments.get(name, "")) if isinstance(arguments, dict) else ""


def _evidence(row: Row) -> dict[str, object]:
    try:
        found = orjson.loads(str(row["evidence"]))
    except orjson.JSONDecodeError:
        return {}
    return found if isinstance(found, dict) else {}
