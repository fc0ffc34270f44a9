"""Predictions from bytes, as the join keeps them: what they are found by, their place, and what they say."""

from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

from schemas.columns import Rejection
from schemas.errors import EventDecodeError
from schemas.positions import position_revision
from streams.outcomes.judging import FACT_NAMES, Facts
from streams.outcomes.request import Kept, ident_of, key_of

_NAMES = ("request_id", "entity_id", "requested_at", "source_partition", "source_offset", *FACT_NAMES)


class ColumnReader(Protocol):
    """Reads some fields of many predictions."""

    def columns(
        self, values: Sequence[bytes], names: Sequence[str]
    ) -> tuple[dict[str, list[Any]], dict[int, EventDecodeError]]:
        """Each field as a list, and why a row has none. Raises `SchemaRegistryUnavailableError`."""
        ...


class PredictionRecord(NamedTuple):
    """One prediction as it was read."""

    key: str
    kept: Kept
    facts: Facts


def read_predictions(
    values: Sequence[bytes | None], reader: ColumnReader
) -> tuple[list[PredictionRecord | None], list[Rejection]]:
    """Every row is a prediction or, where it is None, a rejection."""
    present = [value or b"" for value in values]
    columns, errors = reader.columns(present, _NAMES)
    records: list[PredictionRecord | None] = []
    for row, (request_id, entity_id, requested_at, partition, offset, *says) in enumerate(
        zip(*(columns[name] for name in _NAMES), strict=True)
    ):
        if row in errors:
            records.append(None)
            continue
        facts = Facts._make(says)
        position = position_revision(requested_at, partition, offset)
        kept = Kept(ident_of(facts.role, facts.version), position, present[row])
        records.append(PredictionRecord(key_of(request_id, entity_id), kept, facts))
    rejections = [Rejection(row=row, reason=error.reason, detail=str(error)) for row, error in errors.items()]
    return records, rejections


def read_facts(values: Sequence[bytes], reader: ColumnReader) -> list[Facts]:
    """What predictions say that were read before."""
    columns, errors = reader.columns(values, FACT_NAMES)
    assert not errors, f"predictions that were read once are read again: {errors}"
    return [Facts._make(says) for says in zip(*(columns[name] for name in FACT_NAMES), strict=True)]
