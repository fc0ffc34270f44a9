"""Framed predictions to plain dicts, for whoever reads them one by one; times are ms since the epoch."""

import io
import json
from typing import Any

import fastavro

from schemas.codec import UNREADABLE
from schemas.errors import EventDecodeError, SchemaNotFoundError
from schemas.framing import PREFIX_BYTES, unframe
from schemas.registry_port import SchemaRegistry
from schemas.request_schema import without_logical_types

RECORD_NAMES = frozenset({"penstock.Prediction"})


class PredictionReader:
    """Reads predictions by their writer's schema, each schema fetched once."""

    def __init__(self, registry: SchemaRegistry) -> None:
        self._registry = registry
        self._schemas: dict[int, Any] = {}

    def read(self, value: bytes) -> dict[str, Any]:
        """The prediction's fields, its features as a dict inside.

        Raises `EventDecodeError` for bytes that are no prediction, an unknown schema id included,
        and `SchemaRegistryUnavailableError` while the registry gives no answer.
        """
        schema_id, body = unframe(value)
        schema = self._schemas.get(schema_id) or self._fetch(schema_id)
        stream = io.BytesIO(body)
        try:
            record = fastavro.schemaless_reader(stream, schema)
        except UNREADABLE as error:
            raise EventDecodeError(f"not a prediction of schema {schema_id}: {error!r}") from error
        if stream.tell() != len(value) - PREFIX_BYTES:
            raise EventDecodeError(f"{len(body) - stream.tell()} bytes are left after the prediction")
        assert isinstance(record, dict), schema_id
        return record

    def _fetch(self, schema_id: int) -> Any:
        try:
            schema = fastavro.parse_schema(json.loads(without_logical_types(self._registry.schema(schema_id))))
        except SchemaNotFoundError as error:
            raise EventDecodeError(f"written with schema {schema_id}, which the registry does not have") from error
        name = schema.get("name") if isinstance(schema, dict) else schema
        if name not in RECORD_NAMES:
            raise EventDecodeError(f"schema {schema_id} is of {name}, not of a prediction")
        self._schemas[schema_id] = schema
        return schema
