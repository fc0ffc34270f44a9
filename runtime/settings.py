"""Settings, parsed once at the edge into frozen objects and passed down.

Read from `penstock.toml` (`--config`), then overridden by environment variables named
`PENSTOCK_<SECTION>__<NAME>`. Unknown keys are refused.
"""

import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_settings import BaseSettings, InitSettingsSource, PydanticBaseSettingsSource, SettingsConfigDict

from runtime.secret_files import with_secrets_read
from runtime.settings_relations import require_files, require_plain_url, require_public_key, require_together

Guarantee = Literal["exactly_once", "at_least_once"]
LogLevel = Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"]
Seconds = Annotated[float, Field(gt=0)]
PublicKey = Annotated[str, AfterValidator(require_public_key)]
PersonName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._@-]{0,62}$")]


class Section(BaseModel):
    """A group of settings: frozen, unknown keys refused, secrets also from files (`password_file`)."""

    # What was given is not repeated in errors: it may be a secret, which no traceback may hold.
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    @model_validator(mode="before")
    @classmethod
    def _from_files(cls, values: Any) -> Any:
        return with_secrets_read(values, cls.model_fields) if isinstance(values, dict) else values


class HttpServerSettings(Section):
    """How a server is asked over HTTP: as whom, and whom to trust."""

    username: str = Field("", description="basic authentication; empty: none")
    password: SecretStr | None = Field(None, description="of that user")
    password_file: Path | None = Field(None, description="a file that holds the password")
    ca_file: Path | None = Field(None, description="PEM: who may vouch for the server; none: the system's authorities")
    cert_file: Path | None = Field(None, description="PEM: our own certificate, where the server asks for one")
    key_file: Path | None = Field(None, description="PEM: the private key of that certificate")
    key_password: SecretStr | None = Field(None, description="of an encrypted private key")
    key_password_file: Path | None = Field(None, description="a file that holds the key's password")

    @model_validator(mode="after")
    def _whole(self) -> Self:
        require_together(self, "username", "password")
        require_together(self, "cert_file", "key_file")
        require_files(self, "ca_file", "cert_file", "key_file")
        return self


class KafkaSettings(Section):
    """Where the brokers are. Without `bootstrap_servers` the embedded broker is started."""

    bootstrap_servers: str = Field("", description="host:port, comma-separated; empty: the embedded broker")
    cluster_id: str = Field("", description="set by `penstock up` for the embedded broker; empty: ask the cluster")
    security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = Field(
        "PLAINTEXT", description="SSL encrypts, SASL shows a user; passwords belong on SASL_SSL"
    )
    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = Field(
        "SCRAM-SHA-512", description="how the password is shown; PLAIN sends it as it is"
    )
    sasl_username: str = Field("", description="the user of this process, whose rights the brokers hold it to")
    sasl_password: SecretStr | None = Field(None, description="of that user")
    sasl_password_file: Path | None = Field(None, description="a file that holds the password")
    ssl_ca_file: Path | None = Field(None, description="PEM: who may vouch for brokers; none: the system's authorities")
    ssl_cert_file: Path | None = Field(None, description="PEM: our own certificate, where brokers ask for one")
    ssl_key_file: Path | None = Field(None, description="PEM: the private key of that certificate")
    ssl_key_password: SecretStr | None = Field(None, description="of an encrypted private key")
    ssl_key_password_file: Path | None = Field(None, description="a file that holds the key's password")
    transaction_timeout_ms: int = Field(10_000, ge=1_000, description="a dead lane's open transaction is aborted then")
    session_timeout_ms: int = Field(6_000, ge=1_000, description="a silent group member's partitions move after this")
    request_timeout_s: Seconds = Field(10.0, description="for metadata, offsets and other single calls")

    @property
    def embedded(self) -> bool:
        return not self.bootstrap_servers

    @property
    def sasl(self) -> bool:
        return self.security_protocol.startswith("SASL_")

    @property
    def ssl(self) -> bool:
        return self.security_protocol.endswith("SSL")

    @model_validator(mode="after")
    def _secured_as_a_whole(self) -> Self:
        if self.embedded and self.security_protocol != "PLAINTEXT":
            raise ValueError("the embedded broker has no security: name real servers in bootstrap_servers")
        require_together(self, "sasl_username", "sasl_password")
        if self.sasl and not self.sasl_username:
            raise ValueError(f"security_protocol {self.security_protocol} needs sasl_username and sasl_password")
        if self.sasl_username and not self.sasl:
            raise ValueError(
                f"security_protocol {self.security_protocol} shows no user: set SASL_SSL for sasl_username"
            )
        if not self.ssl and (self.ssl_ca_file or self.ssl_cert_file):
            raise ValueError(f"security_protocol {self.security_protocol} uses no certificates: set SSL or SASL_SSL")
        require_together(self, "ssl_cert_file", "ssl_key_file")
        require_files(self, "ssl_ca_file", "ssl_cert_file", "ssl_key_file")
        return self


