"""What is stored, declared once: every collection with its typed fields.

Tables, index mappings and the analysts' reference page derive from this catalogue; a
document with a field that is not declared here is refused, never guessed at.
"""

from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property

from consumers.measures import MEASURES


class FieldKind(StrEnum):
    """What a field holds, independent of the store.

    `time` is milliseconds since the epoch in a document and ISO-8601 UTC text with
    milliseconds in a store (`2013-04-01T05:15:00.000Z`), so that date functions work on it.
    """

    TEXT = "text"
    INTEGER = "integer"
    NUMBER = "number"
    BOOLEAN = "boolean"
    TIME = "time"
    JSON = "json"
    BYTES = "bytes"


class JsonShape(StrEnum):
    """What the JSON of a field looks like, for stores that look inside it.

    `free`: an object, or a list of them, whose keys nobody declares. `numbers`, `words`: a list of
    them. `counts`: a number for each of some reasons. `features`: a value for each of some features
    of the document's model.
    """

    FREE = "free"
    NUMBERS = "numbers"
    WORDS = "words"
    COUNTS = "counts"
    FEATURES = "features"


@dataclass(frozen=True, slots=True)
class StoredField:
    """One field: name, kind, a sentence for analysts, whether it may be missing, and the shape of JSON."""

    name: str
    kind: FieldKind
    doc: str
    nullable: bool = False
    shape: JsonShape = JsonShape.FREE


@dataclass(frozen=True, kw_only=True)
class Collection:
    """A kind of document: a table in SQLite, monthly indices in Elasticsearch.

    `time`: the field that says when it happened, by which months are told apart. `monthly` is false
    where that time may change from one document of an id to the next, so that all lie in one index.
    `per_request`: there is a document for each request, though without features.
    `kept`: what decided or was decided, which is few and is never pruned unless it is named.
    `indexes`: groups of fields that are searched together. `revised`: of two documents with the
    same id the one of the higher revision stays. `position`: the fields that say where the input
    record was; two documents of one id from two positions are a repeated request.
    """

    name: str
    doc: str
    time: str
    fields: tuple[StoredField, ...]
    indexes: tuple[tuple[str, ...], ...] = ()
    monthly: bool = True
    per_request: bool = False
    kept: bool = False
    revised: bool = False
    position: tuple[str, ...] = ()

    @cached_property
    def names(self) -> frozenset[str]:
        return frozenset(field.name for field in self.fields)

    @cached_property
    def per_model(self) -> bool:
        """Whether documents carry features, so that each model's have fields of their own."""
        return any(field.shape is JsonShape.FEATURES for field in self.fields)

    @cached_property
    def large(self) -> bool:
        """Whether there is a document for each request, so that one shard of an index may not hold them."""
        return self.per_model or self.per_request


def _text(name: str, doc: str, *, nullable: bool = False) -> StoredField:
    return StoredField(name, FieldKind.TEXT, doc, nullable)


def _integer(name: str, doc: str, *, nullable: bool = False) -> StoredField:
    return StoredField(name, FieldKind.INTEGER, doc, nullable)


def _number(name: str, doc: str, *, nullable: bool = False) -> StoredField:
    return StoredField(name, FieldKind.NUMBER, doc, nullable)


def _boolean(name: str, doc: str) -> StoredField:
    return StoredField(name, FieldKind.BOOLEAN, doc)


def _time(name: str, doc: str, *, nullable: bool = False) -> StoredField:
    return StoredField(name, FieldKind.TIME, doc, nullable)


def _json(name: str, doc: str, *, shape: JsonShape = JsonShape.FREE, nullable: bool = False) -> StoredField:
    return StoredField(name, FieldKind.JSON, doc, nullable, shape)


