"""Events and predictions as documents. Pure: an event in, a document out.

Ids derive from content or from where a record lies, so a replay makes the same documents.
Personal features never enter a document, nor do bytes or error texts of models that have any.
"""

import base64
import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass

from consumers.errors import PoisonRecordError
from consumers.sinks.base import Document, FieldValue
from schemas.events import (
    Cohort,
    Command,
    DeadLetter,
    DeploymentState,
    Header,
    JournalEntry,
    Label,
    LogEntry,
    ModelEvent,
    Profile,
    Receipt,
    Signal,
)
from schemas.outcome_schema import LABEL_FIELDS
from schemas.positions import label_revision, position_revision
from schemas.reasons import Reason
from schemas.topics import PRODUCER_HEADER

PersonalFeatures = Callable[[str], frozenset[str]]

UNROUTED = -1
_LABEL_FIELDS = tuple(field["name"] for field in LABEL_FIELDS if field["name"] != "revision")
_WITHHELD = "withheld, since the model has personal features: read the original on the dead-letters topic"


@dataclass(frozen=True, slots=True)
class RecordPosition:
    """Where a record lies; offsets mean something within one cluster only."""

    cluster_id: str
    topic: str
    partition: int
    offset: int

    @property
    def id(self) -> str:
        return f"{self.cluster_id}:{self.topic}:{self.partition}:{self.offset}"


def prediction_document(prediction: Mapping[str, FieldValue], *, cluster_id: str, personal: frozenset[str]) -> Document:
    """The document of a decoded prediction: `model:request_id:live` or `model:request_id:shadow:version`.

    Raises `PoisonRecordError` for what is no prediction.
    """
    try:
        return _prediction_document(prediction, cluster_id=cluster_id, personal=personal)
    except KeyError as error:
        raise PoisonRecordError(Reason.MALFORMED, f"the prediction has no field {error}") from error


def _prediction_document(
    prediction: Mapping[str, FieldValue], *, cluster_id: str, personal: frozenset[str]
) -> Document:
    document_id, judged = _judged_fields(prediction, personal)
    event_time = _whole(prediction, "event_time")
    requested_at = _whole(prediction, "requested_at")
    scored_at = _whole(prediction, "scored_at")
    partition = _whole(prediction, "source_partition")
    offset = _whole(prediction, "source_offset")
    bucket = prediction["bucket"]
    return Document(
        "predictions" if judged["role"] == "live" else "shadows",
        document_id,
        {
            **judged,
            "bucket": None if bucket == UNROUTED else bucket,
            "requested_at": requested_at,
            "scored_at": scored_at,
            # The clocks of broker and scorer may differ.
            "latency_ms": max(scored_at - requested_at, 0),
            "source_partition": partition,
            "source_offset": offset,
            "cluster_id": cluster_id,
        },
        event_time,
        position_revision(requested_at, partition, offset),
    )


def outcome_document(prediction: Mapping[str, FieldValue], *, cluster_id: str, personal: frozenset[str]) -> Document:
    """The document of a decoded prediction with its label, under the id of the prediction that it judges.

    Raises `PoisonRecordError` for what is no outcome.
    """
    try:
        document_id, judged = _judged_fields(prediction, personal)
        label = {name: prediction[name] for name in _LABEL_FIELDS}
        return Document(
            "outcomes",
            document_id,
            {**judged, **label, "cluster_id": cluster_id},
            _whole(prediction, "event_time"),
            _whole(prediction, "revision"),
        )
    except KeyError as error:
        raise PoisonRecordError(Reason.MALFORMED, f"the outcome has no field {error}") from error


def _judged_fields(prediction: Mapping[str, FieldValue], personal: frozenset[str]) -> tuple[str, dict[str, FieldValue]]:
    """The document id, and what predictions and outcomes have alike. Raises `KeyError` for a field that is missing."""
    model = _text(prediction, "model")
    request_id = _text(prediction, "request_id")
    role = _text(prediction, "role")
    version = _text(prediction, "version")
    features = prediction["features"]
    if not isinstance(features, Mapping):
        raise PoisonRecordError(Reason.MALFORMED, "the prediction's features are not a record")
    return prediction_id(model, request_id, role, version), {
        "request_id": request_id,
        "entity_id": prediction["entity_id"],
        "model": model,
        "version": version,
        "arm": prediction["arm"],
        "role": role,
        "generation": prediction["generation"],
        "score": prediction["score"],
        "label": prediction["label"],
        "probabilities": prediction["probabilities"],
        "event_time": _whole(prediction, "event_time"),
        "features": {name: features[name] for name in features if name not in personal} if personal else features,
    }


