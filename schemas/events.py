"""The events on penstock's own topics, one frozen dataclass each.

Every class here has a schema of the same fields in `schemas/avro/`. Times are milliseconds
since the epoch, UTC. Requests and predictions are generated per model (`request_schema.py`).
"""

from dataclasses import dataclass, field
from typing import ClassVar


@dataclass(frozen=True, slots=True, kw_only=True)
class Label:
    """What turned out to be true for one request; `label` None takes an earlier label back."""

    avro_name: ClassVar[str] = "label"

    model: str
    request_id: str
    entity_id: str
    label: str | float | None
    event_time: int
    revision: int = 0
    weight: float | None = None
    value: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BucketRange:
    """Routing buckets from `start` up to, not including, `end`; 0 <= start < end <= 10,000."""

    start: int
    end: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ServedVersion:
    """One version that serves, the arm it is, its bundle's hash and the buckets it owns."""

    version: str
    bundle: str
    arm: str
    buckets: tuple[BucketRange, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class AcceptedLoss:
    """An operator's word that records before `offset_next` were lost and the lane may go on."""

    topic: str
    partition: int
    offset_next: int


@dataclass(frozen=True, slots=True, kw_only=True)
class WithdrawnVersion:
    """A version that may not serve: barred until a person lifts it, or retired for good."""

    version: str
    state: str
    reason: str
    issued_by: str
    decided_at: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StandbyVersion:
    """A version that workers keep loaded and warm though it serves nobody, so that a rollback needs no loading."""

    version: str
    bundle: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Override:
    """A rule that gives entities to a version whatever their bucket.

    `kind`: `entity` for the entity with the id `value`, `prefix` for those whose id begins with it.
    """

    kind: str
    value: str
    version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PartitionEnd:
    """The offset after the last record that a partition held at some moment."""

    partition: int
    offset: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ShadowVersion:
    """A version that scores without serving: requests from `starts` on, `share` of 10,000 by a hash of their ids.

    `generation` is the deployment's when it began, `salt` the seed of the hash.
    """

    version: str
    bundle: str
    share: int
    salt: int
    generation: int
    request_schema_id: int
    prediction_schema_id: int
    starts: tuple[PartitionEnd, ...]
    started_by: str
    started_at: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """Labels and summed losses of both arms over event times in [start, end).

    `source`: the partition and generation that they are of, in which each arm has one share; empty
    where several were added up.
    """

    start: int
    end: int
    labels: int
    losses: float
    control_labels: int
    control_losses: float
    source: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What matured labels say so far of one candidate against control.

    `log_worse` and `log_ok` are natural logarithms of the e-values for "worse than control" and
    for "no worse than the margin". Counts and losses are of whole blocks; `block` is the one that
    is being filled, `waiting` are stretches that one arm only has labels of. The last three are
    sums for the interval that people read.
    """

    log_worse: float
    log_ok: float
    blocks: int
    labels: int
    losses: float
    control_labels: int
    control_losses: float
    block: Stretch
    waiting: tuple[Stretch, ...]
    weight: float
    difference: float
    variance: float


@dataclass(frozen=True, slots=True, kw_only=True)
class GuardrailReadings:
    """The newest readings of one guardrail, oldest first; `breaches` says which were beyond the limit."""

    guardrail: str
    breaches: tuple[bool, ...]
    value: float
    limit: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A version on trial: its arm, and what is known of it since the rollout began.

    `step_labels` are those that matured of predictions made in the present step. `verdict`:
    `open`, `ok`, or `worse` when its entities went back to control.
    """

    version: str
    bundle: str
    arm: str
    verdict: str
    step_labels: int
    evidence: Evidence
    guardrails: tuple[GuardrailReadings, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RolloutStep:
    """One step of a rollout: buckets of 10,000 for each candidate, and what must be reached before the next."""

    shares: tuple[int, ...]
    duration_ms: int
    labels_min: int


@dataclass(frozen=True, slots=True, kw_only=True)
class GuardrailLimit:
    """The value that readings of a guardrail must not exceed."""

    guardrail: str
    limit: float


@dataclass(frozen=True, slots=True, kw_only=True)
class RolloutRules:
    """What a rollout is decided by, as the settings and the command said when it began.

    `judged_by`: `labels` (evidence) or `guardrails` alone. `promotion`: `auto` or `manual`. Of the
    newest `readings` of a guardrail `breaches_min` must be beyond the limit to count.
    """

    judged_by: str
    promotion: str
    alpha: float
    margin: float
    block_labels_min: int
    labels_max: int
    coverage_min: float
    deadline_ms: int
    cool_down_ms: int
    readings: int
    breaches_min: int
    limits: tuple[GuardrailLimit, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RolloutFault:
    """What a worker has found wrong with a candidate: `refused` or `quarantined`."""

    kind: str
    version: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Rollout:
    """One change of versions, from its start to its end: strategy, plan, phase and evidence.

    `control` is the version that served before, empty when there was none. Labels count from
    predictions of generation `generation_first` on, those of the present step from
    `step_generation` on. `advised` are actions that a freeze has turned into words.
    """

    rollout_id: str
    strategy: str
    phase: str
    reason: str
    started_by: str
    started_at: int
    phase_since: int
    generation_first: int
    control: str
    control_bundle: str
    candidates: tuple[Candidate, ...]
    steps: tuple[RolloutStep, ...]
    step: int
    step_since: int
    step_generation: int
    loaded_at: int | None
    ends_at: int | None
    labels_max: int
    rules: RolloutRules
    faults: tuple[RolloutFault, ...]
    advised: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class LossRecord:
    """Matured labels of a version and their summed losses, the newest counting most and older ones fading."""

    version: str
    labels: float
    losses: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ActOfAutomation:
    """That automation acted: `kind` is `retrain` or `rollback`."""

    kind: str
    at: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Restraint:
    """A person's word on a kind of act until a moment: `veto` (only tell) or `silence` (not even that)."""

    kind: str
    word: str
    until: int
    issued_by: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DeploymentState:
    """What serves whom for one model: the one truth that scorers follow.

    `generation` counts changes of what scorers do, `revision` every change of the state.
    """

    avro_name: ClassVar[str] = "deployment_state"

    model: str
    generation: int
    salt: int
    versions: tuple[ServedVersion, ...]
    previous_version: str | None
    request_schema_id: int
    prediction_schema_id: int
    accepted_losses: tuple[AcceptedLoss, ...]
    command_id: str
    decided_at: int
    withdrawn: tuple[WithdrawnVersion, ...] = ()
    revision: int = 0
    standby: tuple[StandbyVersion, ...] = ()
    overrides: tuple[Override, ...] = ()
    rollout: Rollout | None = None
    frozen_by: str | None = None
    cool_down_until: int = 0
    records: tuple[LossRecord, ...] = ()
    acts: tuple[ActOfAutomation, ...] = ()
    restraints: tuple[Restraint, ...] = ()
    shadows: tuple[ShadowVersion, ...] = ()

    def serves(self, version: str) -> bool:
        """Whether the version has any share of the requests."""
        return any(served.version == version for served in self.versions)

    def withdrawal_of(self, version: str) -> WithdrawnVersion | None:
        """Why the version may not serve, or None when nothing here speaks against it."""
        return next((each for each in self.withdrawn if each.version == version), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """What a person or automation asks of the rollout controller; repeated ids act once."""

    avro_name: ClassVar[str] = "command"

    command_id: str
    model: str
    action: str
    arguments: dict[str, str]
    issued_by: str
    issued_at: int


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalEntry:
    """One decision: the input, the time, the state before and after, and what was done.

    `input`, `state_before`, `state_after` and `actions` are JSON with sorted keys. `command_id` is
    the id of the input, of whatever kind. `digest` is the SHA-256 of the digest before and of all
    other fields, so that no entry can be altered without its showing.
    """

    avro_name: ClassVar[str] = "journal_entry"

    model: str
    sequence: int
    command_id: str
    input: str
    now: int
    state_before: str | None
    state_after: str | None
    actions: tuple[str, ...]
    outcome: str
    reason: str
    digest: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelEvent:
    """Something that happened to a model: Activated, RolledBack, RetrainRequested, Trained ...

    `details`: what else is known, as JSON with sorted keys, or empty; what it holds depends on the kind.
    """

    avro_name: ClassVar[str] = "model_event"

    event_id: str
    model: str
    kind: str
    version: str | None
    previous_version: str | None
    reason: str
    caused_by: str
    occurred_at: int
    issued_by: str = ""
    details: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Signal:
    """An alarm about a model or its data, with its evidence as JSON."""

    avro_name: ClassVar[str] = "signal"

    signal_id: str
    model: str
    kind: str
    message: str
    evidence: str
    raised_at: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Cohort:
    """One closed stretch of prediction time of one version in one arm: what decisions see of its outcomes.

    It covers event times in [start, end), the same for every version and arm, so that cohorts of
    one start are concurrent. `losses`, each in [0, 1] and ordered by (event time, request id), are
    those of the `labeled` among the `predicted`: 0 or 1 for classes, the absolute error scaled by
    the reference's 99th percentile and cut there for numbers. `part` in the id is the partition,
    or `partition.number` where the losses of one are too many for one record: each is emitted once,
    a partition's in order of time, and later corrections change none.
    """

    avro_name: ClassVar[str] = "cohort"

    model: str
    cohort_id: str
    version: str
    arm: str
    role: str
    generation: int
    start: int
    end: int
    predicted: int
    labeled: int
    losses: tuple[float, ...]
    delay_ms_p95: float
    closed_at: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceRange:
    """Rows of one partition of the requests between two offsets, both ends among them."""

    partition: int
    offset_first: int
    offset_last: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnCounts:
    """What one feature, or the score, was in the profiled rows."""

    name: str
    counts: tuple[int, ...]
    quantiles: tuple[float, ...]
    strangers: dict[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """A summary of one stretch of rows that one version was asked to score; summaries of one version can be added up.

    A feature's rows are all `profiled` ones, those included that were rejected; the score of a
    rejected row is missing. Rows that could not be decoded or routed belong to no version and are
    in the receipts alone.
    """

    avro_name: ClassVar[str] = "profile"

    profile_id: str
    model: str
    version: str
    bundle: str
    arm: str
    role: str
    generation: int
    cluster_id: str
    sources: tuple[SourceRange, ...]
    rows: int
    profiled: int
    rejected: dict[str, int]
    durations_us: dict[str, int]
    event_time_first: int
    event_time_last: int
    requested_at_first: int
    requested_at_last: int
    columns: tuple[ColumnCounts, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfusionCell:
    """The weight of labels of one true class that were predicted as another, or as the same."""

    truth: str
    label: str
    weight: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreBin:
    """Weights of what was not and what was positive among scores of one bin, and the weighted sum of the scores."""

    bin: int
    negative: float
    positive: float
    score: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Performance:
    """What one partition knows of one window of event time of a version, arm and role: sums that add up.

    The sums of all partitions' newest parts are those of the window; `part_id` is
    `model:version:arm:role:start:partition`, and a higher `revision` replaces a lower one.
    `watermark` is the event time that the partition has come to, `age_cutoff_ms` how old a
    prediction must be for its label to be expected.
    """

    avro_name: ClassVar[str] = "performance"

    part_id: str
    model: str
    version: str
    arm: str
    role: str
    partition: int
    start: int
    end: int
    revision: int
    task: str
    classes: tuple[str, ...]
    loss_scale: float | None
    watermark: int | None
    age_cutoff_ms: int
    predicted: int
    low_confidence: int
    labeled: int
    retracted: int
    sums: dict[str, float]
    confusion: tuple[ConfusionCell, ...]
    scores: tuple[ScoreBin, ...]
    told_at: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """One Kafka header as it came."""

    name: str
    value: bytes | None


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetter:
    """A record that could not be processed, with its bytes, its reason and where it came from.

    `value` is cut at a bound (`value_truncated`); `value_bytes` and `value_sha256` are of the
    whole, which is found again at (topic, partition, offset) of cluster `cluster_id`.
    """

    avro_name: ClassVar[str] = "dead_letter"

    model: str
    reason: str
    stage: str
    detail: str
    cluster_id: str
    topic: str
    partition: int
    offset: int
    append_time: int
    key: bytes | None
    value: bytes | None
    value_bytes: int
    value_sha256: str
    value_truncated: bool
    headers: tuple[Header, ...]
    service: str
    failed_at: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """What one transaction did with one partition's offsets in [offset_from, offset_to).

    `records` counts what was read there, `scored` plus the sum of `dead_lettered`; offsets
    may outnumber records, since transaction markers take offsets too. `lost` counts offsets
    that were deleted before they were read and whose loss an operator accepted.
    """

    avro_name: ClassVar[str] = "receipt"

    cluster_id: str
    lane: str
    guarantee: str
    model: str
    topic: str
    partition: int
    offset_from: int
    offset_to: int
    records: int
    scored: int
    dead_lettered: dict[str, int]
    lost: int = 0
    offset_pending_oldest: int | None = None
    committed_at: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LogEntry:
    """One line of a process's log."""

    avro_name: ClassVar[str] = "log_entry"

    service: str
    level: str
    event: str
    logged_at: int
    model: str | None = None
    version: str | None = None
    request_id: str | None = None
    topic: str | None = None
    partition: int | None = None
    offset: int | None = None
    fields: dict[str, str] = field(default_factory=dict)


Event = (
    Label
    | DeploymentState
    | Command
    | JournalEntry
    | ModelEvent
    | Signal
    | Cohort
    | Performance
    | Profile
    | DeadLetter
    | Receipt
    | LogEntry
)
EVENT_TYPES: tuple[type[Event], ...] = (
    Label,
    DeploymentState,
    Command,
    JournalEntry,
    ModelEvent,
    Signal,
    Cohort,
    Performance,
    Profile,
    DeadLetter,
    Receipt,
    LogEntry,
)
