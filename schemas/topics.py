"""Every topic, declared once: name, key, value, cleanup policy, retention and owner.

Broker creation, the ACL table and the reference page derive from this catalogue; no other
module spells a topic's name.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

MODEL_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")
DAY_MS = 86_400_000
PRODUCER_HEADER = "producer"
"""The Kafka header in which whoever sends a record may say its name, as UTF-8."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicKind:
    """A family of topics (`per_model`) or one system topic, and what holds for it.

    `owner` and `readers` are who may write and read it, separated by commas: rights are granted by them.
    """

    name: str
    per_model: bool
    key: str
    value: str
    cleanup: Literal["delete", "compact", "compact,delete"] = "delete"
    retention_ms: int
    owner: str
    readers: str
    doc: str


REQUESTS = TopicKind(
    name="requests",
    per_model=True,
    key="entity_id",
    value="InferenceRequest",
    retention_ms=7 * DAY_MS,
    owner="producers",
    readers="scorer, shadow, operators",
    doc="Typed inference requests of one model.",
)
PREDICTIONS = TopicKind(
    name="predictions",
    per_model=True,
    key="entity_id",
    value="Prediction",
    retention_ms=7 * DAY_MS,
    owner="scorer",
    readers="sink, outcomes, operators, consumers",
    doc="One prediction per request record, role live, transactional.",
)
SHADOWS = TopicKind(
    name="shadows",
    per_model=True,
    key="entity_id",
    value="Prediction",
    retention_ms=7 * DAY_MS,
    owner="shadow",
    readers="sink, outcomes",
    doc="Predictions of versions that score without serving.",
)
LABELS = TopicKind(
    name="labels",
    per_model=True,
    key="entity_id",
    value="Label",
    retention_ms=30 * DAY_MS,
    owner="producers",
    readers="sink, outcomes",
    doc="What turned out to be true, by request id.",
)
OUTCOMES = TopicKind(
    name="outcomes",
    per_model=True,
    key="entity_id",
    value="Outcome",
    retention_ms=30 * DAY_MS,
    owner="outcomes",
    readers="sink, trainer",
    doc="A prediction together with its label.",
)
DEPLOYMENTS = TopicKind(
    name="deployments",
    per_model=False,
    key="model",
    value="DeploymentState",
    cleanup="compact",
    retention_ms=-1,
    owner="controller",
    readers="controller, scorer, shadow, outcomes, monitor, sink, operators",
    doc="What serves whom: the one truth that scorers follow.",
)
COMMANDS = TopicKind(
    name="commands",
    per_model=False,
    key="model",
    value="Command",
    retention_ms=30 * DAY_MS,
    owner="operators, trainer",
    readers="controller, sink",
    doc="What people and automation ask of the controller.",
)
COHORTS = TopicKind(
    name="cohorts",
    per_model=False,
    key="model",
    value="Cohort",
    retention_ms=30 * DAY_MS,
    owner="outcomes",
    readers="controller, monitor, outcomes, sink",
    doc="Matured stretches of prediction time with their losses, per version and arm.",
)
PERFORMANCE = TopicKind(
    name="performance",
    per_model=False,
    key="part_id",
    value="Performance",
    cleanup="compact,delete",
    retention_ms=90 * DAY_MS,
    owner="outcomes",
    readers="outcomes, sink",
    doc="Sums over windows of event time, from which every measure of performance is made.",
)
PROFILES = TopicKind(
    name="profiles",
    per_model=False,
    key="model",
    value="Profile",
    retention_ms=30 * DAY_MS,
    owner="scorer, shadow",
    readers="controller, monitor, sink",
    doc="Summaries of features and scores by version, a few hundred rows each.",
)
SIGNALS = TopicKind(
    name="signals",
    per_model=False,
    key="model",
    value="Signal",
    retention_ms=30 * DAY_MS,
    owner="scorer, controller, outcomes, monitor",
    readers="controller, sink, operators",
    doc="Alarms about models and data, with their evidence.",
)
JOURNAL = TopicKind(
    name="journal",
    per_model=False,
    key="model",
    value="JournalEntry",
    retention_ms=365 * DAY_MS,
    owner="controller",
    readers="controller, sink, operators",
    doc="Every decision with its input, so that it can be explained and replayed.",
)
MODEL_EVENTS = TopicKind(
    name="model-events",
    per_model=False,
    key="model",
    value="ModelEvent",
    retention_ms=365 * DAY_MS,
    owner="controller, trainer",
    readers="controller, sink, trainer, operators",
    doc="What happened to models.",
)
DEAD_LETTERS = TopicKind(
    name="dead-letters",
    per_model=False,
    key="source key",
    value="DeadLetter",
    retention_ms=90 * DAY_MS,
    owner="scorer, controller, outcomes, monitor, sink",
    readers="sink",
    doc="Records that could not be processed, with reason and original bytes.",
)
RECEIPTS = TopicKind(
    name="receipts",
    per_model=False,
    key="source topic and partition",
    value="Receipt",
    retention_ms=365 * DAY_MS,
    owner="scorer, outcomes",
    readers="controller, scorer, shadow, outcomes, monitor, sink, operators",
    doc="What each transaction did with each range of offsets.",
)
LOGS = TopicKind(
    name="logs",
    per_model=False,
    key="service",
    value="LogEntry",
    retention_ms=7 * DAY_MS,
    owner="every process, operators",
    readers="sink, operators",
    doc="Log lines of penstock's processes.",
)

