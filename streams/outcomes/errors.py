"""What can go wrong in the outcome lane beside its records.

OutcomesError
├── UnknownModelError      no version of the model is on the shelf, so its labels can't be judged
├── DiskTakenError         another process has the state of this partition open
└── RetentionTooShortError a topic forgets records that may still be needed
"""

from pathlib import Path


class OutcomesError(Exception):
    """Anything that keeps the lane from joining."""


class UnknownModelError(OutcomesError):
    """No version of the model is on the shelf; ask again later."""

    def __init__(self, model: str) -> None:
        super().__init__(f"no version of {model} is on the shelf that this process reads")
        self.model = model


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
