"""The port through which schema ids are made and resolved (Confluent's model: subjects, ids)."""

from typing import Protocol


class SchemaRegistry(Protocol):
    """Schemas by id and subject; both implementations pass one contract suite.

    Schemas are Avro as JSON text. Every method may raise `SchemaRegistryUnavailableError`,
    which means that the call may be repeated.
    """

    def register(self, subject: str, schema: str) -> int:
        """Add a version to the subject and return its id; the same schema returns the same id.

        Raises `SchemaIncompatibleError` when readers of the subject's latest schema could not
        be replaced by this one (backward compatibility).
        """
        ...

    def schema(self, schema_id: int) -> str:
        """The schema of that id. Raises `SchemaNotFoundError`."""
        ...

    def latest(self, subject: str) -> tuple[int, str]:
        """Id and schema of the subject's newest version. Raises `SchemaNotFoundError`."""
        ...
