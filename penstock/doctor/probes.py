"""The looks at each hop of one deployment, from the data directory to the analysts' store.

One probe, a log line with an id of its own, is published, read back, and looked for in the
store, so that the whole way into the store is walked. Models are not asked to score anything.
"""

import os
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property
from uuid import uuid4

from confluent_kafka import KafkaError

from consumers.errors import StoreNotFoundError
from consumers.questions import Question, only
from consumers.stored_collections import LOGS as LOG_LINES
from penstock import wiring
from penstock.commanding import command
from penstock.deployed import deployments
from penstock.doctor.hops import Hop, HopFailure
from penstock.health import fault_of
from producers.publisher import Publisher
from registry.catalogue import VersionState
from runtime.clock import SystemClock
from runtime.group_lag import GroupLag
from runtime.groups import scorer_group
from runtime.kafka import SYSTEM_PARTITION, build_reader, is_embedded, partition_counts, system_partition
from runtime.schema_registry import schema_registry_place
from runtime.settings import Settings
from runtime.stack import attach, find_stack
from schemas.errors import SchemaNotFoundError
from schemas.events import DeploymentState, LogEntry
from schemas.topics import LOGS, REQUESTS

PROBE = "doctor"
_RUNBOOKS = {
    "data directory": "disk-full",
    "stack": "process-keeps-dying",
    "broker": "broker-away",
    "schema registry": "registry-away",
    "shelf": "registry-away",
    "topics": "broker-away",
    "probe": "broker-away",
    "controller": "controller-away",
    "deployments": "requests-wait",
    "scorer": "no-ready-scorer",
    "store": "sink-behind",
    "sink": "sink-behind",
}
_LOOK_S = 0.2
_PROBE_STORED = Question(
    collection=LOG_LINES,
    sql="SELECT id FROM logs WHERE service = :service AND request_id = :request_id",
    search=lambda parameters: {"size": 1, "query": {"bool": {"filter": only(parameters)}}, "_source": False},
)