class TopicSettings(Section):
    """How penstock's topics are named and made."""

    prefix: str = Field("", pattern=r"^[a-zA-Z0-9._-]*$", description="put before every topic's name")
    partitions: int = Field(8, ge=1, le=1_000, description="of each per-model topic; can't be changed later")
    replication_factor: int = Field(1, ge=1, description="of every topic created")


class SchemaRegistrySettings(HttpServerSettings):
    """Where schema ids are made and resolved. Without `url` a file in the registry directory does it."""

    url: str = Field("", description="base of the Confluent API, such as https://registry:8081; empty: the file")
    token: SecretStr | None = Field(None, description="bearer token or API key, instead of a user")
    token_file: Path | None = Field(None, description="a file that holds the token")
    timeout_s: Seconds = Field(5.0, le=30, description="a question that takes longer counts as not answered")

    @model_validator(mode="after")
    def _a_place_without_secrets(self) -> Self:
        require_plain_url(self.url)
        if self.token is not None and self.username:
            raise ValueError("give username and password or token, not both")
        if not self.url and any((self.username, self.token, self.ca_file, self.cert_file)):
            raise ValueError("url is empty, so there is no server to show credentials to: name it")
        if self.url.startswith("http://") and (self.ca_file or self.cert_file):
            raise ValueError("certificates are used with https:// only: change url")
        return self


class ScoringSettings(Section):
    """The scoring lane."""

    batch_records_max: int = Field(2_000, ge=1, le=50_000, description="records polled into one batch")
    batch_wait_ms: int = Field(
        50, ge=1, description="how long a poll waits for a first record; what has arrived by then is the batch"
    )
    decoder: Literal["arrow", "fastavro"] = Field("arrow", description="arrow decodes whole batches")
    value_bytes_max: int = Field(262_144, ge=64, description="longer values are dead-lettered as oversize")
    dead_letter_bytes_max: int = Field(65_536, ge=0, description="original bytes kept in a dead letter")
    event_time_past_max_s: float | None = Field(None, gt=0, description="older events are dead-lettered; none: off")
    event_time_ahead_max_s: float | None = Field(None, gt=0, description="later events are dead-lettered; none: off")
    predict_timeout_s: Seconds = Field(60.0, description="a predict call beyond it: the process is ended")
    memory_bytes_max: int = Field(4 << 30, ge=1 << 28, description="a scorer above it is ended")
    transaction_hang_s: Seconds = Field(20.0, description="a transactional call beyond it: the process is ended")
    quarantine: Literal["previous_version", "dead_letter"] = Field(
        "dead_letter", description="what becomes of requests whose version hung or ran out of memory twice"
    )


