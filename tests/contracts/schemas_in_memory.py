"""Schemas by id in memory, which may be away; holds nothing to compatibility, so that decoders can be tried."""

from schemas.errors import SchemaNotFoundError, SchemaRegistryUnavailableError


class SchemasInMemory:
    """A `SchemaRegistry` that gives every schema an id of its own."""

    def __init__(self) -> None:
        self.away = False
        self._schemas: list[str] = []
        self._subjects: dict[str, int] = {}

    def add(self, schema: str) -> int:
        """Keep a schema; the same one twice has two ids."""
        self._schemas.append(schema)
        return len(self._schemas)

    def register(self, subject: str, schema: str) -> int:
        self._require_here()
        self._subjects[subject] = self.add(schema)
        return self._subjects[subject]

    def schema(self, schema_id: int) -> str:
        self._require_here()
        if not 1 <= schema_id <= len(self._schemas):
            raise SchemaNotFoundError(schema_id)
        return self._schemas[schema_id - 1]

    def latest(self, subject: str) -> tuple[int, str]:
        if subject not in self._subjects:
            raise SchemaNotFoundError(subject)
        return self._subjects[subject], self.schema(self._subjects[subject])

    def _require_here(self) -> None:
        if self.away:
            raise SchemaRegistryUnavailableError("away")