CATALOGUE: tuple[TopicKind, ...] = (
    REQUESTS,
    PREDICTIONS,
    SHADOWS,
    LABELS,
    OUTCOMES,
    DEPLOYMENTS,
    COMMANDS,
    COHORTS,
    PERFORMANCE,
    PROFILES,
    SIGNALS,
    JOURNAL,
    MODEL_EVENTS,
    DEAD_LETTERS,
    RECEIPTS,
    LOGS,
)


@dataclass(frozen=True, slots=True)
class Topics:
    """Names of topics under one prefix, and back.

    >>> Topics("penstock.").of(REQUESTS, "flights")
    'penstock.flights.requests'
    >>> Topics("penstock.").of(RECEIPTS)
    'penstock.receipts'
    >>> Topics("penstock.").model_of("penstock.flights.requests", REQUESTS)
    'flights'
    """

    prefix: str = ""

    def of(self, kind: TopicKind, model: str | None = None) -> str:
        """The topic's name; `model` is given exactly for the kinds that are per model."""
        assert kind.per_model == (model is not None), f"{kind.name}: per model {kind.per_model}, model {model}"
        if model is None:
            return f"{self.prefix}{kind.name}"
        return f"{self.prefix}{model}.{kind.name}"

    def model_of(self, topic: str, kind: TopicKind) -> str | None:
        """The model whose topic of that kind this is, or None when it is another topic."""
        suffix = f".{kind.name}"
        if not kind.per_model or not topic.startswith(self.prefix) or not topic.endswith(suffix):
            return None
        model = topic[len(self.prefix) : -len(suffix)]
        return model if MODEL_NAME.fullmatch(model) else None

    def kind_of(self, topic: str) -> TopicKind | None:
        """The declared kind of a topic's name, or None when it is not one of ours."""
        for kind in CATALOGUE:
            if self.model_of(topic, kind) is not None or (not kind.per_model and topic == f"{self.prefix}{kind.name}"):
                return kind
        return None

    def system(self) -> tuple[str, ...]:
        """The names of all system topics."""
        return tuple(self.of(kind) for kind in CATALOGUE if not kind.per_model)

    def of_models(self, kind: TopicKind, models: Iterable[str]) -> tuple[str, ...]:
        """The topics of one kind for several models."""
        return tuple(self.of(kind, model) for model in models)
