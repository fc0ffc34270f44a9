"""The roles that a penstock process can play, and how one of them is run to its end."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from importlib import import_module

from penstock import wiring
from penstock.roles import ROLES
from runtime.clock import SystemClock
from runtime.kafka import build_log_producer, is_embedded
from runtime.log_outlet import Outlet
from runtime.log_redaction import secrets_of
from runtime.logs import Logs
from runtime.metrics import Meters
from runtime.process import Body, Process
from runtime.settings import Settings
from runtime.sole_process import sole_process
from schemas.topics import LOGS


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
    meters = Meters(role)
    with process_logs(f"{role}-{slot}", settings, meters, in_stack=supervised) as logs:
        port = meters.serve(host=settings.metrics.host, port=settings.metrics.port)
        process = Process(
            role=role, slot=slot, run_dir=settings.run_dir, clock=SystemClock(), meters=meters, metrics_port=port
        )
        body = _body(role, settings, slot, meters)
        if role != "broker":
            publish_logs(logs, settings)
        return process.run(body, supervised=supervised)


@contextmanager
def process_logs(service: str, settings: Settings, meters: Meters, *, in_stack: bool) -> Iterator[Logs]:
    """The logs of this process, until it ends; those of `penstock up` share one stderr and have files of their own."""
    logs = Logs(
        service,
        settings.logs,
        secrets=secrets_of(settings),
        meters=meters,
        stderr_level=settings.logs.up_level if in_stack else None,
        file=settings.log_dir / f"{service}.log" if in_stack else None,
    )
    try:
        yield logs
    finally:
        logs.close()


def publish_logs(logs: Logs, settings: Settings) -> Outlet:
    """Send log lines to the logs topic too, and so to the store; `settings` name a broker that exists."""
    return logs.publish(
        build_log_producer(settings.kafka), topic=wiring.topics(settings).of(LOGS), codec=wiring.codec(settings)
    )


def _body(role: str, settings: Settings, slot: int, meters: Meters) -> Body:
    """Build the role's body; only its own module is imported, since scikit-learn alone takes seconds."""
    assert role in ROLES, role
    build: Callable[[Settings, int, Meters], Body] = import_module(f"penstock.roles.{role}").build_body
    return build(settings, slot, meters)
