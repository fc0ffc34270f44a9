"""Avro schemas as text: whether they are any, and the one spelling in which equal ones are equal."""

import json
from typing import Any

import fastavro

from schemas.errors import SchemaIncompatibleError


def canonical_form(schema: str) -> str:
    """The schema with sorted keys, no blanks and plain primitives; docs and defaults stay.

    >>> canonical_form('{"type": "string"}')
    '"string"'
    """
    return json.dumps(_plain(json.loads(schema)), sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def require_valid(subject: str, schema: str) -> None:
    """Raise `SchemaIncompatibleError` for a text that is no Avro schema."""
    try:
        fastavro.parse_schema(json.loads(schema))
    except (ValueError, TypeError, KeyError, fastavro.schema.SchemaParseException) as error:
        raise SchemaIncompatibleError(subject, "", f"is not an Avro schema: {error!r}") from error
    except fastavro.schema.UnknownType as error:
        raise SchemaIncompatibleError(subject, "", f"names a type that is not defined: {error}") from error


def _plain(schema: Any) -> Any:
    if isinstance(schema, list):
        return [_plain(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    if set(schema) == {"type"} and isinstance(schema["type"], str):
        return schema["type"]
    inner = ("type", "items", "values", "fields")
    return {key: _plain(value) if key in inner else value for key, value in schema.items()}
