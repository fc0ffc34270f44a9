"""Whether a new Avro schema can read what the old one wrote (backward compatibility).

Follows the resolution rules of the Avro specification 1.11. Pure: schemas in, nothing out,
or `SchemaIncompatibleError` with the field at fault and the reason.
"""

import json
from typing import Any, NoReturn

from schemas.errors import SchemaIncompatibleError

PROMOTIONS: dict[str, frozenset[str]] = {
    "int": frozenset({"long", "float", "double"}),
    "long": frozenset({"float", "double"}),
    "float": frozenset({"double"}),
    "string": frozenset({"bytes"}),
    "bytes": frozenset({"string"}),
}
NAMED = frozenset({"record", "error", "enum", "fixed"})


def check_backward(reader_new: str, writer_old: str, *, subject: str = "") -> None:
    """Raise `SchemaIncompatibleError` unless `reader_new` reads all that `writer_old` wrote.

    >>> check_backward('"double"', '"long"')
    >>> check_backward('"long"', '"double"', subject="s")
    Traceback (most recent call last):
    schemas.errors.SchemaIncompatibleError: schema for 's' refused: it changes from double to long
    """
    reader, writer = json.loads(reader_new), json.loads(writer_old)
    _Check(subject, reader, writer).check(reader, writer, path="")


class _Check:
    """One comparison, with the named types of both schemas."""

    def __init__(self, subject: str, reader: Any, writer: Any) -> None:
        self._subject = subject
        self._reader_names: dict[str, Any] = {}
        self._writer_names: dict[str, Any] = {}
        _collect(reader, "", self._reader_names)
        _collect(writer, "", self._writer_names)
        self._seen: set[tuple[int, int]] = set()

    def check(self, reader: Any, writer: Any, *, path: str) -> None:
        reader, writer = _resolve(reader, self._reader_names), _resolve(writer, self._writer_names)
        if isinstance(writer, list):
            nullable = reader == "null" or (isinstance(reader, list) and "null" in reader)
            if "null" in writer and not nullable:
                self._refuse(path, "was nullable and is not any more")
            for branch in writer:
                self.check(reader, branch, path=path)
            return
        if isinstance(reader, list):
            self._check_some_branch(reader, writer, path)
            return
        kind, written = _kind(reader), _kind(writer)
        if kind == written and kind in ("record", "error"):
            self._check_record(reader, writer, path)
        elif kind == written and kind in ("array", "map"):
            inner = "items" if kind == "array" else "values"
            self.check(reader[inner], writer[inner], path=path)
        elif kind == written == "enum":
            self._check_enum(reader, writer, path)
        elif kind == written == "fixed":
            self._check_fixed(reader, writer, path)
        elif kind != written and kind not in PROMOTIONS.get(written, ()):
            self._refuse(path, f"changes from {written} to {kind}")

    def _check_some_branch(self, reader: list[Any], writer: Any, path: str) -> None:
        refusals = []
        for branch in reader:
            try:
                self.check(branch, writer, path=path)
            except SchemaIncompatibleError as error:
                refusals.append(error)
            else:
                return
        deeper = [error for error in refusals if error.field != path]
        if deeper:
            raise deeper[0]
        kinds = ", ".join(_kind(_resolve(branch, self._reader_names)) for branch in reader)
        self._refuse(path, f"was {_kind(writer)}, which is none of: {kinds}")

    def _check_record(self, reader: dict[str, Any], writer: dict[str, Any], path: str) -> None:
        """Records may contain themselves: a pair under comparison is taken to hold until it fails."""
        pair = (id(reader), id(writer))
        if pair in self._seen:
            return
        self._seen.add(pair)
        try:
            self._check_fields(reader, writer, path)
        except SchemaIncompatibleError:
            self._seen.discard(pair)
            raise

    def _check_fields(self, reader: dict[str, Any], writer: dict[str, Any], path: str) -> None:
        names = {_name(reader), *(alias.rpartition(".")[2] for alias in reader.get("aliases", ()))}
        if _name(writer) not in names:
            self._refuse(path, f"is now record {_name(reader)}, was {_name(writer)}")
        written = {field["name"]: field for field in writer["fields"]}
        for field in reader["fields"]:
            inner = f"{path}.{field['name']}" if path else field["name"]
            known_as = (field["name"], *field.get("aliases", ()))
            match = next((written[name] for name in known_as if name in written), None)
            if match is not None:
                self.check(field["type"], match["type"], path=inner)
            elif "default" not in field:
                self._refuse(inner, "is new and has no default")

    def _check_enum(self, reader: dict[str, Any], writer: dict[str, Any], path: str) -> None:
        if _name(reader) != _name(writer):
            self._refuse(path, f"is now enum {_name(reader)}, was {_name(writer)}")
        gone = [symbol for symbol in writer["symbols"] if symbol not in reader["symbols"]]
        if gone and "default" not in reader:
            self._refuse(path, f"loses the symbols {', '.join(gone)}")

    def _check_fixed(self, reader: dict[str, Any], writer: dict[str, Any], path: str) -> None:
        if (_name(reader), reader["size"]) != (_name(writer), writer["size"]):
            now, before = f"{_name(reader)}({reader['size']})", f"{_name(writer)}({writer['size']})"
            self._refuse(path, f"is now fixed {now}, was {before}")

    def _refuse(self, path: str, reason: str) -> NoReturn:
        raise SchemaIncompatibleError(self._subject, path, reason)


def _kind(schema: Any) -> str:
    if isinstance(schema, dict):
        return str(schema["type"])
    return str(schema)


def _name(schema: dict[str, Any]) -> str:
    return str(schema["name"]).rpartition(".")[2]


def _resolve(schema: Any, names: dict[str, Any]) -> Any:
    """A schema without references and wrappers: a primitive's name, a list, or a complex type."""
    while True:
        if isinstance(schema, str) and schema in names:
            return names[schema]
        if isinstance(schema, dict) and (isinstance(schema["type"], dict | list) or schema["type"] not in _COMPLEX):
            schema = schema["type"]
        else:
            return schema


_COMPLEX = NAMED | {"array", "map"}


def _collect(schema: Any, namespace: str, names: dict[str, Any]) -> None:
    """Remember named types under their full and their short names."""
    if isinstance(schema, list):
        for branch in schema:
            _collect(branch, namespace, names)
    if not isinstance(schema, dict):
        return
    kind = schema["type"]
    if isinstance(kind, str) and kind in NAMED:
        name = str(schema["name"])
        namespace = name.rpartition(".")[0] or schema.get("namespace", namespace)
        names.setdefault(name.rpartition(".")[2], schema)
        names[f"{namespace}.{name.rpartition('.')[2]}"] = schema
        for field in schema.get("fields", ()):
            _collect(field["type"], namespace, names)
    elif kind == "array":
        _collect(schema["items"], namespace, names)
    elif kind == "map":
        _collect(schema["values"], namespace, names)
    else:
        _collect(kind, namespace, names)
