"""What happened to models, as far as it can be known now: from the shelf, the topic and the store.

Each of them may lack something: the shelf knows only its own part, the topic what retention or an
embedded broker has left, the store what the sink has written. An event has one id everywhere.
"""

from contextlib import suppress
from dataclasses import dataclass

from consumers.errors import ConsumerError, StoreNotFoundError
from consumers.model_history import stored_model_events
from penstock import wiring
from penstock.deployed import READ_S
from registry.chronicle import chronicle
from runtime.errors import RuntimeShellError
from runtime.follower import read_to_end
from runtime.kafka import partition_counts
from runtime.settings import Settings
from runtime.stack import attach
from schemas.errors import EventDecodeError
from schemas.events import ModelEvent
from schemas.topics import MODEL_EVENTS


@dataclass(frozen=True, slots=True, kw_only=True)
class Past:
    """Events in the order that they occurred, and what could not be asked."""

    events: tuple[ModelEvent, ...]
    missing: tuple[str, ...]


def past_events(settings: Settings, model: str | None) -> Past:
    """Everything that is known of one model, or of all. Raises `ShelfUnavailableError`."""
    found = {each.event_id: each for each in chronicle(wiring.catalogue(settings), model)}
    missing = []
    try:
        found |= {each.event_id: each for each in stored_model_events(wiring.store(settings), model)}
    except StoreNotFoundError:
        pass  # nothing was ever stored, so nothing is missing
    except ConsumerError as error:
        missing.append(str(error))
    try:
        found |= {each.event_id: each for each in _on_topic(settings, model)}
    except RuntimeShellError as error:
        missing.append(str(error))
    # What one command caused at one time stays in the order in which it was told.
    events = sorted(found.values(), key=lambda each: each.occurred_at)
    return Past(events=tuple(events), missing=tuple(missing))


def _on_topic(settings: Settings, model: str | None) -> list[ModelEvent]:
    kafka, topic, codec = attach(settings).kafka, wiring.topics(settings).of(MODEL_EVENTS), wiring.codec(settings)
    if topic not in partition_counts(kafka):
        return []
    events = []
    for message in read_to_end(kafka, topic, deadline_s=READ_S):
        with suppress(EventDecodeError):  # what somebody else wrote there is no event
            events.append(codec.decode(ModelEvent, message.value()))
    return [each for each in events if model in {None, each.model}]