class OutcomeSettings(Section):
    """The outcome lane, which joins labels to predictions, and the cohorts that it closes."""

    workers: int = Field(1, ge=1, le=64, description="outcome processes; the embedded broker allows one")
    horizon_s: Seconds = Field(
        432_000.0,
        description="how long a request waits for labels and corrections, in append time; the topics of predictions, "
        "shadows and labels must keep records longer",
    )
    stretch_s: Seconds = Field(
        3_600.0, description="prediction time in one cohort; shorter for faster decisions where requests are many"
    )
    maturity_min_s: float = Field(0.0, ge=0, description="a prediction is at least so old when its cohort closes")
    maturity_max_s: Seconds = Field(
        86_400.0,
        description="cohorts wait no longer than this for labels, and this long until enough delays are known",
    )
    lateness_s: float = Field(60.0, ge=0, description="how much later than others an event may come in its topic")
    idle_s: Seconds = Field(
        30.0, description="an input that was read to its end is waited for no longer than this while it is silent"
    )
    window_s: Seconds = Field(3_600.0, description="event time in one window of performance; reports add windows up")
    tell_every_s: Seconds = Field(5.0, description="windows that have changed are told this often")
    confidence_min: float = Field(
        0.6, ge=0, le=1, description="below this probability of the predicted class a prediction counts as unsure"
    )
    losses_max: int = Field(10_000, ge=100, le=100_000, description="losses in one cohort record; more make parts")
    batch_records_max: int = Field(5_000, ge=1, le=50_000, description="records polled into one batch")
    memory_bytes: int = Field(
        256 << 20, ge=1 << 24, description="the newest pending predictions and the disk's cache in memory, half each"
    )

    @model_validator(mode="after")
    def _times_fit(self) -> Self:
        if self.maturity_min_s > self.maturity_max_s:
            raise ValueError("maturity_min_s must not be above maturity_max_s")
        if self.maturity_max_s + self.stretch_s > self.horizon_s:
            raise ValueError("maturity_max_s and stretch_s together must not be above horizon_s")
        return self


LossDetectorName = Literal["adwin", "page_hinkley", "kswin", "ddm", "eddm", "fhddm", "hddm_a", "hddm_w"]


class DriftSettings(Section):
    """Profiles of features and scores, which drift is judged by, and what the monitor looks for."""

    profile_every_s: Seconds = Field(5.0, description="rows wait no longer than this for their profile")
    profile_rows_per_s_max: int = Field(
        10_000,
        ge=0,
        description="rows that a scorer profiles a second; above it a random share, and profiles say so; 0: none",
    )
    rows_per_false_alarm: int = Field(
        1_000_000, ge=10_000, description="one false alarm of drift in so many rows, over all columns together"
    )
    loss_detector: LossDetectorName = Field(
        "adwin", description="of a rise of the losses, which asks for a retrain; docs/drift.md compares them"
    )
    loss_margin: float = Field(
        0.05,
        ge=0,
        lt=1,
        description="mean loss above the baseline up to which a version may serve; above it a better one should",
    )
    labels_per_false_alarm: int = Field(
        1_000_000, ge=1_000, description="one false alarm of losses above baseline and margin in so many labels"
    )
    coverage_min: float = Field(0.9, ge=0, le=1, description="cohorts with a smaller share of labels do not count")
    rate_window_s: Seconds = Field(300.0, description="requests are counted for so long before they are compared")
    rate_factor: float = Field(
        3.0, gt=1, description="so many times more, or fewer, than in any window of the day before is told"
    )
    records_again_max: int = Field(
        100_000,
        ge=1_000,
        description="newest profiles, and cohorts, that the monitor reads again when it starts; 250 rows a profile",
    )


class RolloutSettings(Section):
    """How rollouts are decided, where their command says nothing else."""

    judged_by: Literal["labels", "guardrails"] = Field(
        "labels", description="labels: by evidence from matured labels; guardrails: by time and guardrails alone"
    )
    promotion: Literal["auto", "manual"] = Field("auto", description="manual: a person gives the word for everything")
    alpha: float = Field(0.05, gt=0, lt=0.5, description="probability of a false decision, in each direction")
    margin: float = Field(0.02, ge=0, lt=1, description="difference of mean loss up to which a canary is no worse")
    block_labels_min: int = Field(100, ge=1, description="labels of each arm that are judged at once, at least")
    labels_max: int = Field(100_000, ge=1, description="labels of both arms after which a rollout is Inconclusive")
    coverage_min: float = Field(0.9, ge=0, le=1, description="cohorts with a smaller share of labels do not count")
    step_duration_s: Seconds = Field(300.0, description="least time of a step")
    step_labels_min: int = Field(100, ge=0, description="least matured labels of the candidate in a step")
    step_deadline_s: Seconds = Field(86_400.0, description="a step that takes longer makes a rollout Inconclusive")
    warm_up_s: float = Field(5.0, ge=0, description="time between loading and switching in a blue-green rollout")
    cool_down_s: float = Field(3_600.0, ge=0, description="no rollout begins for so long after an automatic rollback")
    guardrail_readings: int = Field(5, ge=1, le=100, description="newest readings of a guardrail that count")
    guardrail_breaches: int = Field(3, ge=1, le=100, description="breaches among them that roll back")
    guardrail_rows_min: int = Field(200, ge=1, description="rows of each arm that a reading is made of, at least")
    guardrail_every_s: float = Field(10.0, ge=0, description="time that a reading is made of, at least")
    dead_letter_share_max: float = Field(
        0.01, ge=0, le=1, description="candidate's share of dead letters minus control's"
    )
    not_finite_share_max: float = Field(0.0, ge=0, le=1, description="share of scores that are NaN or infinite")
    score_shift_max: float = Field(
        0.5, gt=0, description="mean distance of score quantiles between arms, in units of control's spread"
    )
    row_us_max: float = Field(50_000.0, gt=0, description="mean time that fitting and scoring one row takes, us")

    @model_validator(mode="after")
    def _breaches_within_readings(self) -> Self:
        if self.guardrail_breaches > self.guardrail_readings:
            raise ValueError("guardrail_breaches can't be more than guardrail_readings, of which they are a part")
        return self


