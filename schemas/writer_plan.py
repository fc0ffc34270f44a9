"""How bodies of one writer's schema become a model's request columns, or why none of them can.

A record inside a record takes no bytes of its own, so a request lies on the wire as one row of
values: ids, time, features and whatever else the writer has. The plan says what is kept of it,
under which Avro type, and which column feeds which feature.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from schemas.body_check import BodyCheck
from schemas.errors import RequestBodyError
from schemas.reasons import Reason
from schemas.signature import Feature, FeatureKind
from schemas.writer_schema import spelled_out

READABLE: dict[FeatureKind, frozenset[str]] = {
    FeatureKind.NUMBER: frozenset({"double", "float", "long", "int"}),
    FeatureKind.INTEGER: frozenset({"long", "int"}),
    FeatureKind.BOOLEAN: frozenset({"boolean"}),
    FeatureKind.STRING: frozenset({"string", "enum"}),
}
PLAIN = frozenset({"double", "long", "boolean", "string"})
ENVELOPE = {"request_id": "string", "entity_id": "string", "event_time": "long"}
EVENT_TIME_TYPES = (None, "timestamp-millis")


@dataclass(frozen=True, slots=True, kw_only=True)
class WriterPlan:
    """What to do with the bodies of one writer's schema.

    `check` refuses bodies and cuts out what is kept. `types`: the Avro types of what is kept, in
    wire order; `schema`: a flat record of them with fields c0, c1 ...; `plain`: they are all of
    double, long, boolean, string and their nullable forms. The rest are positions in `types`:
    of the ids and the time, and for each feature of the model, None where the writer has none.
    """

    check: BodyCheck
    types: tuple[Any, ...]
    schema: str
    plain: bool
    request_id: int
    entity_id: int
    event_time: int
    features: tuple[int | None, ...]


def plan_writer(schema: str, features: Sequence[Feature]) -> WriterPlan:
    """The plan for a writer's schema. Raises `RequestBodyError` when no body of it can be read."""
    slots = _slots(schema, features)
    kept = [slot for slot in slots if slot.kept]
    positions = {(slot.feature, slot.name): position for position, slot in enumerate(kept)}
    types = tuple(slot.type for slot in kept)
    return WriterPlan(
        check=BodyCheck([(slot.type, slot.kept) for slot in slots]),
        types=types,
        schema=flat_schema(types),
        plain=all(is_plain(each) for each in types),
        request_id=positions[False, "request_id"],
        entity_id=positions[False, "entity_id"],
        event_time=positions[False, "event_time"],
        features=tuple(positions.get((True, feature.name)) for feature in features),
    )


def is_plain(avro_type: Any) -> bool:
    """Whether the batch decoder is exact for the type."""
    if isinstance(avro_type, list):
        return len(avro_type) == 2 and avro_type[0] == "null" and is_plain(avro_type[1])
    return isinstance(avro_type, str) and avro_type in PLAIN


@dataclass(frozen=True, slots=True, kw_only=True)
class _Slot:
    """One value on the wire; `kept` when it is used, or as cheap to read as to leave out."""

    name: str
    feature: bool
    type: Any
    kept: bool


def _slots(schema: str, features: Sequence[Feature]) -> list[_Slot]:
    record = spelled_out(schema)
    if not isinstance(record, dict) or record["type"] != "record":
        raise _refused(Reason.INCOMPATIBLE_SCHEMA, "the writer's schema is no record")
    fields = _by_name(record)
    _check_envelope(fields, json.loads(schema))
    written = _by_name(fields["features"])
    known = {feature.name: feature for feature in features}
    for feature in features:
        _check_feature(feature, written.get(feature.name))
    slots = []
    for name, avro_type in fields.items():
        if name == "features":
            slots += [
                _Slot(name=inner, feature=True, type=each, kept=inner in known or is_plain(each))
                for inner, each in written.items()
            ]
        else:
            slots.append(_Slot(name=name, feature=False, type=avro_type, kept=name in ENVELOPE or is_plain(avro_type)))
    return slots


def _check_envelope(fields: dict[str, Any], schema: dict[str, Any]) -> None:
    for name, wanted in (*ENVELOPE.items(), ("features", "record")):
        if name not in fields:
            raise _refused(Reason.INCOMPATIBLE_SCHEMA, f"the writer's schema has no field {name!r}")
        if _kind(fields[name]) != wanted:
            reason = Reason.INCOMPATIBLE_SCHEMA if name == "features" else Reason.WRONG_TYPE
            raise _refused(reason, f"field {name!r} is written as {_kind(fields[name])}, not {wanted}")
    (time,) = (field["type"] for field in schema["fields"] if field["name"] == "event_time")
    logical = time.get("logicalType") if isinstance(time, dict) else None
    if logical not in EVENT_TIME_TYPES:
        raise _refused(Reason.WRONG_TYPE, f"field 'event_time' is written as {logical}, not timestamp-millis")


def _check_feature(feature: Feature, written: Any) -> None:
    if written is None:
        if not feature.nullable:
            raise _refused(Reason.MISSING_FEATURE, f"the writer's schema has no feature {feature.name!r}")
        return
    for branch in written if isinstance(written, list) else [written]:
        if branch != "null" and _kind(branch) not in READABLE[feature.kind]:
            raise _refused(
                Reason.WRONG_TYPE,
                f"feature {feature.name!r} is written as {_kind(branch)}, not {feature.kind.avro_type}",
            )


def _by_name(record: dict[str, Any]) -> dict[str, Any]:
    fields = {field["name"]: field["type"] for field in record["fields"]}
    if len(fields) != len(record["fields"]):
        raise _refused(Reason.INCOMPATIBLE_SCHEMA, "the writer's schema names a field twice")
    return fields


def flat_schema(types: Sequence[Any]) -> str:
    """A record of these types, spelled out, with fields c0, c1 ..."""
    fields = [{"name": f"c{position}", "type": _named(each, f"Enum{position}")} for position, each in enumerate(types)]
    return json.dumps({"type": "record", "name": "Row", "fields": fields})


def _named(avro_type: Any, name: str) -> Any:
    """Enums need names of their own wherever they stand."""
    if isinstance(avro_type, list):
        return [_named(branch, f"{name}_{index}") for index, branch in enumerate(avro_type)]
    if isinstance(avro_type, dict):
        return {**avro_type, "name": name}
    return avro_type


def _kind(avro_type: Any) -> str:
    if isinstance(avro_type, list):
        return " or ".join(_kind(branch) for branch in avro_type)
    return str(avro_type["type"] if isinstance(avro_type, dict) else avro_type)


def _refused(reason: Reason, detail: str) -> RequestBodyError:
    return RequestBodyError(reason, detail)
