"""What the shelf itself did with versions, as events: it registered them, and their validation ended.

Catalogue records come in, model events go out; their ids follow from the version alone, so that
the same thing told again, by anyone, is the same event.
"""

from collections.abc import Mapping, Sequence

from registry.catalogue import Catalogue, VersionRecord, VersionState
from schemas.events import ModelEvent

_SETTLED: Mapping[VersionState, str] = {VersionState.VALIDATED: "Validated", VersionState.REJECTED: "Rejected"}


def chronicle(catalogue: Catalogue, name: str | None = None) -> list[ModelEvent]:
    """What happened on the shelf to the versions of one model, or of all. Raises `ShelfUnavailableError`."""
    settled_at = catalogue.settled_at()
    return [
        event
        for record in catalogue.records(name)
        for event in events_of(record, settled_at.get((record.name, record.version)))
    ]


class Chronicle:
    """The same for who asks again and again: the catalogue is read only when its file was written to."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue
        self._stamp: object = None
        self._events: Sequence[ModelEvent] = ()

    def events(self) -> Sequence[ModelEvent]:
        """What happened on the shelf so far. Raises `ShelfUnavailableError`."""
        stamp = self._catalogue.stamp()
        if stamp != self._stamp:
            # A write after the look at the stamp is found at the next look.
            self._events, self._stamp = chronicle(self._catalogue), stamp
        return self._events


def events_of(record: VersionRecord, settled_at: int | None) -> Sequence[ModelEvent]:
    """One version's events; where nobody noted when validation ended, it ended when it began."""
    events = [_event(record, "Registered", f"version {record.version} is on the shelf", record.registered_at)]
    if record.state in _SETTLED:
        words = record.failure or "every check passed"
        events.append(_event(record, _SETTLED[record.state], words, settled_at or record.registered_at))
    return events


def _event(record: VersionRecord, kind: str, reason: str, occurred_at: int) -> ModelEvent:
    return ModelEvent(
        event_id=f"{record.name}:{record.version}:{record.bundle[:16]}:{kind}",
        model=record.name,
        kind=kind,
        version=record.version,
        previous_version=None,
        reason=reason,
        caused_by=record.bundle,
        occurred_at=occurred_at,
        issued_by=record.registered_by or "",
    )