class ShadowSettings(Section):
    """The shadow lane, in which versions score without serving."""

    workers: int = Field(1, ge=1, le=64, description="shadow processes; the embedded broker allows one")
    nice: int = Field(10, ge=0, le=19, description="how far it steps back for other processes of the machine")
    batch_records_max: int = Field(2_000, ge=1, le=50_000, description="records polled into one batch")


class RegistrySettings(Section):
    """What a model version may be, and when a worker believes it."""

    trusted_types: tuple[str, ...] = Field((), description="types a model file may hold besides the allow-list's")
    bundle_bytes_max: int = Field(1 << 30, ge=1 << 20, description="a bundle that unpacks to more is refused")
    load_timeout_s: Seconds = Field(60.0, description="a version that takes longer to load is rejected")


class BudgetSettings(Section):
    """What a version may take on the machine that validates it; loading has registry.load_timeout_s."""

    latency_one_ms_max: float = Field(1_000.0, gt=0, description="median time to score one row")
    latency_thousand_ms_max: float = Field(5_000.0, gt=0, description="median time to score a batch of 1,000 rows")
    memory_bytes_max: int = Field(2 << 30, ge=1 << 20, description="memory that loading and scoring take at most")


class CriteriaSettings(Section):
    """How good a version must be to pass its validation, on its holdout or else on its sample. None: not asked."""

    accuracy_min: float | None = Field(None, ge=0, le=1, description="share of rows whose label is right")
    precision_min: float | None = Field(
        None, ge=0, le=1, description="of the second class; of several classes the mean"
    )
    recall_min: float | None = Field(None, ge=0, le=1, description="of the second class; of several classes the mean")
    f1_min: float | None = Field(None, ge=0, le=1, description="of the second class; of several classes the mean")
    auc_min: float | None = Field(None, ge=0, le=1, description="area under the ROC curve, for two classes")
    log_loss_max: float | None = Field(None, ge=0, description="mean negative log-likelihood of the true class")
    mae_max: float | None = Field(None, ge=0, description="mean absolute error of a regression, in the target's unit")
    rmse_max: float | None = Field(None, ge=0, description="root mean squared error, in the target's unit")
    worse_by_max: float | None = Field(
        None,
        ge=0,
        description="how much worse than the active version on the same rows, in each metric with a bound, "
        "or in accuracy or mae where none has one; 0: no worse",
    )
    rows_min: int = Field(100, ge=1, description="rows with a known truth that a judgment needs")


class PolicySettings(Section):
    """What a version must be, and who must agree, before it may serve."""

    approvals_required: int = Field(
        0, ge=0, le=20, description="people who must approve a version before it serves; 0: what is validated may"
    )
    approvers: dict[PersonName, tuple[PublicKey, ...]] = Field(
        {}, description="who may approve, each with the public keys that `penstock models keygen` printed"
    )
    registrant_may_approve_alone: bool = Field(
        False, description="whether the approval of who registered the version may be the only one"
    )
    automation_activates: Literal["approved", "validated"] = Field(
        "approved", description="what penstock may let serve by itself: only what a person approved, or all that may"
    )
    criteria: CriteriaSettings = CriteriaSettings()
    budget: BudgetSettings = BudgetSettings()

    @model_validator(mode="after")
    def _can_be_met(self) -> Self:
        """Two people with one key would be one person, and approvals that nobody can give would keep all out."""
        keys = [key for theirs in self.approvers.values() for key in theirs]
        shared = sorted({key for key in keys if keys.count(key) > 1})
        if shared:
            raise ValueError(f"approvers: the key {shared[0]} is there twice: each person needs a key of their own")
        if self.approvals_required > len(self.approvers):
            raise ValueError(
                f"approvals_required is {self.approvals_required} and approvers names {len(self.approvers)}: "
                "name as many, with keys that `penstock models keygen` makes"
            )
        return self


