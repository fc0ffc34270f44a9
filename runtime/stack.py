"""Where the running stack is: `run/stack.json`, written by `penstock up`, read by every command."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass

import orjson

from runtime.errors import RoleTakenError, StackAlreadyRunningError, StackNotRunningError
from runtime.settings import Settings
from runtime.sole_process import is_held, sole_process

_ROLE = "up"


@dataclass(frozen=True, slots=True, kw_only=True)
class Stack:
    """A running stack: `broker` as bootstrap servers, where documents and schemas are, and its processes."""

    pid: int
    broker: str
    cluster_id: str
    store: str
    schema_registry: str
    processes: tuple[str, ...]


@contextmanager
def only_stack(settings: Settings) -> Iterator[None]:
    """Be the stack of this data directory. Raises `StackAlreadyRunningError`, at once where one is known to serve."""
    running = find_stack(settings)
    if running is not None:
        raise StackAlreadyRunningError(settings.data_dir, running.pid)
    try:
        with sole_process(settings.run_dir, _ROLE):
            yield
    except RoleTakenError as error:
        raise StackAlreadyRunningError(settings.data_dir, None) from error


def announce(settings: Settings, stack: Stack) -> None:
    """Write the stack's whereabouts for other processes, in one step."""
    settings.run_dir.mkdir(parents=True, exist_ok=True)
    temporary = settings.run_dir / f"stack.json.{os.getpid()}"
    temporary.write_bytes(orjson.dumps(asdict(stack)))
    temporary.replace(settings.run_dir / "stack.json")


def withdraw(settings: Settings) -> None:
    """Take the announcement back when the stack stops."""
    (settings.run_dir / "stack.json").unlink(missing_ok=True)


def find_stack(settings: Settings) -> Stack | None:
    """The stack that runs on this data directory, or None; what a dead one left behind does not count."""
    if not is_held(settings.run_dir, _ROLE):
        return None
    try:
        fields = orjson.loads((settings.run_dir / "stack.json").read_bytes())
        return Stack(**{**fields, "processes": tuple(fields["processes"])})
    except (FileNotFoundError, ValueError, TypeError, KeyError):
        return None


def attach(settings: Settings) -> Settings:
    """Settings whose Kafka section points at brokers that exist.

    Real servers are taken as configured; else the embedded broker of the running stack.
    Raises `StackNotRunningError` when there is neither.
    """
    if not settings.kafka.embedded:
        return settings
    stack = find_stack(settings)
    if stack is None:
        raise StackNotRunningError(settings.data_dir)
    kafka = settings.kafka.model_copy(update={"bootstrap_servers": stack.broker, "cluster_id": stack.cluster_id})
    return settings.model_copy(update={"kafka": kafka})