def _judged_fields() -> tuple[StoredField, ...]:
    """What predictions and outcomes have alike."""
    return (
        _text("request_id", "the producer's id of the request"),
        _text("entity_id", "whom or what the prediction is about; the message key"),
        _text("model", "the model"),
        _text("version", "the model version that scored"),
        _text("arm", "the arm of the rollout that the entity was in"),
        _text("role", "live, or shadow for a version that scores without serving"),
        _integer("generation", "generation of the deployment that was followed"),
        _number("score", "the score; what it means depends on the model's task", nullable=True),
        _text("label", "the predicted class; missing for regression", nullable=True),
        _json(
            "probabilities",
            "per class, in the order of the signature; multiclass only",
            shape=JsonShape.NUMBERS,
            nullable=True,
        ),
        _time("event_time", "when it happened, as the producer says"),
    )


def _prediction_fields() -> tuple[StoredField, ...]:
    return (
        *_judged_fields(),
        _integer("bucket", "routing bucket, 0 to 9,999; missing where one version served all", nullable=True),
        _time("requested_at", "when Kafka accepted the request"),
        _time("scored_at", "when it was scored"),
        _integer("latency_ms", "from Kafka's accepting it to its being scored; never below 0", nullable=True),
        _integer("source_partition", "partition of the request record"),
        _integer("source_offset", "offset of the request record"),
        _text("cluster_id", "the cluster whose offsets these are"),
        _json("features", "what the prediction was made from, without personal features", shape=JsonShape.FEATURES),
    )


_POSITION = ("cluster_id", "source_partition", "source_offset")

