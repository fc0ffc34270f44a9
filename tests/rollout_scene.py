"""A whole penstock in which versions with known error rates are rolled out, on the embedded broker or a real one.

Requests come at an even rate and their true labels right behind them; version 2 is as good as version 1,
version 3 has a planted defect. Cohorts close within seconds, so that a rollout is decided in some more.
"""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import orjson
from confluent_kafka import Producer
from sklearn.linear_model import LogisticRegression

from penstock import wiring
from penstock.commanding import command
from runtime.follower import Follower
from runtime.kafka import ensure_topics
from runtime.settings import Settings, load_settings
from runtime.stack import attach
from schemas.codec import E, EventCodec, built
from schemas.events import DeploymentState, JournalEntry, Label, Rollout
from schemas.prediction_reader import PredictionReader
from schemas.topics import DEPLOYMENTS, JOURNAL, LABELS, PREDICTIONS, REQUESTS, TopicKind
from tests.services.deployment import MODEL
from tests.services.scoring_model import (
    EVENT_TIME_FIRST_MS,
    FEATURES,
    ROWS,
    RequestEncoder,
    ScoringModel,
    entity_of,
    request_id,
)
from tests.services.topic_records import read_topic
from tests.services.traffic import FLUSH_S, TICK_S, Traffic, load_producer
from tests.services.waiting import wait_for
from tests.stack import PenstockProcess, penstock_json, running_stack

GOOD, DEFECTIVE = "2", "3"
NOISE = 0.1
COMMAND_S = 30.0
LABELS_BEHIND = 100
_SETTINGS = """
[supervisor]
restart_backoff_max_s = 1.0
[outcomes]
stretch_s = 0.5
maturity_max_s = 1.0
lateness_s = 0.0
idle_s = 2.0
[rollout]
step_duration_s = 1.0
step_labels_min = 100
block_labels_min = 50
margin = 0.15
cool_down_s = 600.0
"""


def build_models() -> tuple[ScoringModel, npt.NDArray[np.int64]]:
    """Versions 1 and 2 from different rows of one truth, version 3 with a feature of the wrong sign; and the truth."""
    random = np.random.default_rng(5)
    rows = random.normal(size=(ROWS, len(FEATURES)))
    clean = (rows @ np.array([1.0, -1.5, 0.5, 1.0, 0.2]) > 0).astype(np.int64)
    truth = np.where(random.random(ROWS) < NOISE, 1 - clean, clean)
    first = LogisticRegression().fit(rows[:1_000], truth[:1_000])
    second = LogisticRegression().fit(rows[1_000:2_000], truth[1_000:2_000])
    defective = LogisticRegression().fit(rows[:1_000], truth[:1_000])
    defective.coef_[0, 3] *= -1
    return ScoringModel(rows=rows, estimators={"1": first, GOOD: second, DEFECTIVE: defective}), truth


def error_rate(model: ScoringModel, truth: npt.NDArray[np.int64], version: str) -> float:
    """Over all rows, which requests go through in circles."""
    return float(np.mean((model.scores(version) >= 0.5) != truth))


@dataclass(slots=True)
class Labels:
    """Labels what the traffic has sent, a little behind it, with the truth; `finish` labels the rest."""

    bootstrap_servers: str
    topic: str
    codec: EventCodec
    traffic: Traffic
    truth: list[int]
    _next: int = 0
    _stop: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def start(self) -> None:
        self._thread = threading.Thread(target=self._run, name="labels", daemon=True)
        self._thread.start()

    def finish(self) -> None:
        self._stop.set()
        assert self._thread is not None, "started before it is finished"
        self._thread.join(FLUSH_S + 10)
        assert not self._thread.is_alive(), "the broker did not accept every label in time"

    def _run(self) -> None:
        producer = load_producer(self.bootstrap_servers)
        while not self._stop.wait(TICK_S):
            self._label(producer, self.traffic.sent - LABELS_BEHIND)
        self._label(producer, self.traffic.sent)
        assert producer.flush(FLUSH_S) == 0

    def _label(self, producer: Producer, until: int) -> None:
        for number in range(self._next, until):
            label = Label(
                model=MODEL,
                request_id=request_id(number),
                entity_id=entity_of(number),
                label=str(self.truth[number % ROWS]),
                event_time=EVENT_TIME_FIRST_MS + number + 50,
            )
            producer.produce(self.topic, value=self.codec.encode(label), key=label.entity_id.encode())
        self._next = max(self._next, until)
        producer.poll(0)


