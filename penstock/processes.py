"""The roles that a penstock process can play, and how one of them is run to its end."""

import threading
from collections.abc import Callable, Mapping

from penstock import wiring
from penstock.roles.broker import broker_body
from penstock.roles.controller import controller_body
from penstock.roles.scorer import scorer_body
from penstock.roles.sink import sink_body
from runtime.clock import SystemClock
from runtime.kafka import SYSTEM_PARTITION, build_producer
from runtime.logs import TopicLogHandler, configure_logs
from runtime.process import Body, Process
from runtime.settings import Settings
from schemas.events import LogEntry
from schemas.topics import LOGS

FLUSH_S = 2.0

ROLES: Mapping[str, Callable[[Settings, int], Body]] = {
    "broker": broker_body,
    "controller": controller_body,
    "scorer": scorer_body,
    "sink": sink_body,
}


def run(role: str, settings: Settings, *, slot: int, supervised: bool) -> int:
    """Run one process in this role until it is told to stop; return its exit code.

    `settings` name a broker that exists, but for the role `broker`.
    """
    service = f"{role}-{slot}"
    configure_logs(service, log_file=settings.log_dir / f"{service}.log" if supervised else None)
    process = Process(role=role, slot=slot, run_dir=settings.run_dir, clock=SystemClock())
    body = ROLES[role](settings, slot)
    if role != "broker":
        body = _publishing_logs(settings, service, body)
    return process.run(body, supervised=supervised)


def _publishing_logs(settings: Settings, service: str, body: Body) -> Body:
    """The body, with its log lines also on the logs topic."""

    def run_body(stop: threading.Event, ready: Callable[[], None]) -> None:
        producer = build_producer(settings.kafka)
        codec = wiring.codec(settings)
        topic = wiring.topics(settings).of(LOGS)

        def publish(entry: LogEntry) -> None:
            producer.produce(topic, key=service.encode(), value=codec.encode(entry), partition=SYSTEM_PARTITION)

        handler = TopicLogHandler(publish, service=service)
        handler.start()
        try:
            body(stop, ready)
        finally:
            handler.stop()
            producer.flush(FLUSH_S)

    return run_body