def prediction_id(model: str, request_id: str, role: str, version: str) -> str:
    """The id of a prediction's document, and of its outcome's.

    >>> prediction_id("flights", "r1", "live", "2"), prediction_id("flights", "r1", "shadow", "3")
    ('flights:r1:live', 'flights:r1:shadow:3')
    """
    return f"{model}:{request_id}:live" if role == "live" else f"{model}:{request_id}:shadow:{version}"


def label_document(label: Label) -> Document:
    """One document per request; the label's revision, then its event time, decide which stays."""
    return Document(
        "labels",
        f"{label.model}:{label.request_id}",
        {
            "request_id": label.request_id,
            "entity_id": label.entity_id,
            "model": label.model,
            "label": None if label.label is None else str(label.label),
            "label_number": label.label if isinstance(label.label, float) else None,
            "label_revision": label.revision,
            "weight": label.weight,
            "value": label.value,
            "event_time": label.event_time,
        },
        label.event_time,
        label_revision(label.revision, label.event_time),
    )


def cohort_document(cohort: Cohort) -> Document:
    """One document per cohort, with the mean of its losses; each loss is on the topic alone."""
    return Document(
        "cohorts",
        cohort.cohort_id,
        {
            "model": cohort.model,
            "version": cohort.version,
            "arm": cohort.arm,
            "role": cohort.role,
            "generation": cohort.generation,
            "start": cohort.start,
            "end": cohort.end,
            "predicted": cohort.predicted,
            "labeled": cohort.labeled,
            "loss_mean": math.fsum(cohort.losses) / len(cohort.losses) if cohort.losses else None,
            "delay_ms_p95": cohort.delay_ms_p95,
            "closed_at": cohort.closed_at,
        },
        cohort.start,
    )


def dead_letter_document(letter: DeadLetter, *, personal: bool) -> Document:
    """One document per source record; for models with personal features without bytes and words of it."""
    source = RecordPosition(letter.cluster_id, letter.topic, letter.partition, letter.offset)
    return Document(
        "dead_letters",
        source.id,
        {
            "reason": letter.reason,
            "stage": letter.stage,
            "topic": letter.topic,
            "partition": letter.partition,
            "offset": letter.offset,
            "model": letter.model,
            "detail": _WITHHELD if personal else letter.detail,
            "cluster_id": letter.cluster_id,
            "key": None if personal else letter.key,
            "value": None if personal else letter.value,
            "value_bytes": letter.value_bytes,
            "value_sha256": letter.value_sha256,
            "value_truncated": letter.value_truncated,
            "producer": _producer_of(letter),
            "headers": [{"name": header.name} if personal else _plain_header(header) for header in letter.headers],
            "append_time": letter.append_time,
            "failed_at": letter.failed_at,
            "service": letter.service,
        },
        letter.append_time,
    )


def deployment_document(state: DeploymentState) -> Document:
    """One document per model and generation: the newest revision of it."""
    return Document(
        "deployments",
        f"{state.model}:{state.generation}",
        {
            "model": state.model,
            "generation": state.generation,
            "salt": state.salt,
            "versions": [asdict(version) for version in state.versions],
            "previous_version": state.previous_version,
            "request_schema_id": state.request_schema_id,
            "prediction_schema_id": state.prediction_schema_id,
            "accepted_losses": [asdict(loss) for loss in state.accepted_losses],
            "command_id": state.command_id,
            "decided_at": state.decided_at,
            "withdrawn": [asdict(version) for version in state.withdrawn],
            "deployment_revision": state.revision,
            "standby": [asdict(version) for version in state.standby],
            "overrides": [asdict(override) for override in state.overrides],
            "rollout": None if state.rollout is None else asdict(state.rollout),
            "shadows": [asdict(shadow) for shadow in state.shadows],
            "frozen_by": state.frozen_by,
            "cool_down_until": state.cool_down_until or None,
        },
        state.decided_at,
    )


def receipt_document(receipt: Receipt, position: RecordPosition) -> Document:
    """One document per receipt record: two receipts of one range are two, since the work was done twice."""
    return Document(
        "receipts",
        position.id,
        {
            "cluster_id": receipt.cluster_id,
            "lane": receipt.lane,
            "guarantee": receipt.guarantee,
            "model": receipt.model,
            "topic": receipt.topic,
            "partition": receipt.partition,
            "offset_from": receipt.offset_from,
            "offset_to": receipt.offset_to,
            "records": receipt.records,
            "scored": receipt.scored,
            "dead_lettered": dict(receipt.dead_lettered),
            "lost": receipt.lost,
            "offset_pending_oldest": receipt.offset_pending_oldest,
            "committed_at": receipt.committed_at,
            "receipt_partition": position.partition,
            "receipt_offset": position.offset,
        },
        receipt.committed_at,
    )