Acting = Literal["auto", "notify", "off"]
RetrainGrounds = Literal["drift", "rise", "baseline"]


class ActingSettings(Section):
    """What automation does about drift and bad performance; notify: it only tells."""

    retrain: Acting = Field("auto", description="ask for a retrain when requests drift or losses rise")
    rollback: Acting = Field(
        "auto", description="go back to the version before, when it does better than one that fails its baseline"
    )
    retrain_on: tuple[RetrainGrounds, ...] = Field(
        ("drift", "rise", "baseline"),
        description="what a retrain is asked for upon: rows drift, losses rise, losses are above the baseline and its "
        "margin and no version before does better; what is left out is only signaled",
    )
    retrain_cool_down_s: Seconds = Field(3_600.0, description="no retrain is asked for so long after another")
    rollback_cool_down_s: Seconds = Field(3_600.0, description="no rollback follows another, and no rollout begins")
    retrains_per_day_max: int = Field(3, ge=1, description="beyond it automation only tells")
    rollbacks_per_day_max: int = Field(2, ge=1, description="beyond it automation only tells")
    record_labels_min: int = Field(500, ge=1, description="matured labels without which a version's record is none")
    tally_labels: int = Field(500, ge=1, description="matured labels that are added to a record at once")


class TrainerSettings(Section):
    """What a retrain is made from, and what it may take."""

    rows_min: int = Field(2_000, ge=20, description="matured outcomes that a retrain needs")
    rows_max: int = Field(50_000, ge=20, description="outcomes that a retrain uses, the newest ones")
    class_rows_min: int = Field(20, ge=1, description="outcomes of each class that it learns from, at least")
    judged_share: float = Field(
        0.2, gt=0, le=0.5, description="newest outcomes that are held back: old and new version are judged by them"
    )
    request_wait_s: Seconds = Field(86_400.0, description="a retrain waits so long for outcomes that are missing")
    look_every_s: Seconds = Field(5.0, description="how often it looks whether they have come")
    fit_timeout_s: Seconds = Field(900.0, description="a fit that takes longer is ended")
    memory_bytes_max: int = Field(2 << 30, ge=1 << 29, description="memory that the process of a fit takes at most")
    canary: Literal["auto", "off"] = Field(
        "auto",
        description="auto: a candidate goes on to a canary by itself, once the policy lets automation do so; "
        "off: a person starts it",
    )
    canary_steps: str = Field("", description='steps of that canary, such as "5%,20%,50%"; empty: the usual ones')

    @model_validator(mode="after")
    def _least_below_most(self) -> Self:
        if self.rows_min > self.rows_max:
            raise ValueError("rows_min can't be more than rows_max: no window could ever be enough")
        return self


class ProducerSettings(Section):
    """What publishes requests, labels and commands."""

    name: str = Field("", description="who sends, said in the header `producer` of every record; empty: nobody says")
    personal_key: SecretStr | None = Field(None, description="tokenizes features marked personal (HMAC-SHA256)")
    personal_key_file: Path | None = Field(None, description="a file that holds the key")
    delivery_timeout_s: Seconds = Field(60.0, description="a record that the broker has not accepted by then failed")
    holdback_timeout_s: Seconds = Field(120.0, description="embedded: longest wait for consumers that do not move")