@dataclass(slots=True)
class RolloutScene:
    """One penstock in `folder`; without `bootstrap_servers` on an embedded broker of its own.

    `cluster_id`: of an embedded broker that runs already.
    """

    folder: Path
    bootstrap_servers: str = ""
    prefix: str = ""
    cluster_id: str = ""
    extra: str = ""
    model: ScoringModel = field(init=False)
    truth: npt.NDArray[np.int64] = field(init=False)
    _follower: Follower | None = field(default=None, init=False, repr=False)
    _codec: EventCodec | None = field(default=None, init=False, repr=False)
    _newest: DeploymentState | None = field(default=None, init=False, repr=False)

    def __post_init__(self) -> None:
        where = {"bootstrap_servers": self.bootstrap_servers, "cluster_id": self.cluster_id}
        kafka = "[kafka]\n" + "".join(f'{name} = "{value}"\n' for name, value in where.items() if value)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.config.write_text(f'{kafka}[topics]\nprefix = "{self.prefix}"\npartitions = 4\n{_SETTINGS}{self.extra}')
        self.model, self.truth = build_models()

    @property
    def config(self) -> Path:
        return self.folder / "penstock.toml"

    @property
    def data_dir(self) -> Path:
        return self.folder / "data"

    @property
    def settings(self) -> Settings:
        """With the broker that there is."""
        return attach(load_settings(self.config, data_dir=self.data_dir))

    @contextmanager
    def up(self, *, workers: int = 1) -> Iterator[PenstockProcess]:
        """`penstock up` with all versions on the shelf, of which the first serves."""
        with running_stack(self.data_dir, config=self.config, workers=workers) as stack:
            self.add_versions()
            self.ask("activate", version="1")
            yield stack

    def add_versions(self) -> None:
        """Put all versions that are not there yet on the shelf."""
        shelf = wiring.shelf(self.settings)
        ensure_topics(self.settings.kafka, self.settings.topics, [MODEL])
        known = {record.version for record in wiring.catalogue(self.settings).records(MODEL)}
        for version, estimator in self.model.estimators.items():
            if version in known:
                continue
            record = shelf.add(MODEL, estimator, self.model.sample(), version=version)
            assert record.state == "validated", record.failure

    @contextmanager
    def traffic(self, *, per_s: float) -> Iterator[Traffic]:
        """Requests and labels at that rate; when the block is left all of both were accepted."""
        settings, names = self.settings, wiring.topics(self.settings)
        subject = names.of(REQUESTS, MODEL)
        schema_id, schema = wiring.schema_registry(settings).latest(f"{subject}-value")
        encoder = RequestEncoder.of(self.model, schema=schema, schema_id=schema_id)
        servers = settings.kafka.bootstrap_servers
        with Traffic(bootstrap_servers=servers, topic=subject, encoder=encoder, per_s=per_s) as traffic:
            labels = Labels(servers, names.of(LABELS, MODEL), wiring.codec(settings), traffic, self.truth.tolist())
            labels.start()
            try:
                yield traffic
            finally:
                traffic.stop()
                labels.finish()

    @contextmanager
    def shelf_away(self) -> Iterator[None]:
        """Within the block there are no bundles and no catalogue."""
        shelf = self.settings.registry_dir
        away = shelf.with_name("shelf-away")
        away.mkdir()
        names = [path.name for path in shelf.iterdir() if path.name.startswith(("bundles", "catalogue"))]
        for name in names:
            (shelf / name).rename(away / name)
        try:
            yield
        finally:
            for name in names:
                (away / name).rename(shelf / name)

    def ask(self, action: str, **arguments: str) -> JournalEntry:
        """A command, and the controller's word on it; `deployment` knows of it from then on."""
        entry = command(self.settings, action, MODEL, arguments=arguments, wait_s=COMMAND_S)
        decided = built(DeploymentState, orjson.loads(entry.state_after or ""))
        wait_for(lambda: self.deployment.revision >= decided.revision, "the deployment is told", every_s=0.02)
        return entry

    @property
    def deployment(self) -> DeploymentState:
        """The newest that has come, seen without asking for it."""
        if self._follower is None:
            self._follower = Follower(self.settings.kafka, wiring.topics(self.settings).of(DEPLOYMENTS))
            self._codec = wiring.codec(self.settings)
            messages = list(self._follower.catch_up(COMMAND_S))
        else:
            messages = list(self._follower.news())
        assert self._codec is not None, "made with the follower"
        if messages:
            self._newest = self._codec.decode(DeploymentState, messages[-1].value())
        assert self._newest is not None, "something was activated before"
        return self._newest

    @property
    def rollout(self) -> Rollout:
        rollout = self.deployment.rollout
        assert rollout is not None, "something was rolled out before"
        return rollout

    def records(self, kind: TopicKind, event_type: type[E]) -> Sequence[E]:
        """Everything on a system topic, in the order it was written."""
        settings = self.settings
        found = read_topic(settings.kafka.bootstrap_servers, wiring.topics(settings).of(kind), partitions=[0])
        return [wiring.codec(settings).decode(event_type, each.value) for each in found]

    def predictions(self) -> list[dict[str, Any]]:
        """All that a downstream consumer can read."""
        settings = self.settings
        records = read_topic(settings.kafka.bootstrap_servers, wiring.topics(settings).of(PREDICTIONS, MODEL))
        rows = PredictionReader(wiring.schema_registry(settings)).read_all([each.value for each in records])
        assert all(isinstance(row, dict) for row in rows), "every prediction reads"
        return [
            {**row, "append_time": record.append_time, "partition": record.partition}  # type: ignore[dict-item]  # just asserted
            for row, record in zip(rows, records, strict=True)
        ]

    def generations(self) -> dict[int, DeploymentState]:
        """The newest deployment of each generation, as the journal has them."""
        entries = self.records(JOURNAL, JournalEntry)
        states = [built(DeploymentState, orjson.loads(each.state_after)) for each in entries if each.state_after]
        return {state.generation: state for state in states}

    def ledger(self) -> dict[str, Any]:
        """The model's entry in what `penstock ledger --json` prints."""
        told = penstock_json("ledger", data_dir=self.data_dir, config=self.config)
        return dict(next(entry for entry in told["models"] if entry["name"] == MODEL))
