"""Avro schemas of strangers, spelled out: names resolved, logical types taken off, bombs refused.

The result is nested dicts, lists and names of primitives in which every named type stands
where it is used, so that whoever walks it needs no table of names.
"""

import json
from typing import Any

import fastavro

from schemas.body_check import is_empty
from schemas.errors import RequestBodyError
from schemas.reasons import Reason

PRIMITIVES = frozenset({"null", "boolean", "int", "long", "float", "double", "bytes", "string"})
TYPES_MAX = 10_000
"""Types in a schema once spelled out; more is a bomb (types that double with each name)."""
DEPTH_MAX = 100
"""How deep types may lie in each other; deeper ones would exhaust the stack."""


def spelled_out(schema: str) -> Any:
    """The schema without names. Raises `RequestBodyError` (incompatible schema) with the cause.

    >>> spelled_out('{"type": "array", "items": {"type": "long", "logicalType": "timestamp-millis"}}')
    {'type': 'array', 'items': 'long'}
    """
    try:
        fastavro.parse_schema(json.loads(schema))
    except _NOT_AVRO as error:
        raise _incompatible(f"the writer's schema is not Avro: {error!r}") from error
    return _Spelling().spell(json.loads(schema), "", ())


_NOT_AVRO = (
    KeyError,
    TypeError,
    ValueError,
    RecursionError,
    fastavro.schema.SchemaParseException,
    fastavro.schema.UnknownType,
)


class _Spelling:
    """One schema being spelled out: the named types met so far and how many types were written."""

    def __init__(self) -> None:
        self._named: dict[str, tuple[dict[str, Any], str]] = {}
        self._types = 0
        self._depth = 0

    def spell(self, schema: Any, namespace: str, within: tuple[str, ...]) -> Any:
        self._types += 1
        self._depth += 1
        if self._types > TYPES_MAX or self._depth > DEPTH_MAX:
            raise _incompatible(f"the writer's schema has over {TYPES_MAX:,} types, or lies over {DEPTH_MAX} deep")
        spelled = self._spell_any(schema, namespace, within)
        self._depth -= 1
        return spelled

    def _spell_any(self, schema: Any, namespace: str, within: tuple[str, ...]) -> Any:
        if isinstance(schema, list):
            return [self.spell(branch, namespace, within) for branch in schema]
        if isinstance(schema, dict):
            return self._spell_complex(schema, namespace, within)
        if schema in PRIMITIVES:
            return schema
        return self._spell_named(_full_name(schema, namespace, self._named), within)

    def _spell_complex(self, schema: dict[str, Any], namespace: str, within: tuple[str, ...]) -> Any:
        kind = schema["type"]
        if kind == "array":
            return {"type": "array", "items": self._item(schema["items"], namespace, within)}
        if kind == "map":
            return {"type": "map", "values": self.spell(schema["values"], namespace, within)}
        if kind not in ("record", "error", "enum", "fixed"):
            return self.spell(kind, namespace, within)
        namespace = schema.get("namespace", namespace)
        name = schema["name"] if "." in schema["name"] or not namespace else f"{namespace}.{schema['name']}"
        self._named[name] = (schema, name.rpartition(".")[0])
        return self._spell_named(name, within)

    def _spell_named(self, name: str, within: tuple[str, ...]) -> Any:
        if name in within:
            raise _incompatible(f"the writer's schema contains itself at {name}")
        schema, namespace = self._named[name]
        if schema["type"] == "enum":
            return {"type": "enum", "symbols": list(schema["symbols"])}
        if schema["type"] == "fixed":
            return {"type": "fixed", "size": schema["size"]}
        fields = [
            {"name": field["name"], "type": self.spell(field["type"], namespace, (*within, name))}
            for field in schema["fields"]
        ]
        return {"type": "record", "fields": fields}

    def _item(self, schema: Any, namespace: str, within: tuple[str, ...]) -> Any:
        item = self.spell(schema, namespace, within)
        if is_empty(item):
            raise _incompatible("the writer's schema has arrays of items that take no bytes")
        return item


def _full_name(name: str, namespace: str, named: dict[str, tuple[dict[str, Any], str]]) -> str:
    qualified = f"{namespace}.{name}"
    return qualified if "." not in name and qualified in named else name


def _incompatible(detail: str) -> RequestBodyError:
    return RequestBodyError(Reason.INCOMPATIBLE_SCHEMA, detail)
