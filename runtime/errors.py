"""What can go wrong in the process shell.

RuntimeShellError
├── StackNotRunningError   a command needs the embedded stack, and none runs on this data dir
├── StackAlreadyRunningError two stacks on one data dir would write over each other
├── BrokerUnreachableError no broker answered in time
├── AccessDeniedError      the broker knows who we are, and that we may not
├── TopicMismatchError     a topic exists with another partition count than the settings say
├── RoleTakenError         the embedded broker allows one process of the role, and it runs
├── FencedError            another process owns this slot now
└── HungCallError          a library call did not come back in time
"""

from pathlib import Path


class RuntimeShellError(Exception):
    """Anything wrong with the world that a process runs in."""


class StackNotRunningError(RuntimeShellError):
    """No embedded stack is running on this data directory."""

    def __init__(self, data_dir: Path) -> None:
        super().__init__(
            f"no stack is running on {data_dir}: start one with `penstock up --data-dir {data_dir}`, "
            "or name real servers in kafka.bootstrap_servers"
        )
        self.data_dir = data_dir


class StackAlreadyRunningError(RuntimeShellError):
    """A stack runs on this data directory; `pid` None: it has not announced itself yet."""

    def __init__(self, data_dir: Path, pid: int | None) -> None:
        which = "" if pid is None else f" (process {pid})"
        super().__init__(f"a stack already runs on {data_dir}{which}: stop it, or give another --data-dir")
        self.pid = pid


class BrokerUnreachableError(RuntimeShellError):
    """No broker answered in time."""

    def __init__(self, bootstrap_servers: str, detail: str) -> None:
        super().__init__(f"no Kafka broker answers at {bootstrap_servers}: {detail}")
        self.bootstrap_servers = bootstrap_servers


class AccessDeniedError(RuntimeShellError):
    """The broker knows who asks, and that it may not."""

    def __init__(self, what: str, remedy: str) -> None:
        super().__init__(f"not allowed to {what}: {remedy}")
        self.what = what


class TopicMismatchError(RuntimeShellError):
    """A topic has another partition count than the settings; keys would move."""

    def __init__(self, topic: str, actual: int, wanted: int) -> None:
        super().__init__(
            f"topic {topic} has {actual} partitions and topics.partitions says {wanted}: the count can't change, "
            f"since keys would move; set topics.partitions = {actual}"
        )
        self.topic = topic


class RoleTakenError(RuntimeShellError):
    """The embedded broker allows one process of each role, and it runs already."""

    def __init__(self, role: str, data_dir: Path) -> None:
        super().__init__(
            f"a {role} already runs on {data_dir}, and the embedded broker allows one: "
            "name real servers in kafka.bootstrap_servers for more"
        )
        self.role = role


class FencedError(RuntimeShellError):
    """Another process with the same slot has started; this one must go."""


class HungCallError(RuntimeShellError):
    """A library call did not come back in time."""