class StoreSettings(HttpServerSettings):
    """Where documents for analysts go. Without `elasticsearch_urls` that is a file in the data directory."""

    batch_documents_max: int = Field(10_000, ge=1, description="documents written at once")
    batch_wait_ms: int = Field(200, ge=1, description="how long the sink waits for a first record")
    elasticsearch_urls: str = Field(
        "", description="http(s)://host:port of Elasticsearch, comma-separated; empty: the embedded store"
    )
    index_prefix: str = Field(
        "penstock", pattern=r"^[a-z0-9][a-z0-9_]*$", description="before the first dash of every index's name"
    )
    shards: int = Field(1, ge=1, le=1_024, description="of each new index of predictions, shadows, outcomes and labels")
    replicas: int | None = Field(None, ge=0, description="copies of each shard; none: one where there is a second node")
    refresh_interval_ms: int = Field(1_000, ge=100, description="after this a document that was written can be found")
    retention_months: int | None = Field(
        None,
        ge=1,
        description="`penstock store prune` keeps so many besides the running one; none: it must be told",
    )
    bulk_bytes_max: int = Field(1 << 20, ge=1 << 16, description="of one bulk request to Elasticsearch")
    bulk_requests_max: int = Field(4, ge=1, le=16, description="bulk requests to Elasticsearch under way at once")
    api_key: SecretStr | None = Field(None, description="of Elasticsearch, as it was encoded; instead of a user")
    api_key_file: Path | None = Field(None, description="a file that holds the API key")
    request_timeout_s: float = Field(
        15.0, gt=0, le=15, description="for one request of the sink to Elasticsearch; its group waits for a few of them"
    )

    @property
    def embedded(self) -> bool:
        return not self.elasticsearch_urls

    @property
    def urls(self) -> tuple[str, ...]:
        """The nodes of Elasticsearch, one by one."""
        return tuple(url.strip() for url in self.elasticsearch_urls.split(",") if url.strip())

    @property
    def tls(self) -> bool:
        return any(url.startswith("https://") for url in self.urls)

    @model_validator(mode="after")
    def _credentials_for_someone(self) -> Self:
        if self.api_key is not None and self.username:
            raise ValueError("give username and password or api_key, not both")
        if not self.urls and any((self.username, self.api_key, self.ca_file, self.cert_file)):
            raise ValueError("elasticsearch_urls is empty, so there is no server to show credentials to: name it")
        if self.urls and not self.tls and (self.ca_file or self.cert_file):
            raise ValueError("certificates are used with https:// only: change elasticsearch_urls")
        return self

    @field_validator("elasticsearch_urls")
    @classmethod
    def _whole_urls(cls, value: str) -> str:
        for url in filter(None, (part.strip() for part in value.split(","))):
            parts = urlsplit(url)
            if parts.scheme not in ("http", "https") or not parts.hostname or parts.port is None:
                raise ValueError("each must be http://host:port or https://host:port")
            if parts.username is not None or parts.password is not None:
                raise ValueError("user and password do not belong in a URL, which is shown and logged")
        return value


class EmbeddedSettings(Section):
    """The embedded stack, whose broker keeps 5 MiB of each partition in memory."""

    lag_bytes_max: int = Field(2_097_152, ge=65_536, description="producers wait while a consumer is this far behind")


class LogSettings(Section):
    """What processes say of themselves, on standard error, in files and on the logs topic."""

    level: LogLevel = Field("INFO", description="less serious lines are written nowhere")
    topic_level: LogLevel = Field(
        "INFO", description="less serious lines do not go to the logs topic, and so not to the store"
    )
    up_level: LogLevel = Field(
        "WARNING", description="less serious lines of the processes of `penstock up` are in their files only"
    )
    format: Literal["auto", "json", "console"] = Field(
        "auto", description="of standard error; auto: console on a terminal, else JSON; files are JSON"
    )
    queue_lines_max: int = Field(
        10_000, ge=1, description="lines that wait for a slow pipe, disk or broker; more are dropped and counted"
    )


class MetricsSettings(Section):
    """What each process serves at /metrics."""

    host: str = Field("127.0.0.1", description="address that /metrics is served on")
    port: int = Field(0, ge=0, le=65_535, description="port of /metrics; 0: a free one, named in run/*.json")


class SupervisorSettings(Section):
    """`penstock up`."""

    ready_timeout_s: Seconds = Field(60.0, description="everything must serve within this time")
    stop_timeout_s: Seconds = Field(12.0, description="a process that has not stopped by then is killed")
    restart_backoff_s: Seconds = Field(0.5, description="first wait before a restart; doubles up to the maximum")
    restart_backoff_max_s: Seconds = Field(15.0, description="longest wait before a restart")


