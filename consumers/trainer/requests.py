"""Which retrains are asked for and not yet answered, from the model events in their order. Pure.

The events themselves are the trainer's memory: a request is open until a Trained or a
TrainingFailed names it, or a veto comes after it. So nothing is lost or done twice by a crash.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import orjson

from schemas.events import ModelEvent

RETRAIN_REQUESTED, RETRAIN_VETOED = "RetrainRequested", "RetrainVetoed"
TRAINED, TRAINING_FAILED = "Trained", "TrainingFailed"


@dataclass(frozen=True, slots=True, kw_only=True)
class RetrainRequest:
    """One request: `version` serves and is to be refitted; on outcomes from `since` (event time, ms) on, if given."""

    event_id: str
    model: str
    version: str | None
    since: int | None
    requested_at: int

    @classmethod
    def of(cls, event: ModelEvent) -> "RetrainRequest":
        """The request that an event states; a `since` that is no whole number counts as not given."""
        return cls(
            event_id=event.event_id,
            model=event.model,
            version=event.version,
            since=_since(event.details),
            requested_at=event.occurred_at,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Requests:
    """`open`: requests by id, oldest first. `closed`: ids that were answered or vetoed."""

    open: Mapping[str, RetrainRequest] = field(default_factory=dict)
    closed: frozenset[str] = frozenset()

    def after(self, event: ModelEvent) -> "Requests":
        """What is asked for once the event has happened; an event that comes again changes nothing."""
        if event.kind == RETRAIN_REQUESTED:
            if event.event_id in self.closed or event.event_id in self.open:
                return self
            return replace(self, open={**self.open, event.event_id: RetrainRequest.of(event)})
        if event.kind in (TRAINED, TRAINING_FAILED):
            return self._without({event.caused_by})
        if event.kind == RETRAIN_VETOED:
            return self._without({each.event_id for each in self.open.values() if each.model == event.model})
        return self

    def _without(self, ids: set[str]) -> "Requests":
        return Requests(
            open={event_id: request for event_id, request in self.open.items() if event_id not in ids},
            closed=self.closed | ids,
        )


def _since(details: str) -> int | None:
    try:
        found = orjson.loads(details)
    except orjson.JSONDecodeError:
        return None
    since = found.get("since") if isinstance(found, dict) else None
    return since if type(since) is int else None
