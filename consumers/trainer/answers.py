"""The trainer's answers to a request as model events: Trained, or TrainingFailed with the reason. Pure.

Ids derive from the request's, so that an answer given twice is one event to everybody.
"""

from dataclasses import asdict

import orjson

from consumers.trainer.requests import TRAINED, TRAINING_FAILED, RetrainRequest
from consumers.trainer.verdict import in_words, verdict_of
from registry.catalogue import VersionRecord
from registry.manifest import TrainingFacts
from schemas.events import ModelEvent
from schemas.issuers import automation
from schemas.reasons import TRAINING_REMEDIES, TrainingFault

TRAINER = automation("trainer")


def trained(request: RetrainRequest, record: VersionRecord, facts: TrainingFacts, now: int) -> ModelEvent:
    """A candidate is on the shelf; `version` names it, `previous_version` the one it was refitted from."""
    assert request.version is not None, "a candidate comes from a version"
    return ModelEvent(
        event_id=f"{request.event_id}:{TRAINED}",
        model=request.model,
        kind=TRAINED,
        version=record.version,
        previous_version=request.version,
        reason=in_words(facts, parent=request.version, task=record.task),
        caused_by=request.event_id,
        occurred_at=now,
        issued_by=TRAINER,
        details=_json({"training": asdict(facts), "metrics": dict(record.metrics), "verdict": verdict_of(facts).value}),
    )


def failed(request: RetrainRequest, fault: TrainingFault, detail: str, now: int) -> ModelEvent:
    """There is no candidate; the reason ends with the remedy."""
    return ModelEvent(
        event_id=f"{request.event_id}:{TRAINING_FAILED}",
        model=request.model,
        kind=TRAINING_FAILED,
        version=None,
        previous_version=request.version,
        reason=f"{detail}; {TRAINING_REMEDIES[fault]}",
        caused_by=request.event_id,
        occurred_at=now,
        issued_by=TRAINER,
        details=_json({"fault": fault.value}),
    )


def _json(content: object) -> str:
    return orjson.dumps(content, option=orjson.OPT_SORT_KEYS).decode()
