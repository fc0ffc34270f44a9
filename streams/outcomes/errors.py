"""What can go wrong in the outcome lane beside its records.

OutcomesError
├── DiskTakenError         another process has the state of this partition open
└── RetentionTooShortError a topic forgets records that may still be needed
"""

from pathlib import Path


class OutcomesError(Exception):
    """Anything that keeps the lane from joining."""


class DiskTakenError(OutcomesError):
    """Another process has the state open: two processes have one slot."""

    def __init__(self, folder: Path) -> None:
        super().__init__(
            f"the state in {folder} is open in another process: give each process of the role its own slot"
        )
        self.folder = folder


class RetentionTooShortError(OutcomesError):
    """A topic's retention is shorter than the horizon, so a lost disk could not be rebuilt from it."""

    def __init__(self, topic: str, *, retention_ms: int, horizon_s: float) -> None:
        super().__init__(
            f"{topic} keeps records for {retention_ms / 1_000:g} s, and outcomes.horizon_s is {horizon_s:g}: raise "
            "retention.ms of the topic above it, or lower outcomes.horizon_s"
        )
        self.topic = topic
