"""Bad requests, sent on purpose: at least one for each reason that a producer can cause.

A good request comes in; messages that are each bad in one way go out, with the reason code
that the scorer must give them.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from schemas.framing import frame, unframe
from schemas.reasons import Reason

_UNKNOWN_SCHEMA = 0x7FFF_FFF0
_FAR_UNION_INDEX = b"\x7e"


class Encode(Protocol):
    """Framed bytes of a request with these ids and features."""

    def __call__(self, request_id: str, entity_id: str, features: dict[str, object]) -> bytes: ...


class EncodeAs(Protocol):
    """The same with another schema, which is registered under a name of its own."""

    def __call__(self, schema: str, request_id: str, entity_id: str, features: dict[str, object]) -> bytes: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Poison:
    """One message as it is sent, and the reason that it must be given."""

    reason: Reason
    key: bytes | None
    value: bytes | None


@dataclass(frozen=True, slots=True, kw_only=True)
class GoodRequest:
    """What a good message is made from, and the means to encode others like it."""

    entity_id: str
    features: dict[str, object]
    schema: str
    encode: Encode
    encode_as: EncodeAs


def poisons(good: GoodRequest, *, value_bytes_max: int, label: str) -> Iterator[Poison]:
    """Each kind once; `label` makes their request ids unique among several rounds."""
    key = good.entity_id.encode()
    request_id = f"{label}-whole"
    value = good.encode(request_id, good.entity_id, good.features)
    schema_id, body = unframe(value)
    yield Poison(reason=Reason.TOMBSTONE, key=key, value=None)
    yield Poison(reason=Reason.EMPTY_VALUE, key=key, value=b"")
    yield Poison(reason=Reason.BAD_MAGIC_BYTE, key=key, value=b"\x01" + value[1:])
    yield Poison(reason=Reason.UNKNOWN_SCHEMA_ID, key=key, value=frame(_UNKNOWN_SCHEMA, body))
    yield Poison(reason=Reason.TRUNCATED, key=key, value=value[:-3])
    yield Poison(reason=Reason.TRAILING_BYTES, key=key, value=value + b"\x00\x00")
    yield Poison(reason=Reason.MALFORMED, key=key, value=value[:-9] + _FAR_UNION_INDEX + value[-8:])
    yield Poison(reason=Reason.OVERSIZE, key=key, value=value + bytes(value_bytes_max))
    yield Poison(reason=Reason.NO_KEY, key=None, value=value)
    yield Poison(reason=Reason.KEY_MISMATCH, key=b"N00000", value=value)
    yield Poison(reason=Reason.MISSING_ID, key=key, value=frame(schema_id, b"\x00" + body[1 + len(request_id) :]))
    yield from _bad_features(good, key, label=label)
    yield from _other_writers(good, key, label=label)
    assert schema_id != _UNKNOWN_SCHEMA, "the model's schema is registered under a small id"


def _bad_features(good: GoodRequest, key: bytes, *, label: str) -> Iterator[Poison]:
    """Well-formed requests whose features the version can't take."""
    changes: tuple[tuple[Reason, dict[str, object]], ...] = (
        (Reason.NOT_FINITE, {"dep_delay": float("nan")}),
        (Reason.NOT_FINITE, {"dep_delay": float("inf")}),
        (Reason.UNKNOWN_CATEGORY, {"origin": "ZZZ"}),
    )
    for number, (reason, change) in enumerate(changes):
        features = {**good.features, **change}
        yield Poison(reason=reason, key=key, value=good.encode(f"{label}-{number}", good.entity_id, features))


def _other_writers(good: GoodRequest, key: bytes, *, label: str) -> Iterator[Poison]:
    """Requests of producers whose schema lacks a feature, or has it with another type."""
    without = {name: value for name, value in good.features.items() if name != "carrier"}
    schema = _changed(good.schema, "carrier", None)
    yield Poison(
        reason=Reason.MISSING_FEATURE,
        key=key,
        value=good.encode_as(schema, f"{label}-missing", good.entity_id, without),
    )
    schema = _changed(good.schema, "carrier", "long")
    yield Poison(
        reason=Reason.WRONG_TYPE,
        key=key,
        value=good.encode_as(schema, f"{label}-type", good.entity_id, {**good.features, "carrier": 7}),
    )


def _changed(schema: str, feature: str, avro_type: str | None) -> str:
    """The request schema with another type for a feature, or without it."""
    record = json.loads(schema)
    features = next(field for field in record["fields"] if field["name"] == "features")["type"]
    kept = [field for field in features["fields"] if field["name"] != feature]
    if avro_type is not None:
        kept = [{**field, "type": avro_type} if field["name"] == feature else field for field in features["fields"]]
    features["fields"] = kept
    return json.dumps(record)
