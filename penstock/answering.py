"""Waits for the trainer's answer to one request: a model event that names it."""

import time

from consumers.trainer.event_topic import ModelEventTopic
from penstock import wiring
from penstock.errors import AnswerTimeoutError
from runtime.settings import Settings
from runtime.stack import attach
from schemas.events import ModelEvent
from schemas.topics import MODEL_EVENTS

ANSWERS = ("Trained", "TrainingFailed", "RetrainVetoed")
_LOOK_S = 0.2


def await_answer(settings: Settings, request: ModelEvent, *, wait_s: float) -> ModelEvent:
    """The event that answers a request to retrain, or the veto that ended it. Raises `AnswerTimeoutError`."""
    attached = attach(settings)
    topic = ModelEventTopic(attached.kafka, wiring.topics(attached).of(MODEL_EVENTS), wiring.codec(attached))
    deadline = time.monotonic() + wait_s
    asked = False
    try:
        events = topic.catch_up()
        while True:
            for event in events:
                asked = asked or event.event_id == request.event_id
                if asked and _answers(event, request):
                    return event
            if time.monotonic() > deadline:
                raise AnswerTimeoutError(request.model, request.event_id, waited_s=wait_s)
            time.sleep(_LOOK_S)
            events = topic.news()
    finally:
        topic.close()


def _answers(event: ModelEvent, request: ModelEvent) -> bool:
    if event.kind == "RetrainVetoed":
        return event.model == request.model
    return event.kind in ANSWERS and event.caused_by == request.event_id
