"""Builds the request decoder of a model: frames, a plan for each writer's schema, bodies, ids."""

from collections.abc import Callable, Sequence
from typing import Literal, Protocol

import pyarrow as pa

from schemas.arrow_decoder import ArrowBodies
from schemas.columns import Rejection, RequestColumns, RequestDecoder
from schemas.errors import RequestBodyError, SchemaNotFoundError
from schemas.fastavro_decoder import FastavroBodies
from schemas.reasons import Reason
from schemas.registry_port import SchemaRegistry
from schemas.request_columns import features_schema, joined, with_identity
from schemas.request_frames import Group, group_frames
from schemas.request_schema import features_of
from schemas.writer_plan import WriterPlan, plan_writer

WRITERS_MAX = 256
"""Writers' schemas kept ready; beyond it they are made anew, so that ids can't fill the memory."""


def build_decoder(
    kind: Literal["arrow", "fastavro"], *, registry: SchemaRegistry, request_schema_id: int, value_bytes_max: int
) -> RequestDecoder:
    """The decoder into the columns of one request schema.

    Raises `SchemaNotFoundError` and `SchemaRegistryUnavailableError` from the registry.
    """
    schema = registry.schema(request_schema_id)
    bodies = ArrowBodies if kind == "arrow" else FastavroBodies
    return _Decoder(registry=registry, request_schema=schema, bodies=bodies, value_bytes_max=value_bytes_max)


class Bodies(Protocol):
    """Bodies of one writer's schema to columns."""

    def decode(self, group: Group) -> tuple[RequestColumns, list[Rejection]]: ...


class _Decoder:
    """What both decoders share: everything but making values of bodies."""

    def __init__(
        self,
        *,
        registry: SchemaRegistry,
        request_schema: str,
        bodies: Callable[[WriterPlan, pa.Schema], Bodies],
        value_bytes_max: int,
    ) -> None:
        self._registry = registry
        self._features = features_of(request_schema)
        self._schema = features_schema(self._features)
        self._bodies = bodies
        self._value_bytes_max = value_bytes_max
        self._writers: dict[int, Bodies | RequestBodyError] = {}

    def decode(self, values: Sequence[bytes | None]) -> tuple[RequestColumns, list[Rejection]]:
        groups, rejections = group_frames(values, self._value_bytes_max)
        parts = []
        for schema_id, group in groups.items():
            writer = self._writer(schema_id)
            if isinstance(writer, RequestBodyError):
                rejections += [Rejection(row=row, reason=writer.reason, detail=writer.detail) for row in group.rows]
                continue
            columns, refused = writer.decode(group)
            parts.append(columns)
            rejections += refused
        columns, nameless = with_identity(joined(parts, self._schema))
        rejections += nameless
        assert len(columns.rows) + len(rejections) == len(values), (len(columns.rows), len(rejections), len(values))
        return columns, sorted(rejections, key=lambda rejection: rejection.row)

    def _writer(self, schema_id: int) -> Bodies | RequestBodyError:
        """What reads that writer's bodies, or why none can be; an unknown id is asked for every time."""
        if schema_id in self._writers:
            return self._writers[schema_id]
        try:
            written = self._registry.schema(schema_id)
        except SchemaNotFoundError as error:
            return RequestBodyError(Reason.UNKNOWN_SCHEMA_ID, str(error))
        if len(self._writers) >= WRITERS_MAX:
            self._writers.clear()
        self._writers[schema_id] = self._made(written)
        return self._writers[schema_id]

    def _made(self, written: str) -> Bodies | RequestBodyError:
        try:
            return self._bodies(plan_writer(written, self._features), self._schema)
        except RequestBodyError as error:
            return error