def journal_document(entry: JournalEntry) -> Document:
    """One document per decision."""
    return Document(
        "journal",
        f"{entry.model}:{entry.sequence}:{entry.command_id}",
        {
            "model": entry.model,
            "sequence": entry.sequence,
            "command_id": entry.command_id,
            "input": entry.input,
            "now": entry.now,
            "state_before": entry.state_before,
            "state_after": entry.state_after,
            "actions": list(entry.actions),
            "outcome": entry.outcome,
            "reason": entry.reason,
            "digest": entry.digest,
        },
        entry.now,
    )


def model_event_document(event: ModelEvent) -> Document:
    return Document(
        "model_events",
        event.event_id,
        {
            "model": event.model,
            "kind": event.kind,
            "version": event.version,
            "previous_version": event.previous_version,
            "reason": event.reason,
            "caused_by": event.caused_by,
            "issued_by": event.issued_by,
            "occurred_at": event.occurred_at,
            "details": event.details,
        },
        event.occurred_at,
    )


def signal_document(signal: Signal) -> Document:
    return Document(
        "signals",
        signal.signal_id,
        {
            "model": signal.model,
            "kind": signal.kind,
            "message": signal.message,
            "evidence": signal.evidence,
            "raised_at": signal.raised_at,
        },
        signal.raised_at,
    )


def profile_document(profile: Profile) -> Document:
    """One document per profile, found again by event time."""
    return Document(
        "profiles",
        profile.profile_id,
        {
            "model": profile.model,
            "version": profile.version,
            "bundle": profile.bundle,
            "arm": profile.arm,
            "role": profile.role,
            "generation": profile.generation,
            "cluster_id": profile.cluster_id,
            "sources": [asdict(source) for source in profile.sources],
            "rows": profile.rows,
            "profiled": profile.profiled,
            "rejected": dict(profile.rejected),
            "durations_us": dict(profile.durations_us),
            "event_time_first": profile.event_time_first,
            "event_time_last": profile.event_time_last,
            "requested_at_first": profile.requested_at_first,
            "requested_at_last": profile.requested_at_last,
            "columns": [asdict(column) for column in profile.columns],
        },
        profile.event_time_first,
    )


def command_document(command: Command) -> Document:
    """One document per command id: a repeated command acts once and is one document."""
    return Document(
        "commands",
        command.command_id,
        {
            "model": command.model,
            "action": command.action,
            "arguments": dict(command.arguments),
            "issued_by": command.issued_by,
            "issued_at": command.issued_at,
        },
        command.issued_at,
    )


def log_document(entry: LogEntry, position: RecordPosition) -> Document:
    """One document per line: the same line said twice is two."""
    return Document(
        "logs",
        position.id,
        {
            "service": entry.service,
            "level": entry.level,
            "event": entry.event,
            "logged_at": entry.logged_at,
            "model": entry.model,
            "version": entry.version,
            "request_id": entry.request_id,
            "topic": entry.topic,
            "partition": entry.partition,
            "offset": entry.offset,
            "fields": dict(entry.fields),
        },
        entry.logged_at,
    )


def _producer_of(letter: DeadLetter) -> str | None:
    """Who sent the record, if its producer says so."""
    names = [header.value for header in letter.headers if header.name == PRODUCER_HEADER and header.value]
    return names[0].decode(errors="replace") if names else None


def _plain_header(header: Header) -> dict[str, FieldValue]:
    """A header as JSON: text where it is UTF-8, else base64."""
    if header.value is None:
        return {"name": header.name, "value": None}
    try:
        return {"name": header.name, "value": header.value.decode()}
    except UnicodeDecodeError:
        return {"name": header.name, "value_base64": base64.b64encode(header.value).decode()}


def _text(prediction: Mapping[str, FieldValue], name: str) -> str:
    value = prediction[name]
    if type(value) is not str or not value:
        raise PoisonRecordError(Reason.MALFORMED, f"the prediction's {name} is not a text: {value!r}")
    return value


def _whole(prediction: Mapping[str, FieldValue], name: str) -> int:
    value = prediction[name]
    if type(value) is not int:
        raise PoisonRecordError(Reason.MALFORMED, f"the prediction's {name} is not an integer: {value!r}")
    return value
