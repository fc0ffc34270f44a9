"""What happened to models, as the store has it: for people who ask when the topics have forgotten."""

from datetime import datetime

from consumers.questions import Parameters, Question, Row, Store, only
from consumers.stored_collections import MODEL_EVENTS
from schemas.events import ModelEvent


def _given(parameters: Parameters) -> Parameters:
    return {name: value for name, value in parameters.items() if value is not None}


_HAPPENED = Question(
    collection=MODEL_EVENTS,
    sql="SELECT * FROM model_events WHERE :model IS NULL OR model = :model ORDER BY occurred_at, rowid",
    search=lambda parameters: {
        "query": {"bool": {"filter": only(_given(parameters))}},
        "sort": [{"occurred_at": "asc"}],
    },
    complete=True,
)


def stored_model_events(store: Store, model: str | None = None) -> list[ModelEvent]:
    """The events of one model, or of all, in the order in which they occurred.

    Raises `StoreNotFoundError`, `StoreUnavailableError`, and `QueryLimitError` beyond a million.
    """
    return [_event(row) for row in store.ask(_HAPPENED, {"model": model})]


def _event(row: Row) -> ModelEvent:
    return ModelEvent(
        event_id=str(row["id"]),
        model=str(row["model"]),
        kind=str(row["kind"]),
        version=_text(row, "version"),
        previous_version=_text(row, "previous_version"),
        reason=str(row["reason"]),
        caused_by=str(row["caused_by"]),
        occurred_at=round(datetime.fromisoformat(str(row["occurred_at"])).timestamp() * 1_000),
        issued_by=_text(row, "issued_by") or "",
    )


def _text(row: Row, name: str) -> str | None:
    value = row.get(name)
    return None if value is None else str(value)
