"""Where the running stack is: `run/stack.json`, written by `penstock up`, read by every command."""

import os
from dataclasses import asdict, dataclass

import orjson

from runtime.errors import StackNotRunningError
from runtime.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Stack:
    """A running stack: `broker` as bootstrap servers, where documents and schemas are, and its processes."""

    pid: int
    broker: str
    cluster_id: str
    store: str
    schema_registry: str
    processes: tuple[str, ...]


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
    """The stack that runs on this data directory, or None; a dead one does not count."""
    try:
        fields = orjson.loads((settings.run_dir / "stack.json").read_bytes())
    except FileNotFoundError:
        return None
    stack = Stack(**{**fields, "processes": tuple(fields["processes"])})
    return stack if _alive(stack.pid) else None


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


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