PREDICTIONS = Collection(
    name="predictions",
    doc="One document per request and model: the live prediction.",
    time="event_time",
    fields=_prediction_fields(),
    indexes=(("request_id",),),
    revised=True,
    position=_POSITION,
)
SHADOWS = Collection(
    name="shadows",
    doc="Predictions of versions that score without serving, one per request and version.",
    time="event_time",
    fields=_prediction_fields(),
    indexes=(("request_id",),),
    revised=True,
)
DEAD_LETTERS = Collection(
    name="dead_letters",
    doc="Records that could not be processed, with the reason and where the original is.",
    time="append_time",
    fields=(
        _text("reason", "reason code, from a closed set"),
        _text("stage", "where in the flow the fault was found"),
        _text("topic", "topic of the record at fault"),
        _integer("partition", "its partition"),
        _integer("offset", "its offset"),
        _text("model", "the model whose topic it was; empty for system topics"),
        _text("detail", "what exactly was wrong"),
        _text("cluster_id", "the cluster whose offsets these are"),
        StoredField("key", FieldKind.BYTES, "the original key", nullable=True),
        StoredField("value", FieldKind.BYTES, "the original value, cut at a bound", nullable=True),
        _integer("value_bytes", "length of the whole original value"),
        _text("value_sha256", "hash of the whole original value"),
        StoredField("value_truncated", FieldKind.BOOLEAN, "whether `value` is cut"),
        _text("producer", "who sent the record, as its header `producer` says", nullable=True),
        _json("headers", "the original headers"),
        _time("append_time", "when Kafka accepted the record"),
        _time("failed_at", "when the fault was found"),
        _text("service", "which process found it"),
    ),
    indexes=(("failed_at",), ("model", "reason")),
)
DEPLOYMENTS = Collection(
    name="deployments",
    doc="What served whom, one document per model and generation.",
    time="decided_at",
    fields=(
        _text("model", "the model"),
        _integer("generation", "rises by one with every change"),
        _integer("salt", "seed of the routing hash"),
        _json("versions", "versions that serve, with arm, bundle and buckets"),
        _text("previous_version", "the version to go back to", nullable=True),
        _integer("request_schema_id", "id of the request schema"),
        _integer("prediction_schema_id", "id of the prediction schema"),
        _json("accepted_losses", "losses that an operator accepted"),
        _text("command_id", "the command that caused it"),
        _time("decided_at", "when it was decided"),
        _json("withdrawn", "versions that may not serve: barred or retired, why, by whom and when"),
        _integer("deployment_revision", "counts every change, of evidence too"),
        _json("standby", "versions kept loaded and warm"),
        _json("overrides", "entities pinned to a version"),
        _json("rollout", "the present or last rollout: strategy, phase, steps, evidence", nullable=True),
        _json("shadows", "versions that score without serving"),
        _text("frozen_by", "who froze automation", nullable=True),
        _time("cool_down_until", "no rollout begins before", nullable=True),
    ),
    indexes=(("model", "generation"),),
    monthly=False,
    kept=True,
)
RECEIPTS = Collection(
    name="receipts",
    doc="What each transaction did with each range of offsets; the ledger is made from these.",
    time="committed_at",
    fields=(
        _text("cluster_id", "the cluster whose offsets these are"),
        _text("lane", "which lane"),
        _text("guarantee", "exactly_once or at_least_once"),
        _text("model", "the model"),
        _text("topic", "the input topic"),
        _integer("partition", "its partition"),
        _integer("offset_from", "first offset of the range"),
        _integer("offset_to", "offset after the range"),
        _integer("records", "records read in the range"),
        _integer("scored", "records scored"),
        _json("dead_lettered", "records dead-lettered, by reason", shape=JsonShape.COUNTS),
        _integer("lost", "offsets deleted unread whose loss was accepted"),
        _integer("offset_pending_oldest", "oldest offset still waiting for its label", nullable=True),
        _time("committed_at", "when the transaction was made"),
        _integer("receipt_partition", "partition of the receipt itself"),
        _integer("receipt_offset", "offset of the receipt itself"),
    ),
    indexes=(
        ("cluster_id", "topic", "partition", "lane", "offset_from", "offset_to"),
        ("cluster_id", "receipt_partition", "receipt_offset"),
    ),
)
JOURNAL = Collection(
    name="journal",
    doc="Every decision of the controller with its input, so that it can be explained.",
    time="now",
    fields=(
        _text("model", "the model"),
        _integer("sequence", "number of the decision"),
        _text("command_id", "the command or event decided on"),
        _text("input", "the input, as JSON"),
        _time("now", "the time that the decision was given"),
        _text("state_before", "state before, as JSON", nullable=True),
        _text("state_after", "state after, as JSON", nullable=True),
        _json("actions", "what was done", shape=JsonShape.WORDS),
        _text("outcome", "how it ended"),
        _text("reason", "why"),
        _text("digest", "SHA-256 over the entry and the one before it"),
    ),
    indexes=(("model", "sequence"),),
    kept=True,
)
MODEL_EVENTS = Collection(
    name="model_events",
    doc="What happened to models.",
    time="occurred_at",
    fields=(
        _text("model", "the model"),
        _text("kind", "Activated, RolledBack, RetrainRequested, Trained ..."),
        _text("version", "the version concerned", nullable=True),
        _text("previous_version", "the version before", nullable=True),
        _text("reason", "why"),
        _text("caused_by", "the command, signal or event behind it"),
        _text("issued_by", "whose word it was"),
        _time("occurred_at", "when"),
        _text("details", "what else is known, as JSON; what it holds depends on the kind"),
    ),
    indexes=(("model", "occurred_at"),),
    kept=True,
)
SIGNALS = Collection(
    name="signals",
    doc="Alarms about models and data, with their evidence.",
    time="raised_at",
    fields=(
        _text("model", "the model"),
        _text("kind", "what kind of alarm"),
        _text("message", "the alarm in words"),
        _text("evidence", "the evidence, as JSON"),
        _time("raised_at", "when"),
    ),
    indexes=(("model", "raised_at"),),
)
PROFILES = Collection(
    name="profiles",
    doc="Summaries of what each version was asked to score, a few hundred rows each.",
    time="event_time_first",
    fields=(
        _text("model", "the model"),
        _text("version", "the version that was asked"),
        _text("bundle", "hash of its bundle, whose reference has the bins; empty where none was loaded"),
        _text("arm", "the arm of the rollout that it was"),
        _text("role", "live, or shadow for a version that scores without serving"),
        _integer("generation", "generation of the deployment that was followed"),
        _text("cluster_id", "the cluster whose offsets these are"),
        _json("sources", "partitions of the requests, with the first and the last offset in each"),
        _integer("rows", "rows that the version was asked to score"),
        _integer("profiled", "rows that `columns` counts: all, or a random share"),
        _json("rejected", "rows that got no score, by reason", shape=JsonShape.COUNTS),
        _json("durations_us", "what the rows took in all, by stage, in microseconds"),
        _time("event_time_first", "earliest event time of the rows"),
        _time("event_time_last", "latest event time of the rows"),
        _time("requested_at_first", "when Kafka accepted the first of the rows"),
        _time("requested_at_last", "when Kafka accepted the last of the rows"),
        _json("columns", "for each feature and the score: name, counts in the reference's bins, quantiles, strangers"),
    ),
    indexes=(("model", "version", "event_time_first"),),
)
COMMANDS = Collection(
    name="commands",
    doc="What people and automation asked of the controller.",
    time="issued_at",
    fields=(
        _text("model", "the model"),
        _text("action", "what was asked"),
        _json("arguments", "with which arguments"),
        _text("issued_by", "by whom"),
        _time("issued_at", "when"),
    ),
    indexes=(("model", "issued_at"),),
    kept=True,
)
LABELS = Collection(
    name="labels",
    doc="What turned out to be true, one document per request: the highest revision.",
    time="event_time",
    fields=(
        _text("request_id", "the request that it judges"),
        _text("entity_id", "the request's entity"),
        _text("model", "the model"),
        _text("label", "the true class or value as text; missing when taken back", nullable=True),
        _number("label_number", "the true value where it is a number", nullable=True),
        _integer("label_revision", "the producer's revision"),
        _number("weight", "weight of the label", nullable=True),
        _number("value", "what being right was worth", nullable=True),
        _time("event_time", "when it became known"),
    ),
    indexes=(("request_id",), ("model", "event_time")),
    revised=True,
    monthly=False,
    per_request=True,
)
OUTCOMES = Collection(
    name="outcomes",
    doc="Predictions with what turned out to be true, one document per prediction: the newest label that holds.",
    time="event_time",
    fields=(
        *_judged_fields(),
        _text("truth", "the true class; missing for values, and where the label was taken back", nullable=True),
        _number("truth_value", "the true value; missing for classes, and where it was taken back", nullable=True),
        _number("truth_probability", "the probability that the true class was given", nullable=True),
        _number("loss", "0 or 1 for classes, |error| / loss_scale and at most 1 for values", nullable=True),
        _number("loss_scale", "the absolute error that is a loss of 1; missing for classes", nullable=True),
        _boolean("retracted", "whether the label was taken back"),
        _time("label_event_time", "when the label became true"),
        _integer("label_revision", "the producer's revision of the label"),
        _number("weight", "weight of the label in error rates; missing: 1", nullable=True),
        _number("value", "what the outcome was worth", nullable=True),
        _integer("delay_ms", "from the prediction's event to the label's"),
        _time("joined_at", "when prediction and label were joined"),
        _text("cluster_id", "the cluster that it was joined on"),
        _json("features", "what the prediction was made from, without personal features", shape=JsonShape.FEATURES),
    ),
    indexes=(("request_id",), ("model", "event_time")),
    revised=True,
)
COHORTS = Collection(
    name="cohorts",
    doc="Closed stretches of prediction time, one document per version, arm, role and part: what decisions rest on.",
    time="start",
    fields=(
        _text("model", "the model"),
        _text("version", "the version that predicted"),
        _text("arm", "the arm of the rollout"),
        _text("role", "live or shadow"),
        _integer("generation", "the newest deployment generation in it"),
        _time("start", "first event time of the stretch"),
        _time("end", "event time after the stretch"),
        _integer("predicted", "predictions made in the stretch"),
        _integer("labeled", "those whose label had arrived when it closed"),
        _number("loss_mean", "mean loss of the labeled, 0 to 1; missing without labels", nullable=True),
        _number("delay_ms_p95", "95 % quantile of its labels' delays, in ms"),
        _time("closed_at", "when it was closed"),
    ),
    indexes=(("model", "start"),),
)
PERFORMANCE = Collection(
    name="performance",
    doc="How good a version was, one document per window of event time, version, arm and role; each figure of labels "
    "has a 95 % interval from `_low` to `_high`.",
    time="start",
    fields=(
        _text("model", "the model"),
        _text("version", "the version that predicted"),
        _text("arm", "the arm of the rollout"),
        _text("role", "live or shadow"),
        _time("start", "first event time of the window"),
        _time("end", "event time after the window"),
        _text("task", "binary, multiclass or regression"),
        _json("classes", "the version's classes in its order", shape=JsonShape.WORDS),
        _number("loss_scale", "the absolute error that is a loss of 1; missing for classes", nullable=True),
        _integer("predicted", "predictions made in the window"),
        _integer("labeled", "those whose truth is known"),
        _integer("retracted", "those whose label was taken back"),
        _number("coverage", "labeled / predicted: how much of the window the figures speak for", nullable=True),
        _number("maturity", "share of the predictions that were old enough for their labels to be expected"),
        _integer("age_cutoff_ms", "how old that is"),
        _number("low_confidence", "share of predictions below outcomes.confidence_min", nullable=True),
        _number("delay_ms_mean", "mean delay of the labels", nullable=True),
        *(
            _number(f"{name}{bound}", f"{doc}{words}", nullable=True)
            for name, doc in MEASURES.items()
            for bound, words in (("", ""), ("_low", ": lower bound"), ("_high", ": upper bound"))
        ),
        _number("value_total", "what outcomes were worth in all", nullable=True),
        _json("confusion", "weights of labels by true and predicted class"),
        _text("sums", "what windows are added up from, as JSON"),
        _integer("partitions", "partitions that have told of it"),
        _time("told_at", "when it was told last"),
    ),
    indexes=(("model", "start"),),
    revised=True,
)
LOGS = Collection(
    name="logs",
    doc="Log lines of penstock's processes.",
    time="logged_at",
    fields=(
        _text("service", "which process"),
        _text("level", "how serious"),
        _text("event", "what happened"),
        _time("logged_at", "when"),
        _text("model", "the model concerned", nullable=True),
        _text("version", "the version concerned", nullable=True),
        _text("request_id", "the request concerned", nullable=True),
        _text("topic", "the topic concerned", nullable=True),
        _integer("partition", "the partition concerned", nullable=True),
        _integer("offset", "the offset concerned", nullable=True),
        _json("fields", "anything else"),
    ),
    indexes=(("logged_at",),),
)

# Made by the sinks themselves, from documents of collections that have positions.
REPEATED_REQUESTS = Collection(
    name="repeated_requests",
    doc="Where the records of request ids lie that were sent more than once, one document for each record.",
    time="event_time",
    fields=(
        _text("document_id", "the id of the prediction"),
        _text("model", "the model"),
        _text("cluster_id", "the cluster whose offsets these are"),
        _integer("source_partition", "partition of one of the request's records"),
        _integer("source_offset", "its offset"),
        _time("event_time", "when it happened, as the request stored last says"),
    ),
)

COLLECTIONS: tuple[Collection, ...] = (
    PREDICTIONS,
    SHADOWS,
    DEAD_LETTERS,
    DEPLOYMENTS,
    RECEIPTS,
    JOURNAL,
    MODEL_EVENTS,
    SIGNALS,
    PROFILES,
    COMMANDS,
    LABELS,
    OUTCOMES,
    COHORTS,
    PERFORMANCE,
    LOGS,
)
