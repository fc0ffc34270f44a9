"""Twenty thousand damaged messages: every one accounted for, both decoders agreed, memory bounded."""

import io
import json
import random
import resource
from collections import Counter
from collections.abc import Iterator
from typing import Any

import fastavro
import pyarrow as pa

from schemas.decoders import build_decoder
from schemas.reasons import Reason
from schemas.request_schema import request_schema
from schemas.request_writer import RequestWriter
from schemas.signature import Feature, FeatureKind
from tests.contracts.decoder_comparison import agreed
from tests.contracts.request_generation import damaged
from tests.contracts.schemas_in_memory import SchemasInMemory

MUTATIONS = 20_000
VALUE_BYTES_MAX = 600
MEMORY_BYTES_MAX = 200 * 2**20
KINDS = [FeatureKind.NUMBER] * 8 + [FeatureKind.INTEGER, FeatureKind.STRING, FeatureKind.BOOLEAN] * 3
FEATURES = tuple(
    Feature(name=f"f{index}", kind=kind, dtype="object", nullable=index % 2 == 1) for index, kind in enumerate(KINDS)
)
SAMPLES = {
    FeatureKind.NUMBER: (0.0, -1.5, float("nan"), float("inf")),
    FeatureKind.INTEGER: (0, -1, 2**53 + 1, 2**63 - 1, -(2**62)),
    FeatureKind.BOOLEAN: (True, False),
    FeatureKind.STRING: ("", "AA", "h\u00e9llo", "\U0001f600" * 3, "x" * 90),
}


def test_twenty_thousand_mutations_are_accounted_for() -> None:
    """No mutation crashes a decoder, hides a row, divides the decoders or harms a good neighbor."""
    chance = random.Random(20_131_231)
    registry = SchemasInMemory()
    schema = request_schema("m", FEATURES)
    schema_id = registry.add(schema)
    writer = RequestWriter(schema_id, schema)
    parsed = fastavro.parse_schema(json.loads(schema.replace("timestamp-millis", "none")))
    arrow = build_decoder("arrow", registry=registry, request_schema_id=schema_id, value_bytes_max=VALUE_BYTES_MAX)
    strict = build_decoder("fastavro", registry=registry, request_schema_id=schema_id, value_bytes_max=VALUE_BYTES_MAX)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    reasons: Counter[Reason] = Counter()
    accepted = 0

    for batch, mutated in batches(writer, chance):
        columns, rejections = agreed(arrow, strict, batch)
        taken = set(columns.rows.tolist())
        assert taken | mutated >= set(range(len(batch)))
        accepted += len(taken & mutated)
        for row in taken & mutated:
            assert is_canonical(batch[row] or b"", parsed), batch[row]
        reasons.update(rejection.reason for rejection in rejections)

    grown_bytes = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024
    assert reasons.total() + accepted == MUTATIONS
    assert accepted > 100
    for reason in (
        Reason.TOMBSTONE,
        Reason.EMPTY_VALUE,
        Reason.OVERSIZE,
        Reason.BAD_MAGIC_BYTE,
        Reason.UNKNOWN_SCHEMA_ID,
        Reason.TRUNCATED,
        Reason.TRAILING_BYTES,
        Reason.MALFORMED,
        Reason.MISSING_ID,
    ):
        assert reasons[reason] > 0, reason
    assert grown_bytes < MEMORY_BYTES_MAX
    assert pa.total_allocated_bytes() < MEMORY_BYTES_MAX


def is_canonical(value: bytes, parsed: Any) -> bool:
    """Whether the body is what the Avro library writes for the values that it reads from it."""
    buffer = io.BytesIO()
    record: Any = fastavro.schemaless_reader(io.BytesIO(value[5:]), parsed)
    fastavro.schemaless_writer(buffer, parsed, record)
    return buffer.getvalue() == value[5:]


def batches(writer: RequestWriter, chance: random.Random) -> Iterator[tuple[list[bytes | None], set[int]]]:
    """Batches and their mutated rows: a few in many small batches, so that a batch may pass, then full ones."""
    left = MUTATIONS
    while left:
        hits = min(left, 2 if left > MUTATIONS * 7 // 8 else 400)
        values = [request(writer, chance) for _ in range(20 if hits == 2 else 500)]
        mutated = set(chance.sample(range(len(values)), hits))
        yield [mutation(each, chance) if row in mutated else each for row, each in enumerate(values)], mutated
        left -= hits


def request(writer: RequestWriter, chance: random.Random) -> bytes:
    """A good request."""
    features = {
        each.name: None if each.nullable and chance.random() < 0.3 else chance.choice(SAMPLES[each.kind])
        for each in FEATURES
    }
    return writer.encode(f"r{chance.randrange(10**9)}", "e", event_time=chance.randrange(10**12), features=features)


def mutation(value: bytes, chance: random.Random) -> bytes | None:
    """The value damaged in its body or in its frame."""
    kind = chance.randrange(20)
    if kind == 0:
        return chance.choice([None, b"", value[:3], bytes(VALUE_BYTES_MAX + 1)])
    if kind == 1:
        return damaged(value[:5], chance) + value[5:]
    if kind == 2:
        length = value[5] >> 1
        return value[:5] + b"\x00" + value[6 + length :]
    return value[:5] + damaged(value[5:], chance)
