"""penstock on the real broker, with a prefix and a data directory of its own, for one test.

In: a broker and a folder. Out: a served model, the processes to be killed, the ledger and the
predictions to judge. Registers and activates through penstock's own doors.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.admin import AdminClient

from penstock import wiring
from penstock.commanding import command as send_command
from runtime.groups import scorer_group
from runtime.kafka import ensure_topics
from runtime.settings import Settings, load_settings
from runtime.status import read_status
from schemas.codec import E
from schemas.topics import DEAD_LETTERS, PREDICTIONS, RECEIPTS, REQUESTS
from tests.services.kafka_server import KafkaServer
from tests.services.scoring_model import RequestEncoder, ScoringModel
from tests.services.topic_records import OpenTransactions, Predictions, TopicRecord, read_predictions
from tests.services.traffic import Traffic
from tests.stack import PenstockProcess, command_line, penstock_json, running_stack

MODEL = "boxes"
SETTLE_S = 90.0
COMMAND_S = 30.0


@dataclass(slots=True)
class Deployment:
    """One penstock on one broker; `scoring`, `outcomes` and `store` are settings of these sections."""

    server: KafkaServer
    folder: Path
    prefix: str
    model: ScoringModel
    partitions: int = 6
    scoring: Mapping[str, object] = field(default_factory=dict)
    outcomes: Mapping[str, object] = field(default_factory=dict)
    registry_url: str = ""
    store: Mapping[str, object] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.write_config()

    def write_config(self) -> None:
        """Write the configuration file anew, after a change."""
        self.config.write_text(self._toml(), encoding="utf-8")

    @property
    def config(self) -> Path:
        return self.folder / "penstock.toml"

    @property
    def data_dir(self) -> Path:
        return self.folder / "data"

    @property
    def settings(self) -> Settings:
        return load_settings(self.config, data_dir=self.data_dir)

    @contextmanager
    def up(self, *, workers: int) -> Iterator[PenstockProcess]:
        """`penstock up`, with every version of the model on the shelf and version 1 serving."""
        with running_stack(self.data_dir, config=self.config, workers=workers) as stack:
            self.add_versions()
            self.activate("1")
            yield stack

    def add_versions(self) -> None:
        """Put every version that is not there yet on the shelf."""
        shelf = wiring.shelf(self.settings)
        ensure_topics(self.settings.kafka, self.settings.topics, [MODEL])
        for version, estimator in self.model.estimators.items():
            record = shelf.add(MODEL, estimator, self.model.sample(), version=version)
            assert record.state == "validated", record.failure

    def activate(self, version: str) -> None:
        """Let a version serve, and wait for the controller's word."""
        send_command(self.settings, "activate", MODEL, arguments={"version": version}, wait_s=COMMAND_S)

    def scorer(self, slot: int) -> PenstockProcess:
        """A scorer outside any supervisor."""
        return self.process("scorer", slot)

    def process(self, role: str, slot: int) -> PenstockProcess:
        """A process of that role outside any supervisor."""
        return PenstockProcess(
            arguments=("run", role, "--slot", str(slot)),
            data_dir=self.data_dir,
            config=self.config,
            name=f"{role}-{slot}",
        )

    def scorer_pid(self, slot: int) -> int | None:
        """The scorer that serves in that slot, once it says so."""
        return self.pid("scorer", slot)

    def pid(self, role: str, slot: int) -> int | None:
        """The process of that role that serves in that slot, once it says so."""
        status = read_status(self.settings.run_dir, role, slot)
        return status.pid if status is not None and status.state == "ready" else None

    def serving_slots(self, slots: Sequence[int]) -> set[int]:
        """Those of these slots whose process lives and says that it serves."""
        return {slot for slot in slots if (pid := self.scorer_pid(slot)) is not None and command_line(pid)}

    def encoder(self) -> RequestEncoder:
        subject = self.requests_topic + "-value"
        schema_id, schema = wiring.schema_registry(self.settings).latest(subject)
        return RequestEncoder.of(self.model, schema=schema, schema_id=schema_id)

    def traffic(self, *, per_s: float, first: int = 0) -> Traffic:
        return Traffic(
            bootstrap_servers=self.server.bootstrap_servers,
            topic=self.requests_topic,
            encoder=self.encoder(),
            per_s=per_s,
            first=first,
        )

    def open_transactions(self) -> OpenTransactions:
        """Tells when a scorer is in the middle of a transaction."""
        return OpenTransactions(self.server.bootstrap_servers, self.predictions_topic, self.partitions)

    def predictions(self) -> Predictions:
        """All that a downstream consumer can read."""
        _id, schema = wiring.schema_registry(self.settings).latest(self.predictions_topic + "-value")
        return read_predictions(self.server.bootstrap_servers, self.predictions_topic, schema)

    def ledger(self) -> dict[str, Any]:
        """The model's entry in what `penstock ledger --json` prints."""
        ledger = penstock_json("ledger", data_dir=self.data_dir, config=self.config)
        return dict(next(entry for entry in ledger["models"] if entry["name"] == MODEL))

    def log_ends(self) -> dict[int, int]:
        """The offset after the last request of each partition."""
        return {partition: high for partition, (_low, high) in self._extents().items()}

    def delete_before(self, partition: int, offset: int) -> None:
        """What retention does with requests, at once."""
        admin = AdminClient({"bootstrap.servers": self.server.bootstrap_servers})
        place = TopicPartition(self.requests_topic, partition, offset)
        for future in admin.delete_records([place], request_timeout=30).values():
            future.result(30)

    def decode(self, event_type: type[E], record: TopicRecord) -> E:
        """One of penstock's events from a record."""
        return wiring.codec(self.settings).decode(event_type, record.value)

    def wait_settled(self, timeout_s: float = SETTLE_S, *, but: frozenset[int] = frozenset()) -> None:
        """Wait until the scorers have committed every request there is, in all partitions `but` some."""
        deadline = time.monotonic() + timeout_s
        while (left := self.lag(but=but)) > 0:
            assert time.monotonic() < deadline, f"{left} requests were not processed within {timeout_s:.0f} s"
            time.sleep(0.2)

    def lag(self, *, but: frozenset[int] = frozenset()) -> int:
        """Requests that no transaction has taken yet."""
        committed = self.committed()
        return sum(
            high - max(committed[partition], low)
            for partition, (low, high) in self._extents().items()
            if partition not in but
        )

    def committed(self) -> dict[int, int]:
        """The scorers' committed offset of each partition; 0 where there is none."""
        group = scorer_group(self.prefix)
        consumer = Consumer({"bootstrap.servers": self.server.bootstrap_servers, "group.id": group})
        places = [TopicPartition(self.requests_topic, number) for number in range(self.partitions)]
        found = {place.partition: max(place.offset, 0) for place in consumer.committed(places, timeout=30)}
        consumer.close()
        return found

    def _extents(self) -> dict[int, tuple[int, int]]:
        consumer = Consumer({"bootstrap.servers": self.server.bootstrap_servers, "group.id": "tests.extents"})
        extents = {
            partition: consumer.get_watermark_offsets(TopicPartition(self.requests_topic, partition), timeout=30)
            for partition in range(self.partitions)
        }
        consumer.close()
        return extents

    @property
    def requests_topic(self) -> str:
        return wiring.topics(self.settings).of(REQUESTS, MODEL)

    @property
    def predictions_topic(self) -> str:
        return wiring.topics(self.settings).of(PREDICTIONS, MODEL)

    @property
    def dead_letters_topic(self) -> str:
        return wiring.topics(self.settings).of(DEAD_LETTERS)

    @property
    def receipts_topic(self) -> str:
        return wiring.topics(self.settings).of(RECEIPTS)

    def _toml(self) -> str:
        scoring, outcomes, store = (
            "".join(f"{name} = {value!r}\n" for name, value in section.items())
            for section in (self.scoring, self.outcomes, self.store)
        )
        return (
            f'[kafka]\nbootstrap_servers = "{self.server.bootstrap_servers}"\n'
            f'[topics]\nprefix = "{self.prefix}"\npartitions = {self.partitions}\n'
            f"[supervisor]\nrestart_backoff_max_s = 1.0\n"
            f'[schema_registry]\nurl = "{self.registry_url}"\ntimeout_s = 2.0\n'
            f"[scoring]\n{scoring}[outcomes]\n{outcomes}[store]\n{store}"
        )