class Settings(BaseSettings):
    """Everything a penstock process can be told."""

    model_config = SettingsConfigDict(
        env_prefix="PENSTOCK_",
        env_nested_delimiter="__",
        extra="forbid",
        frozen=True,
        hide_input_in_errors=True,
        nested_model_default_partial_update=True,
    )

    data_dir: Path = Field(Path(".penstock"), description="registry, embedded store, caches, logs and run state")
    workers: int = Field(1, ge=1, le=64, description="scorer processes; the embedded broker allows one")
    kafka: KafkaSettings = KafkaSettings()
    topics: TopicSettings = TopicSettings()
    schema_registry: SchemaRegistrySettings = SchemaRegistrySettings()
    scoring: ScoringSettings = ScoringSettings()
    outcomes: OutcomeSettings = OutcomeSettings()
    drift: DriftSettings = DriftSettings()
    rollout: RolloutSettings = RolloutSettings()
    shadow: ShadowSettings = ShadowSettings()
    registry: RegistrySettings = RegistrySettings()
    policy: PolicySettings = PolicySettings()
    acting: ActingSettings = ActingSettings()
    trainer: TrainerSettings = TrainerSettings()
    producers: ProducerSettings = ProducerSettings()
    store: StoreSettings = StoreSettings()
    embedded: EmbeddedSettings = EmbeddedSettings()
    logs: LogSettings = LogSettings()
    metrics: MetricsSettings = MetricsSettings()
    supervisor: SupervisorSettings = SupervisorSettings()

    @property
    def guarantee(self) -> Guarantee:
        """Exactly once needs transactional offsets, which the embedded broker does not store."""
        embedded = self.kafka.embedded or self.kafka.cluster_id.startswith("embedded-")
        return "at_least_once" if embedded else "exactly_once"

    @property
    def registry_dir(self) -> Path:
        return self.data_dir / "registry"

    @property
    def run_dir(self) -> Path:
        return self.data_dir / "run"

    @property
    def log_dir(self) -> Path:
        return self.data_dir / "logs"

    @property
    def state_dir(self) -> Path:
        return self.data_dir / "state"

    @property
    def store_path(self) -> Path:
        return self.data_dir / "store.sqlite"

    @model_validator(mode="after")
    def _one_embedded_scorer(self) -> Self:
        if self.guarantee == "at_least_once" and self.workers > 1:
            raise ValueError("workers must be 1 on the embedded broker; name real servers in kafka.bootstrap_servers")
        if self.guarantee == "at_least_once" and self.shadow.workers > 1:
            raise ValueError("shadow.workers must be 1 on the embedded broker; name real servers")
        if self.guarantee == "at_least_once" and self.outcomes.workers > 1:
            raise ValueError("outcomes.workers must be 1 on the embedded broker; name real servers")
        return self


class SettingsError(Exception):
    """The configuration can't be used; the message names the key, the kind of value and the remedy."""


def load_settings(config: Path | None = None, **overrides: Any) -> Settings:
    """Read the configuration file and the environment; `overrides` come from the command line.

    Raises `SettingsError` for a file that is missing, is not TOML, or has a wrong or unknown key.
    """
    values: dict[str, Any] = {}
    if config is not None:
        try:
            values = tomllib.loads(config.read_text(encoding="utf-8"))
        except FileNotFoundError as error:
            raise SettingsError(f"no configuration file at {config}") from error
        except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as error:
            raise SettingsError(f"{config} is not readable TOML: {error}") from error
    given = {name: value for name, value in overrides.items() if value is not None}

    class _Layered(Settings):
        """Command line over environment over file."""

        @classmethod
        def settings_customise_sources(
            cls,
            settings_cls: type[BaseSettings],
            init_settings: PydanticBaseSettingsSource,
            env_settings: PydanticBaseSettingsSource,
            dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003  pydantic-settings' own signature
            file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        ) -> tuple[PydanticBaseSettingsSource, ...]:
            return (init_settings, env_settings, InitSettingsSource(settings_cls, values))

    try:
        return _Layered(**given)
    except ValueError as error:
        raise SettingsError(_in_one_sentence(error)) from error


def _in_one_sentence(error: ValueError) -> str:
    if not isinstance(error, ValidationError):
        return str(error)
    faults = []
    for fault in error.errors():
        place = ".".join(str(part) for part in fault["loc"])
        words = fault["msg"].removeprefix("Value error, ")
        faults.append(f"{place}: {words}" if place else words)
    return "; ".join(faults)
