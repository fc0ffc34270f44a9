"""What can go wrong on the way into the topics.

ProducerError
├── DeliveryFailedError   the broker did not take a record, or not in time
├── HoldbackTimeoutError  the embedded broker is full and its consumers do not move
├── RowError              one row of a file can't become a request or a label
├── PersonalKeyError      a personal feature would be published as it is: the key is missing
├── UnknownModelError     the schema registry knows no request schema of that model
├── ColumnNotFoundError   a file has no column of that name
├── FileKindError         a file's name does not end like a kind that can be read
└── FileContentError      a file is not what its name says
"""

from pathlib import Path


class ProducerError(Exception):
    """Anything that keeps a record from being published."""


class DeliveryFailedError(ProducerError):
    """Records that the broker did not accept; `failed` of them so far."""

    def __init__(self, topic: str, detail: str, *, failed: int) -> None:
        super().__init__(f"{failed} record(s) were not accepted on {topic}: {detail}; send them again")
        self.topic = topic
        self.failed = failed


class HoldbackTimeoutError(ProducerError):
    """The embedded broker's consumers are far behind and stand still."""

    def __init__(self, group: str, topic: str, *, lag_bytes: int, waited_s: float) -> None:
        super().__init__(
            f"{group} is about {lag_bytes:,} bytes behind on {topic} and has not moved for {waited_s:.0f} s, and the "
            "embedded broker would drop the oldest records: activate a version of the model, or see `penstock doctor`"
        )
        self.group = group
        self.topic = topic


class RowError(ProducerError):
    """One value does not fit: `column` is its name, `remedy` what to do."""

    def __init__(self, column: str, found: str, remedy: str) -> None:
        super().__init__(f"column {column!r} has {found}: {remedy}")
        self.column = column
        self.found = found
        self.remedy = remedy


class PersonalKeyError(ProducerError):
    """A model has personal features and no key to tokenize them with was given."""

    def __init__(self, model: str, features: tuple[str, ...]) -> None:
        super().__init__(
            f"features {', '.join(features)} of {model} are personal and may only be published as tokens: "
            "set producers.personal_key (PENSTOCK_PRODUCERS__PERSONAL_KEY) to the secret that makes them"
        )
        self.features = features


class UnknownModelError(ProducerError):
    """No request schema is registered for the model."""

    def __init__(self, model: str) -> None:
        super().__init__(
            f"no model {model!r} has a request schema: register a version with `penstock models add {model}`"
        )
        self.model = model


class ColumnNotFoundError(ProducerError):
    """A file has no such column."""

    def __init__(self, path: Path, column: str, columns: tuple[str, ...]) -> None:
        super().__init__(f"{path} has no column {column!r}: it has {', '.join(columns) or 'none'}")
        self.path = path
        self.column = column


class FileKindError(ProducerError):
    """The file is of a kind that can't be read."""

    def __init__(self, path: Path) -> None:
        super().__init__(f"{path} is of an unknown kind: the name must end in .csv, .jsonl or .parquet")
        self.path = path


class FileContentError(ProducerError):
    """The file's content is not of the kind that its name says."""

    def __init__(self, path: Path, detail: str) -> None:
        super().__init__(f"{path} can't be read: {detail}")
        self.path = path
