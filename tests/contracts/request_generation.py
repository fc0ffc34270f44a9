"""Request schemas, writers' schemas that differ from them, records and damage, all drawn at random."""

import io
import json
import random
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import fastavro
from hypothesis import strategies as st

from schemas.framing import frame
from schemas.request_schema import request_schema, without_logical_types
from schemas.signature import Feature, FeatureKind

DTYPES = {"number": "float64", "integer": "int64", "boolean": "bool", "string": "object"}
TEXTS = st.one_of(st.text(max_size=8), st.sampled_from(["", "\U0001f600", "h\u00e9llo", "x" * 70, "\x00", "7" * 130]))
DOUBLES = st.one_of(
    st.floats(),
    st.sampled_from([float("nan"), float("inf"), float("-inf"), -0.0, 5e-324]),
    st.just(struct.unpack("<d", bytes.fromhex("010000000000f87f"))[0]),
)
LONGS = st.one_of(
    st.integers(-(2**63), 2**63 - 1),
    st.sampled_from([0, -1, 63, 64, -65, 2**53 + 1, -(2**53) - 1, 2**62, -(2**62), -(2**62) - 1, 2**63 - 1, -(2**63)]),
)
INTS = st.one_of(st.integers(-(2**31), 2**31 - 1), st.sampled_from([2**31 - 1, -(2**31)]))
FLOATS = st.floats(width=32)
SYMBOLS = ["red", "green", "blue"]
PRIMITIVES: dict[str, st.SearchStrategy[Any]] = {
    "null": st.none(),
    "double": DOUBLES,
    "long": LONGS,
    "boolean": st.booleans(),
    "string": TEXTS,
    "int": INTS,
    "float": FLOATS,
    "bytes": st.binary(max_size=5),
}
WIDER: dict[FeatureKind, tuple[Any, ...]] = {
    FeatureKind.NUMBER: ("float", "long", "int", ["null", "int"], ["long", "null"], ["null", "double", "long"]),
    FeatureKind.INTEGER: ("int", ["int", "null"], ["null", "int"]),
    FeatureKind.BOOLEAN: (["boolean", "null"],),
    FeatureKind.STRING: (["string", "null"], {"type": "enum", "symbols": SYMBOLS}),
}
EXTRAS: tuple[Any, ...] = (
    "double",
    "string",
    ["null", "long"],
    "bytes",
    "int",
    {"type": "enum", "symbols": SYMBOLS},
    {"type": "fixed", "size": 3},
    {"type": "array", "items": "string"},
    {"type": "map", "values": ["null", "long"]},
    {"type": "record", "fields": [{"name": "a", "type": "float"}, {"name": "b", "type": ["null", "bytes"]}]},
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A model's request schema, one writer's schema that it can read, and records of that writer."""

    features: tuple[Feature, ...]
    reader: str
    writer: str
    records: list[dict[str, Any]]

    def values(self, schema_id: int) -> list[bytes]:
        """The records as framed bytes."""
        return encoded(self.writer, self.records, schema_id)


def encoded(writer: str, records: Sequence[dict[str, Any]], schema_id: int) -> list[bytes]:
    """Records as framed bytes of a schema."""
    parsed = fastavro.parse_schema(json.loads(without_logical_types(writer)))
    values = []
    for record in records:
        buffer = io.BytesIO()
        fastavro.schemaless_writer(buffer, parsed, record)
        values.append(frame(schema_id, buffer.getvalue()))
    return values


@st.composite
def cases(draw: st.DrawFn, *, records_max: int = 5, plain: bool | None = None) -> Case:
    """A case; `plain`: whether the writer keeps to the types that the batch decoder reads."""
    features = tuple(
        Feature(name=f"f{index}", kind=kind, dtype=DTYPES[kind], nullable=draw(st.booleans()))
        for index, kind in enumerate(draw(st.lists(st.sampled_from(FeatureKind), min_size=1, max_size=7)))
    )
    exact = draw(st.booleans()) if plain is None else plain
    fields = [(each.name, draw(_written(each, exact=exact))) for each in features if not _left_out(draw, each)]
    fields += [(f"x{index}", each) for index, each in enumerate(draw(_extras(exact=exact)))]
    envelope: list[tuple[str, Any]] = [("request_id", "string"), ("entity_id", "string"), ("event_time", "long")]
    envelope += [(f"y{index}", each) for index, each in enumerate(draw(_extras(exact=exact)))]
    inner = {"type": "record", "fields": _fields(draw(st.permutations(fields)))}
    outer = {"type": "record", "fields": _fields(draw(st.permutations([*envelope, ("features", inner)])))}
    records = draw(st.lists(_records(outer), max_size=records_max))
    return Case(
        features=features,
        reader=request_schema("m", features),
        writer=json.dumps(_with_names(outer, "Request")),
        records=records,
    )


def expected_feature(feature: Feature, record: dict[str, Any]) -> Any:
    """What a record's feature is for the model, from the record itself."""
    value = record["features"].get(feature.name)
    return float(value) if value is not None and feature.kind is FeatureKind.NUMBER else value


def damaged(body: bytes, chance: random.Random) -> bytes:
    """Bytes changed in one to three places, in the ways that break Avro."""
    changed = bytearray(body)
    for _ in range(chance.choice([1, 1, 1, 2, 3])):
        _damage(changed, chance)
    return bytes(changed)


def _damage(body: bytearray, chance: random.Random) -> None:
    at = chance.randrange(len(body)) if body else 0
    kind = chance.randrange(7)
    if kind == 0 and body:
        body[at] ^= 1 << chance.randrange(8)
    elif kind == 1 and body:
        body[at] = chance.choice([0, 1, 2, 3, 4, 7, 0x7F, 0x80, 0xFF])
    elif kind == 2:
        del body[at : at + chance.randrange(1, 4)]
    elif kind == 3:
        body[at:at] = bytes(chance.choice([0, 1, 2, 0x80, 0xFF]) for _ in range(chance.randrange(1, 4)))
    elif kind == 4:
        del body[at:]
    elif kind == 5 and body:
        body[at : at + 1] = bytes([body[at] | 0x80, 0])
    else:
        body += bytes(chance.randrange(256) for _ in range(chance.choice([1, 2, 9])))


def _left_out(draw: st.DrawFn, feature: Feature) -> bool:
    return feature.nullable and draw(st.integers(0, 4)) == 0


def _written(feature: Feature, *, exact: bool) -> st.SearchStrategy[Any]:
    same = feature.kind.avro_type
    plain: list[Any] = [same, ["null", same]]
    return st.sampled_from(plain if exact else [*plain, *WIDER[feature.kind]])


def _extras(*, exact: bool) -> st.SearchStrategy[list[Any]]:
    return st.lists(st.sampled_from(EXTRAS[:3] if exact else EXTRAS), max_size=2)


def _fields(named: Sequence[tuple[str, Any]]) -> list[dict[str, Any]]:
    return [{"name": name, "type": avro_type} for name, avro_type in named]


def _records(outer: dict[str, Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Records of a schema, most of them with ids and a time that hold."""
    ids = st.one_of(st.text(min_size=1, max_size=40), st.just(""))
    times = st.one_of(st.integers(0, 2_000_000_000_000), st.integers(-62_135_596_800_001, 253_402_300_800_000), LONGS)
    special = {"request_id": ids, "entity_id": ids, "event_time": times}
    return st.fixed_dictionaries(
        {
            field["name"]: special[field["name"]] if field["name"] in special else _values(field["type"])
            for field in outer["fields"]
        }
    )


def _values(avro_type: Any) -> st.SearchStrategy[Any]:
    if isinstance(avro_type, list):
        return st.one_of(*(_values(branch) for branch in avro_type))
    if isinstance(avro_type, str):
        return PRIMITIVES[avro_type]
    drawn: dict[str, Callable[[], st.SearchStrategy[Any]]] = {
        "enum": lambda: st.sampled_from(avro_type["symbols"]),
        "fixed": lambda: st.binary(min_size=avro_type["size"], max_size=avro_type["size"]),
        "array": lambda: st.lists(_values(avro_type["items"]), max_size=3),
        "map": lambda: st.dictionaries(st.text(max_size=3), _values(avro_type["values"]), max_size=3),
        "record": lambda: st.fixed_dictionaries({each["name"]: _values(each["type"]) for each in avro_type["fields"]}),
    }
    return drawn[avro_type["type"]]()


def _with_names(avro_type: Any, name: str) -> Any:
    """The type with a name of its own for each record, enum and fixed."""
    if isinstance(avro_type, list):
        return [_with_names(branch, f"{name}_{index}") for index, branch in enumerate(avro_type)]
    if isinstance(avro_type, str):
        return avro_type
    named = {**avro_type, "name": name} if avro_type["type"] in ("record", "enum", "fixed") else dict(avro_type)
    if named["type"] == "record":
        named["fields"] = [
            {**field, "type": _with_names(field["type"], f"{name}_{field['name']}")} for field in named["fields"]
        ]
    return named
