"""`penstock up`: starts the stack's processes, starts again what dies, stops all of them in order.

On the embedded broker, which loses everything with its process, the death of the broker is the
death of the stack's data: everything is started anew around a new one.
"""

import os
import signal
import threading
import time
from collections.abc import Callable, Sequence

import structlog

from penstock.child import Child, ChildSpec
from penstock.processes import process_logs, publish_logs
from penstock.scrape_targets import ScrapeTargets
from runtime.embedded import read_address
from runtime.errors import BrokerUnreachableError, RuntimeShellError
from runtime.group_lag import GroupLag
from runtime.groups import sink_group
from runtime.kafka import EMBEDDED_PARTITIONS, partition_counts
from runtime.log_outlet import Outlet
from runtime.logs import Logs
from runtime.metrics import PROCESS_UP, READY, Meters
from runtime.process import wait_until
from runtime.schema_registry import schema_registry_place
from runtime.settings import Settings
from runtime.stack import Stack, announce, only_stack, withdraw
from schemas.topics import COHORTS, DEAD_LETTERS, OUTCOMES, PERFORMANCE, PREDICTIONS, RECEIPTS, Topics

LOOK_EVERY_S = 0.1
ACCOUNT_EVERY_S = 1.0
SINK_CATCHES_UP_S = 3.0
LOG_TOPIC_STOPS_S = 0.5
_log = structlog.get_logger("penstock.supervisor")


class StackNotReadyError(RuntimeShellError):
    """Some process did not come to serve in time."""


