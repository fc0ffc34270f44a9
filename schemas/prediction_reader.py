"""Framed predictions and outcomes to plain dicts, one by one or many at once; times are ms since the epoch."""

import io
import json
from collections.abc import Sequence
from typing import Any, Literal

import fastavro

from schemas.codec import UNREADABLE
from schemas.errors import EventDecodeError, SchemaNotFoundError
from schemas.framing import PREFIX_BYTES, unframe
from schemas.prediction_rows import PredictionRows, plan_rows
from schemas.reasons import Reason
from schemas.registry_port import SchemaRegistry
from schemas.request_schema import without_logical_types

ROWS_MIN = 16
"""Below this many rows the fixed cost of a batch is more than reading row by row."""


class PredictionReader:
    """Reads predictions, or outcomes, by their writer's schema, each schema fetched once."""

    def __init__(self, registry: SchemaRegistry, *, record: Literal["Prediction", "Outcome"] = "Prediction") -> None:
        self._registry = registry
        self._record = record
        self._schemas: dict[int, Any] = {}
        self._plans: dict[int, PredictionRows | None] = {}

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
            detail = f"not {_a(self._record)} of schema {schema_id}: {type(error).__name__}"
            raise EventDecodeError(detail) from error
        if stream.tell() != len(value) - PREFIX_BYTES:
            raise EventDecodeError(f"{len(body) - stream.tell()} bytes are left after the {self._record.lower()}")
        assert isinstance(record, dict), schema_id
        return record

    def read_all(self, values: Sequence[bytes]) -> list[dict[str, Any] | EventDecodeError]:
        """What `read` gives or raises for each value, in order, several times as fast.

        Raises `SchemaRegistryUnavailableError` as `read` does.
        """
        found: list[dict[str, Any] | EventDecodeError | None] = [None] * len(values)
        for rows in _by_head(values):
            plan = self._plan(values[rows[0]]) if len(rows) >= ROWS_MIN else None
            if plan is not None:
                records = plan.read([values[row][PREFIX_BYTES:] for row in rows])
                for row, record in zip(rows, records, strict=True):
                    found[row] = record
        return [self._judged(value) if each is None else each for value, each in zip(values, found, strict=True)]

    def columns(
        self, values: Sequence[bytes], names: Sequence[str]
    ) -> tuple[dict[str, list[Any]], dict[int, EventDecodeError]]:
        """The named fields (not `features`) of all values as lists, and why a row has none: its cells are None.

        Raises `SchemaRegistryUnavailableError` as `read` does.
        """
        columns: dict[str, list[Any]] = {name: [None] * len(values) for name in names}
        errors: dict[int, EventDecodeError] = {}
        for rows in _by_head(values):
            plan = self._plan(values[rows[0]]) if len(rows) >= ROWS_MIN else None
            doubted = rows
            if plan is not None:
                found, vouched = plan.columns([values[row][PREFIX_BYTES:] for row in rows], names)
                for name in names:
                    _put(columns[name], rows, found[name])
                doubted = [row for row, good in zip(rows, vouched, strict=True) if not good]
            for row in doubted:
                record = self._judged(values[row])
                if isinstance(record, EventDecodeError):
                    errors[row], record = record, {}
                for name in names:
                    columns[name][row] = record.get(name)
        return columns, errors

    def _judged(self, value: bytes) -> dict[str, Any] | EventDecodeError:
        try:
            return self.read(value)
        except EventDecodeError as error:
            return error

    def _plan(self, value: bytes) -> PredictionRows | None:
        """How values framed as this one are read at once; None where they can't be."""
        try:
            schema_id, _body = unframe(value)
            if schema_id not in self._plans:
                self._plans[schema_id] = plan_rows(self._schemas.get(schema_id) or self._fetch(schema_id))
        except EventDecodeError:
            return None
        return self._plans[schema_id]

    def _fetch(self, schema_id: int) -> Any:
        try:
            schema = fastavro.parse_schema(json.loads(without_logical_types(self._registry.schema(schema_id))))
        except SchemaNotFoundError as error:
            detail = f"written with schema {schema_id}, which the registry does not have"
            raise EventDecodeError(detail, reason=Reason.UNKNOWN_SCHEMA_ID) from error
        name = schema.get("name") if isinstance(schema, dict) else schema
        if name != f"penstock.{self._record}":
            raise EventDecodeError(f"schema {schema_id} is of {name}, not of {_a(self._record)}")
        self._schemas[schema_id] = schema
        return schema


def _by_head(values: Sequence[bytes]) -> list[list[int]]:
    """Rows whose values were written with one schema, together."""
    by_head: dict[bytes, list[int]] = {}
    for row, value in enumerate(values):
        by_head.setdefault(value[:PREFIX_BYTES], []).append(row)
    return list(by_head.values())


def _put(column: list[Any], rows: Sequence[int], cells: list[Any]) -> None:
    if len(rows) == len(column):
        column[:] = cells
        return
    for row, cell in zip(rows, cells, strict=True):
        column[row] = cell


def _a(record: str) -> str:
    return f"an {record.lower()}" if record == "Outcome" else f"a {record.lower()}"
