"""The roles that a penstock process can play, and how one of them is run to its end."""

import threading
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from importlib import import_module

from penstock import wiring
from runtime.clock import SystemClock
from runtime.kafka import SYSTEM_PARTITION, build_producer, is_embedded
from runtime.logs import TopicLogHandler, configure_logs
from runtime.metrics import Meters
from runtime.process import Body, Process
from runtime.settings import Settings
from runtime.sole_process import sole_process
from schemas.events import LogEntry
from schemas.topics import LOGS

FLUSH_S = 2.0

ROLES = ("broker", "controller", "scorer", "sink")


def run(role: str, settings: Settings, *, slot: int, supervised: bool) -> int:
    """Run one process in this role until it is told to stop; return its exit code.

    `settings` name a broker that exists, but for the role `broker`. Raises `RoleTakenError` on the
    embedded broker when the role has a process.
    """
    with _alone_if_embedded(role, settings):
        return _run(role, settings, slot=slot, supervised=supervised)


def _alone_if_embedded(role: str, settings: Settings) -> AbstractContextManager[None]:
    return sole_process(settings.run_dir, role) if is_embedded(settings.kafka) else nullcontext()


def _run(role: str, settings: Settings, *, slot: int, supervised: bool) -> int:
    service = f"{role}-{slot}"
    configure_logs(service, log_file=settings.log_dir / f"{service}.log" if supervised else None)
    meters = Meters()
    port = meters.serve(host=settings.metrics.host, port=settings.metrics.port)
    process = Process(role=role, slot=slot, run_dir=settings.run_dir, clock=SystemClock(), metrics_port=port)
    body = _body(role, settings, slot, meters)
    if role != "broker":
        body = _publishing_logs(settings, service, body)
    return process.run(body, supervised=supervised)


def _body(role: str, settings: Settings, slot: int, meters: Meters) -> Body:
    """Build the role's body; only its own module is imported, since scikit-learn alone takes seconds."""
    assert role in ROLES, role
    build: Callable[[Settings, int, Meters], Body] = import_module(f"penstock.roles.{role}").build_body
    return build(settings, slot, meters)


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