class Supervisor:
    """Runs one stack in the foreground until it is asked to stop."""

    def __init__(
        self,
        settings: Settings,
        *,
        config: str | None,
        logs: Logs,
        meters: Meters,
        metrics_port: int,
        on_ready: Callable[[Stack], None],
    ) -> None:
        self._settings = settings
        self._logs = logs
        self._meters = meters
        self._metrics_port = metrics_port
        self._targets = ScrapeTargets(settings.run_dir / "metrics-targets.json", host=settings.metrics.host)
        self._account_due = 0.0
        self._config = config
        self._on_ready = on_ready
        self._stop = threading.Event()
        self._running: Settings | None = None
        self._broker: Child | None = None
        self._children: list[Child] = []
        self._log_topic: Outlet | None = None

    def run(self) -> int:
        """Start, watch, stop. Raises `RuntimeShellError` when the stack can't be started."""
        with only_stack(self._settings):
            return self._run()

    def _run(self) -> int:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda _number, _frame: self._stop.set())
        # A stack that was killed could not take its announcement back.
        withdraw(self._settings)
        try:
            self._start()
            while not self._stop.wait(LOOK_EVERY_S):
                self._look_after()
        finally:
            withdraw(self._settings)
            self._stop_all()
        return 0

    def _start(self) -> None:
        self._running, settings = None, self._settings
        if settings.kafka.embedded:
            settings = self._start_broker()
        if self._stop.is_set():
            return
        self._running = settings
        # From now on what is said here goes into the store as well.
        self._log_topic = publish_logs(self._logs, settings)
        specs = [ChildSpec(role=role, slot=0) for role in ("controller", "sink", "monitor", "trainer")]
        specs += [ChildSpec(role="scorer", slot=slot) for slot in range(settings.workers)]
        specs += [ChildSpec(role="shadow", slot=slot) for slot in range(settings.shadow.workers)]
        specs += [ChildSpec(role="outcomes", slot=slot) for slot in range(settings.outcomes.workers)]
        self._children = [self._child(spec, settings) for spec in specs]
        for child in self._children:
            child.start()
        self._await_ready(self._children)
        if self._stop.is_set():
            return
        stack = self._stack(settings)
        announce(self._settings, stack)
        self._account()
        _log.info("stack serves", broker=stack.broker, processes=list(stack.processes))
        self._on_ready(stack)

    def _start_broker(self) -> Settings:
        """Settings that name the broker, once it serves; without an address when it is to stop before that."""
        cluster = f"embedded-{time.time_ns() // 1_000_000:x}"
        kafka = self._settings.kafka.model_copy(update={"cluster_id": cluster})
        settings = self._settings.model_copy(update={"kafka": kafka})
        self._broker = self._child(ChildSpec(role="broker", slot=0), settings)
        self._broker.start()
        self._await_ready([self._broker])
        if self._stop.is_set():
            return settings
        kafka = kafka.model_copy(update={"bootstrap_servers": read_address(self._settings, cluster)})
        return self._settings.model_copy(update={"kafka": kafka})

    def _await_ready(self, children: Sequence[Child]) -> None:
        deadline = time.monotonic() + self._settings.supervisor.ready_timeout_s
        while not self._stop.is_set() and not all(child.ready for child in children):
            if time.monotonic() > deadline:
                waiting = ", ".join(child.name for child in children if not child.ready)
                raise StackNotReadyError(f"not ready in time: {waiting}; see {self._settings.log_dir}")
            for child in children:
                child.restart_if_dead()
            self._stop.wait(LOOK_EVERY_S)

    def _look_after(self) -> None:
        if self._broker is not None and self._broker.dead:
            _log.error("the embedded broker died and its records with it; starting the stack anew")
            self._broker.count_death()
            withdraw(self._settings)
            self._stop_all()
            self._start()
        for child in self._children:
            child.restart_if_dead()
        if time.monotonic() >= self._account_due:
            self._account()

    def _stop_all(self) -> None:
        """Lanes first, so that the sink can still write what they made."""
        if self._log_topic is not None:
            self._log_topic.stop(LOG_TOPIC_STOPS_S)
            self._log_topic = None
        deadline = time.monotonic() + self._settings.supervisor.stop_timeout_s
        sinks = [child for child in self._children if child.role == "sink"]
        others = [child for child in self._children if child.role != "sink"]
        brokers = [self._broker] if self._broker is not None else []
        _end(others, deadline)
        if self._broker is not None and not self._broker.dead:
            self._await_sink()
        _end(sinks, deadline)
        _end(brokers, deadline)
        self._children, self._broker = [], None

    def _await_sink(self) -> None:
        """Give the sink a moment: what it has not read goes with the embedded broker."""
        settings = self._running
        if settings is None:
            return
        lag = GroupLag(settings.kafka, sink_group(settings.topics.prefix))
        try:
            kinds = (PREDICTIONS, OUTCOMES, COHORTS, PERFORMANCE, DEAD_LETTERS, RECEIPTS)
            names = Topics(settings.topics.prefix)
            topics = [topic for topic in partition_counts(settings.kafka) if names.kind_of(topic) in kinds]
            caught_up = wait_until(
                lambda: not any(part.records for topic in topics for part in lag.of_topic(topic, EMBEDDED_PARTITIONS)),
                timeout_s=SINK_CATCHES_UP_S,
            )
            if not caught_up:
                _log.warning("stopped before the sink had read everything; the embedded broker forgets the rest")
        except BrokerUnreachableError as error:
            _log.warning("how far the sink is could not be asked", detail=str(error))
        finally:
            lag.close()

    def _account(self) -> None:
        """Say which processes serve, and where their metrics are."""
        self._account_due = time.monotonic() + ACCOUNT_EVERY_S
        children = ([] if self._broker is None else [self._broker]) + self._children
        for child in children:
            self._meters.set(PROCESS_UP, child.ready, process=child.name)
        ports = {child.name: port for child in children if (port := child.metrics_port) is not None}
        self._meters.set(READY, all(child.ready for child in children), role="supervisor", slot="0")
        self._targets.keep({"supervisor-0": self._metrics_port, **ports})

    def _child(self, spec: ChildSpec, settings: Settings) -> Child:
        return Child(spec, settings, config=self._config, meters=self._meters)

    def _stack(self, settings: Settings) -> Stack:
        names = [child.name for child in self._children]
        return Stack(
            pid=os.getpid(),
            broker=settings.kafka.bootstrap_servers,
            cluster_id=settings.kafka.cluster_id,
            store=str(settings.store_path.absolute()) if settings.store.embedded else settings.store.elasticsearch_urls,
            schema_registry=schema_registry_place(settings),
            processes=tuple(names if self._broker is None else [self._broker.name, *names]),
        )


def _end(children: Sequence[Child], deadline: float) -> None:
    for child in children:
        child.ask_to_stop()
    for child in children:
        child.await_end(deadline)


def up(settings: Settings, *, config: str | None, on_ready: Callable[[Stack], None]) -> int:
    """Run the stack in the foreground; `on_ready` is called each time that everything serves."""
    meters = Meters("supervisor")
    with process_logs("supervisor-0", settings, meters, in_stack=True) as logs:
        port = meters.serve(host=settings.metrics.host, port=settings.metrics.port)
        return Supervisor(settings, config=config, logs=logs, meters=meters, metrics_port=port, on_ready=on_ready).run()
