"""What can go wrong with schemas.

SchemaError
├── SchemaNotFoundError            the registry is reachable and has no such schema
├── SchemaIncompatibleError        a new schema would break readers of the old one
├── SchemaRegistryUnavailableError the registry can't be asked now; ask again later
├── StateTooNewError               a file was written by a newer penstock
├── SignatureError                 a signature contradicts itself or another one
├── EventDecodeError               bytes on one of penstock's own topics are not the event
├── RequestBodyError               one request's bytes can't be read, with the reason code
└── RequestValueError              a producer's value does not fit the request schema
"""

from pathlib import Path

from schemas.reasons import Reason


class SchemaError(Exception):
    """Anything wrong with a schema, a signature or an encoded event."""


class SchemaNotFoundError(SchemaError):
    """The registry answered, and it has no such schema."""

    def __init__(self, schema: int | str) -> None:
        super().__init__(f"no schema {schema!r} in the schema registry")
        self.schema = schema


class SchemaIncompatibleError(SchemaError):
    """A schema was refused because readers of the subject could not live with it."""

    def __init__(self, subject: str, field: str, reason: str) -> None:
        what = f"field {field!r}" if field else "it"
        super().__init__(f"schema for {subject!r} refused: {what} {reason}")
        self.subject = subject
        self.field = field
        self.reason = reason


class SchemaRegistryUnavailableError(SchemaError):
    """The registry did not give a definite answer; the call may be repeated."""


class StateTooNewError(SchemaError):
    """A file was written by a newer penstock, whose layout this one does not know."""

    def __init__(self, path: Path, *, found: int, newest: int) -> None:
        super().__init__(
            f"{path} has layout {found}, and this penstock knows layouts up to {newest}: run the newer penstock that "
            "wrote it, or bring back the copy from before the upgrade"
        )
        self.path = path
        self.found = found


class SignatureError(SchemaError):
    """A signature contradicts itself, its data or the signature before it."""


class EventDecodeError(SchemaError):
    """Bytes on one of penstock's own topics do not decode to the event expected there; `reason` is for dead letters."""

    def __init__(self, detail: str, *, reason: Reason = Reason.MALFORMED) -> None:
        super().__init__(detail)
        self.reason = reason


class RequestBodyError(SchemaError):
    """One request's bytes, or its writer's schema, can't be read; `reason` is for its dead letter."""

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(f"{reason.value}: {detail}")
        self.reason = reason
        self.detail = detail


class RequestValueError(SchemaError):
    """A value that a producer gave does not fit the request schema; nothing was written."""

    def __init__(self, field: str, detail: str) -> None:
        super().__init__(f"field {field!r}: {detail}")
        self.field = field
