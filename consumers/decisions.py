"""Decisions as the store holds them: the journal's entries back from their documents, by model, number and id."""

from collections.abc import Iterator
from datetime import UTC, datetime

from consumers.questions import Body, Parameters, Question, Row, Store, only
from consumers.sinks.base import FieldValue
from consumers.stored_collections import JOURNAL
from schemas.events import JournalEntry

LIST_LIMIT = 50
_COLUMNS = (
    *("model", "sequence", "command_id", "input", "now", "state_before", "state_after"),
    *("actions", "outcome", "reason", "digest"),
)
_NAMES = ", ".join(_COLUMNS)


def _search(parameters: Parameters, *, descending: bool, size: int | None) -> Body:
    named = {name: value for name, value in parameters.items() if name in ("model", "sequence") and value is not None}
    order = "desc" if descending else "asc"
    return {
        **({} if size is None else {"size": size}),
        "query": {"bool": {"filter": only(named)}},
        "_source": list(_COLUMNS),
        "sort": [{"sequence": order}, {"now": order}],
    }


_NEWEST = Question(
    collection=JOURNAL,
    sql=f"SELECT {_NAMES} FROM journal WHERE model = :model ORDER BY sequence DESC, now DESC LIMIT :limit",  # noqa: S608
    search=lambda parameters: _search(parameters, descending=True, size=int(str(parameters["limit"]))),
    complete=True,
)
_ALL = Question(
    collection=JOURNAL,
    sql=f"SELECT {_NAMES} FROM journal WHERE model = :model ORDER BY sequence, now",  # noqa: S608
    search=lambda parameters: _search(parameters, descending=False, size=None),
    complete=True,
)
_NUMBERED = Question(
    collection=JOURNAL,
    sql=f"SELECT {_NAMES} FROM journal WHERE model = :model AND sequence = :sequence ORDER BY now DESC",  # noqa: S608
    search=lambda parameters: _search(parameters, descending=True, size=None),
    complete=True,
)


def newest_decisions(store: Store, model: str, *, limit: int = LIST_LIMIT) -> list[JournalEntry]:
    """The newest decisions about a model, newest first."""
    return [_entry(row) for row in store.ask(_NEWEST, {"model": model, "limit": limit})]


def all_decisions(store: Store, model: str) -> Iterator[JournalEntry]:
    """Every decision about a model, in order."""
    for row in store.rows(_ALL, {"model": model}):
        yield _entry(row)


def find_decision(store: Store, decision_id: str) -> JournalEntry | None:
    """The decision of an id, `MODEL:NUMBER` or with the input's id behind it; None when there is none.

    Numbers may be given again when an embedded broker has lost its journal: the newest is meant then.
    """
    model, _, rest = decision_id.partition(":")
    number, _, input_id = rest.partition(":")
    if not number.isdecimal():
        return None
    found = [_entry(row) for row in store.ask(_NUMBERED, {"model": model, "sequence": int(number)})]
    return next((entry for entry in found if input_id in ("", entry.command_id)), None)


def decision_id(entry: JournalEntry) -> str:
    """The id of a decision."""
    return f"{entry.model}:{entry.sequence}:{entry.command_id}"


def _entry(row: Row) -> JournalEntry:
    actions = row["actions"]
    assert isinstance(actions, list), "stored as a list of texts"
    return JournalEntry(
        model=str(row["model"]),
        sequence=int(str(row["sequence"])),
        command_id=str(row["command_id"]),
        input=str(row["input"]),
        now=_ms(row["now"]),
        state_before=None if row["state_before"] is None else str(row["state_before"]),
        state_after=None if row["state_after"] is None else str(row["state_after"]),
        actions=tuple(str(action) for action in actions),
        outcome=str(row["outcome"]),
        reason=str(row["reason"]),
        digest=str(row["digest"] or ""),
    )


def _ms(time: FieldValue) -> int:
    """A stored time as milliseconds since the epoch.

    >>> _ms("2013-04-01T05:15:00.007Z")
    1364793300007
    """
    moment = datetime.fromisoformat(str(time)).astimezone(UTC)
    return round(moment.timestamp() * 1_000)