@dataclass(frozen=True, kw_only=True)
class Probes:
    """Looks at the deployment that `settings` describe; no look takes longer than `timeout_s`."""

    settings: Settings
    timeout_s: float

    def hops(self) -> Sequence[Hop]:
        """Every hop in the order in which a request meets them, with the page to read when it is broken."""
        return [replace(hop, runbook=f"docs/runbooks/{_RUNBOOKS[hop.name]}.md") for hop in self._hops()]

    def _hops(self) -> Sequence[Hop]:
        logs = f"read the logs in {self.settings.log_dir}"
        return (
            Hop(name="data directory", look=self.data_dir, remedy="give a directory that can be written: --data-dir"),
            Hop(
                name="stack", look=self.stack, remedy=f"start it with `penstock up`; {logs}", needs=("data directory",)
            ),
            Hop(
                name="broker", look=self.broker, remedy="check kafka.bootstrap_servers and the broker", needs=("stack",)
            ),
            Hop(
                name="schema registry",
                look=self.schema_registry,
                remedy="check the registry's file, or its server and the section schema_registry",
            ),
            Hop(name="shelf", look=self.shelf, remedy="see `penstock models list` and `penstock models verify`"),
            Hop(name="topics", look=self.topics, remedy="run `penstock topics create NAME`", needs=("broker",)),
            Hop(
                name="probe", look=self.probe, remedy="check who may write and read topics", needs=("broker", "topics")
            ),
            Hop(name="controller", look=self.controller, remedy=f"restart the controller; {logs}", needs=("probe",)),
            Hop(
                name="deployments",
                look=self.deployments,
                remedy="run `penstock activate NAME VERSION`",
                needs=("probe",),
            ),
            Hop(name="scorer", look=self.scorer, remedy=f"restart the scorer; {logs}", needs=("deployments",)),
            Hop(name="store", look=self.store, remedy=self._store_remedy, needs=("data directory",)),
            Hop(name="sink", look=self.sink, remedy=f"restart the sink; {logs}", needs=("probe", "store")),
        )

    @property
    def _store_remedy(self) -> str:
        if self.settings.store.embedded:
            return "check that the store's disk is there and not full"
        return "check store.elasticsearch_urls, and that the cluster there is green or yellow"

    @cached_property
    def probe_id(self) -> str:
        return str(uuid4())

    @cached_property
    def attached(self) -> Settings:
        return attach(self.settings)

    @cached_property
    def states(self) -> dict[str, DeploymentState]:
        """The newest deployment of each model that a version serves."""
        return {model: state for model, state in deployments(self.attached).items() if state.versions}

    def data_dir(self) -> str:
        path = self.settings.data_dir
        if not path.is_dir():
            raise HopFailure(f"{path} is not there yet: it is made by `penstock up` and `penstock models add`")
        if not os.access(path, os.W_OK):
            raise HopFailure(f"{path} can't be written")
        return str(path.resolve())

    def stack(self) -> str:
        """Whether one runs on this machine; where servers are configured it may run elsewhere."""
        stack = find_stack(self.settings)
        if stack is not None:
            return f"process {stack.pid} with {', '.join(stack.processes)}"
        if self.settings.kafka.embedded:
            raise HopFailure(f"no stack runs on {self.settings.data_dir}")
        return "none on this machine; the configured servers are looked at"

    def broker(self) -> str:
        kafka = self.attached.kafka
        kind = "embedded, in memory, at-least-once" if is_embedded(kafka) else "exactly-once"
        return f"{kafka.bootstrap_servers}: {len(partition_counts(kafka))} topics ({kind})"

    def schema_registry(self) -> str:
        """Any definite answer will do."""
        with suppress(SchemaNotFoundError):
            wiring.schema_registry(self.settings).latest(PROBE)
        return f"{schema_registry_place(self.settings)} answers"

    def shelf(self) -> str:
        records = wiring.catalogue(self.settings).records()
        validated = sum(record.state is VersionState.VALIDATED for record in records)
        return f"{len(records)} versions of {len({record.name for record in records})} models, {validated} validated"

    def topics(self) -> str:
        counts = partition_counts(self.attached.kafka)
        names = wiring.topics(self.settings)
        missing = [name for name in names.system() if name not in counts]
        if missing:
            raise HopFailure(f"missing: {', '.join(missing)}")
        ours = [name for name in counts if names.kind_of(name) is not None]
        return f"{len(names.system())} system topics and {len(ours) - len(names.system())} of models"

    def probe(self) -> str:
        """Publish the probe and read it back."""
        started = time.monotonic()
        kafka = self.attached.kafka
        topic = wiring.topics(self.settings).of(LOGS)
        reader = build_reader(kafka)
        try:
            _, end = reader.get_watermark_offsets(system_partition(topic, 0), timeout=kafka.request_timeout_s)
            reader.assign([system_partition(topic, end)])
            value = self._publish(topic)
            while time.monotonic() - started < self.timeout_s:
                for message in reader.consume(100, 0.1):
                    fault = message.error()
                    if fault is None and message.value() == value:
                        return f"published and read back in {(time.monotonic() - started) * 1000:.0f} ms"
                    if fault is not None and fault.code() != KafkaError._PARTITION_EOF and fault.fatal():
                        raise HopFailure(fault.str())
        finally:
            reader.close()
        raise HopFailure(f"published, and not readable within {self.timeout_s:g} s")

    def controller(self) -> str:
        """Send it a command that changes nothing."""
        self._require_beats("controller")
        started = time.monotonic()
        command(self.attached, "probe", PROBE, arguments={}, wait_s=self.timeout_s)
        return f"answers commands in {(time.monotonic() - started) * 1000:.0f} ms"

    def deployments(self) -> str:
        if not self.states:
            return "no model is active yet"
        served = [
            f"{state.model} {'+'.join(each.version for each in state.versions)}" for state in self.states.values()
        ]
        return ", ".join(served)

    def scorer(self) -> str:
        """Every model's requests are read to their end, or at least further than before."""
        self._require_beats("scorer")
        lag = GroupLag(self.attached.kafka, scorer_group(self.settings.topics.prefix))
        try:
            behind = [self._requests_behind(lag, model) for model in self.states]
        finally:
            lag.close()
        return f"{sum(behind)} requests behind" if self.states else "nothing to score yet"

    def sink(self) -> str:
        """The probe must come out of the other end."""
        self._require_beats("sink")
        started = time.monotonic()
        store = wiring.store(self.settings)
        while time.monotonic() - started < self.timeout_s:
            with suppress(StoreNotFoundError):
                if store.ask(_PROBE_STORED, {"service": PROBE, "request_id": self.probe_id}):
                    return f"the probe was stored within {(time.monotonic() - started) * 1000:.0f} ms"
            time.sleep(_LOOK_S)
        raise HopFailure(f"the probe did not reach the store within {self.timeout_s:g} s")

    def store(self) -> str:
        store = wiring.store(self.settings)
        try:
            counts = store.counts()
        except StoreNotFoundError:
            return f"{store.place} is not there yet: the sink makes it"
        return f"{store.place}: {counts['predictions']} predictions, {counts['dead_letters']} dead letters"

    def _require_beats(self, role: str) -> None:
        """Every process of that role on this machine must have said lately that it serves."""
        stack = find_stack(self.settings)
        names = [name for name in stack.processes if name.startswith(f"{role}-")] if stack is not None else []
        wrong = [
            fault
            for name in names
            if (fault := fault_of(self.settings, role, int(name.rpartition("-")[2]), timeout_s=self.timeout_s))
        ]
        if wrong:
            raise HopFailure("; ".join(wrong))

    def _publish(self, topic: str) -> bytes:
        entry = LogEntry(
            service=PROBE, level="info", event="probe", logged_at=SystemClock().now_ms(), request_id=self.probe_id
        )
        value = wiring.codec(self.settings).encode(entry)
        with Publisher(self.attached) as publisher:
            publisher.publish(topic, value, key=PROBE.encode(), partition=SYSTEM_PARTITION)
        return value

    def _requests_behind(self, lag: GroupLag, model: str) -> int:
        topic = wiring.topics(self.settings).of(REQUESTS, model)
        partitions = partition_counts(self.attached.kafka)[topic]
        first = latest = sum(each.records for each in lag.of_topic(topic, partitions))
        deadline = time.monotonic() + self.timeout_s
        while latest and latest >= first:
            if time.monotonic() > deadline:
                raise HopFailure(f"{latest} requests of {model} wait, and none was scored within {self.timeout_s:g} s")
            time.sleep(_LOOK_S)
            latest = sum(each.records for each in lag.of_topic(topic, partitions))
        return latest
