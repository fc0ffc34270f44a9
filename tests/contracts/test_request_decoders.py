"""Every request decoder says the same of every batch, acceptance and rejection included.

A new decoder joins by being compared with the strict one.
"""

import io
import json
import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import fastavro
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from schemas.columns import Rejection, RequestColumns, RequestDecoder
from schemas.decoders import build_decoder
from schemas.errors import SchemaRegistryUnavailableError
from schemas.framing import frame
from schemas.reasons import Reason
from schemas.request_schema import request_schema
from schemas.request_writer import RequestWriter
from schemas.signature import Feature, FeatureKind
from tests.contracts.decoder_comparison import DivergenceError, agreed, bits, plain
from tests.contracts.request_generation import Case, cases, damaged, encoded, expected_feature
from tests.contracts.schemas_in_memory import SchemasInMemory

BATCH_ROWS = 24
"""More than either decoder treats one by one."""

property_test = settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)


def decoders(case: Case) -> tuple[RequestDecoder, RequestDecoder, int]:
    """The batch decoder, the strict one, and the id of the writer's schema."""
    registry = SchemasInMemory()
    reader_id, writer_id = registry.add(case.reader), registry.add(case.writer)
    arrow = build_decoder("arrow", registry=registry, request_schema_id=reader_id, value_bytes_max=10_000)
    strict = build_decoder("fastavro", registry=registry, request_schema_id=reader_id, value_bytes_max=10_000)
    return arrow, strict, writer_id


def full_batch(values: Sequence[bytes]) -> list[bytes | None]:
    """The values, repeated until a batch decoder takes them for a batch."""
    return [*values] * (BATCH_ROWS // len(values) + 1) if values else []


@property_test
@given(cases())
def test_records_arrive_as_they_were_written(case: Case) -> None:
    """Both decoders give each record's own values, whatever the writer's schema adds, leaves out or reorders."""
    arrow, strict, writer_id = decoders(case)
    values = full_batch(case.values(writer_id))
    records = [*case.records] * (len(values) // len(case.records)) if case.records else []

    columns, rejections = agreed(arrow, strict, values)

    assert {each.reason for each in rejections} <= {Reason.MISSING_ID, Reason.MALFORMED}
    taken = [records[row] for row in columns.rows.tolist()]
    for feature in case.features:
        column = columns.features.column(feature.name)
        expected = pa.array([expected_feature(feature, record) for record in taken], column.type, from_pandas=False)
        assert bits(column) == bits(expected)
    assert columns.request_ids.to_pylist() == [record["request_id"] for record in taken]
    assert columns.entity_ids.to_pylist() == [record["entity_id"] for record in taken]
    assert columns.event_times.tolist() == [record["event_time"] for record in taken]
    refused = [records[each.row] for each in rejections]
    assert all(not holds(record) for record in refused)
    assert all(holds(record) for record in taken)


def holds(record: dict[str, Any]) -> bool:
    """Whether a record that can be decoded has both ids and a time within the calendar."""
    in_calendar = -62_135_596_800_000 <= record["event_time"] <= 253_402_300_799_999
    return bool(record["request_id"] and record["entity_id"] and in_calendar)


@property_test
@given(cases(), st.integers(0, 2**32), st.integers(1, 6))
def test_damage_is_judged_alike(case: Case, seed: int, hits: int) -> None:
    """A few damaged bodies among good ones are accepted or refused alike, with the same reason and detail."""
    arrow, strict, writer_id = decoders(case)
    values = full_batch(case.values(writer_id))
    chance = random.Random(seed)
    for _ in range(hits if values else 0):
        row = chance.randrange(len(values))
        body = (values[row] or b"")[5:]
        values[row] = frame(writer_id, damaged(body, chance))

    agreed(arrow, strict, values)


@property_test
@given(cases(plain=True, records_max=3), st.integers(0, 2**32))
def test_nothing_is_accepted_that_is_not_canonical(case: Case, seed: int) -> None:
    """An accepted body of plain types is the one encoding of its values: encoded again it is the same bytes."""
    arrow, strict, writer_id = decoders(case)
    chance = random.Random(seed)
    values = full_batch(case.values(writer_id))
    values = [
        frame(writer_id, damaged((each or b"")[5:], chance)) if chance.random() < 0.2 else each for each in values
    ]

    columns, _ = agreed(arrow, strict, values)

    accepted = [values[row] or b"" for row in columns.rows.tolist()]
    assert reencoded(case.writer, accepted, writer_id) == accepted


def reencoded(writer: str, values: Sequence[bytes], schema_id: int) -> list[bytes]:
    """Values read and written again by the Avro library alone."""
    parsed = fastavro.parse_schema(json.loads(writer))
    records: list[Any] = [fastavro.schemaless_reader(io.BytesIO(value[5:]), parsed) for value in values]
    return encoded(writer, records, schema_id)


@settings(property_test, max_examples=60)
@given(st.lists(cases(plain=True, records_max=3), min_size=2, max_size=3), st.integers(0, 2**32))
def test_writers_are_mixed_in_one_batch(several: list[Case], seed: int) -> None:
    """Rows of several writers' schemas, of unknown ones and of no frame at all keep their places."""
    registry = SchemasInMemory()
    reader_id = registry.add(several[0].reader)
    pairs = [
        build_decoder(kind, registry=registry, request_schema_id=reader_id, value_bytes_max=10_000)
        for kind in ("arrow", "fastavro")
    ]
    chance = random.Random(seed)
    values: list[bytes | None] = [None, b"", b"\x00", b"\x01\x02\x03\x04\x05\x06", frame(9_999, b"x"), bytes(10_001)]
    for case in several:
        values += full_batch(case.values(registry.add(case.writer)))
    chance.shuffle(values)

    _, rejections = agreed(pairs[0], pairs[1], values)

    reasons = [each.reason for each in rejections]
    for reason in (Reason.TOMBSTONE, Reason.EMPTY_VALUE, Reason.BAD_MAGIC_BYTE, Reason.UNKNOWN_SCHEMA_ID):
        assert reasons.count(reason) == 1
    assert reasons.count(Reason.OVERSIZE) == 1
    assert Reason.TRUNCATED in reasons


MIXED = (
    Feature(name="number", kind=FeatureKind.NUMBER, dtype="float64"),
    Feature(name="maybe", kind=FeatureKind.NUMBER, dtype="float64", nullable=True),
    Feature(name="count", kind=FeatureKind.INTEGER, dtype="int64", nullable=True),
    Feature(name="flag", kind=FeatureKind.BOOLEAN, dtype="bool", nullable=True),
    Feature(name="text", kind=FeatureKind.STRING, dtype="object"),
)


def mixed_batch() -> tuple[SchemasInMemory, int, list[bytes | None]]:
    """A registry, the id of a schema with every kind of feature, and a batch of good requests."""
    registry = SchemasInMemory()
    schema = request_schema("m", MIXED)
    schema_id = registry.add(schema)
    writer = RequestWriter(schema_id, schema)
    values: list[bytes | None] = [
        writer.encode(
            f"r{row}",
            f"e{row}",
            event_time=row,
            features={
                "number": float("nan") if row == 3 else row / 7,
                "maybe": None if row % 3 else 0.5,
                "count": None if row % 4 == 1 else 2**53 + row,
                "flag": None if row % 5 == 1 else row % 2 == 0,
                "text": "h\u00e9llo" * row,
            },
        )
        for row in range(BATCH_ROWS)
    ]
    return registry, schema_id, values


def pair(registry: SchemasInMemory, schema_id: int) -> tuple[RequestDecoder, RequestDecoder]:
    """Both decoders of a request schema."""
    arrow = build_decoder("arrow", registry=registry, request_schema_id=schema_id, value_bytes_max=10_000)
    strict = build_decoder("fastavro", registry=registry, request_schema_id=schema_id, value_bytes_max=10_000)
    return arrow, strict


class Planted:
    """A decoder with one fault planted into what it says."""

    def __init__(self, inner: RequestDecoder, fault: "Fault") -> None:
        self._inner = inner
        self._fault = fault

    def decode(self, values: Sequence[bytes | None]) -> tuple[RequestColumns, list[Rejection]]:
        return self._fault(*self._inner.decode(values))


Fault = Callable[[RequestColumns, list[Rejection]], tuple[RequestColumns, list[Rejection]]]


def with_feature(columns: RequestColumns, name: str, column: pa.Array) -> RequestColumns:
    """The columns with another column for one feature."""
    arrays = [column if each == name else columns.features.column(each) for each in columns.features.schema.names]
    return replace(columns, features=pa.RecordBatch.from_arrays(arrays, schema=columns.features.schema))


def one_bit(columns: RequestColumns, rejections: list[Rejection]) -> tuple[RequestColumns, list[Rejection]]:
    """One double is the next one."""
    numbers = columns.features.column("number").to_numpy().copy()
    numbers[7] = np.nextafter(numbers[7], np.inf)
    return with_feature(columns, "number", pa.array(numbers, pa.float64(), from_pandas=False)), rejections


def null_for_nan(columns: RequestColumns, rejections: list[Rejection]) -> tuple[RequestColumns, list[Rejection]]:
    """NaN becomes null."""
    numbers = columns.features.column("number").to_numpy()
    return with_feature(columns, "number", pa.array(numbers, pa.float64(), from_pandas=True)), rejections


def through_a_double(columns: RequestColumns, rejections: list[Rejection]) -> tuple[RequestColumns, list[Rejection]]:
    """A nullable long goes through a double, as in pandas."""
    rounded = columns.features.column("count").cast(pa.float64(), safe=False).cast(pa.int64())
    return with_feature(columns, "count", rounded), rejections


def false_for_null(columns: RequestColumns, rejections: list[Rejection]) -> tuple[RequestColumns, list[Rejection]]:
    """A missing boolean becomes false."""
    return with_feature(columns, "flag", columns.features.column("flag").fill_null(False)), rejections


def drops_a_row(columns: RequestColumns, rejections: list[Rejection]) -> tuple[RequestColumns, list[Rejection]]:
    """One good row disappears."""
    return columns.take(np.arange(1, len(columns.rows))), rejections


def swaps_rows(columns: RequestColumns, rejections: list[Rejection]) -> tuple[RequestColumns, list[Rejection]]:
    """Two rows change places."""
    order = np.arange(len(columns.rows))
    order[[0, 1]] = order[[1, 0]]
    return columns.take(order), rejections


def accepts_bad(columns: RequestColumns, rejections: list[Rejection]) -> tuple[RequestColumns, list[Rejection]]:
    """A row that was refused is accepted, with its neighbor's values."""
    bad = rejections[0].row
    order = sorted([*range(len(columns.rows)), 0])
    taken = columns.take(np.array(order))
    return replace(taken, rows=np.sort(np.append(columns.rows, bad))), rejections[1:]


def another_reason(columns: RequestColumns, rejections: list[Rejection]) -> tuple[RequestColumns, list[Rejection]]:
    """A refused row gets another reason."""
    return columns, [replace(rejections[0], reason=Reason.MALFORMED), *rejections[1:]]


FAULTS: tuple[Fault, ...] = (
    one_bit,
    null_for_nan,
    through_a_double,
    false_for_null,
    drops_a_row,
    swaps_rows,
    accepts_bad,
    another_reason,
)


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
def test_divergence_planted_into_the_batch_decoder_is_found(fault: Fault) -> None:
    """The comparison that this suite rests on fails for each fault in what the batch decoder says."""
    registry, schema_id, values = mixed_batch()
    values[5] = (values[5] or b"") + b"\x00"
    arrow, strict = pair(registry, schema_id)

    agreed(arrow, strict, values)
    with pytest.raises(DivergenceError):
        agreed(Planted(arrow, fault), strict, values)


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
def test_divergence_planted_into_the_strict_decoder_is_found(fault: Fault) -> None:
    """The comparison fails for each fault in what the strict decoder says."""
    registry, schema_id, values = mixed_batch()
    values[5] = (values[5] or b"") + b"\x00"
    arrow, strict = pair(registry, schema_id)

    agreed(arrow, strict, values)
    with pytest.raises(DivergenceError):
        agreed(arrow, Planted(strict, fault), values)


def test_large_integers_and_missing_values_stay_exact() -> None:
    """Longs beyond 2**53 beside nulls, missing booleans, NaN and unicode arrive as they were sent."""
    registry, schema_id, values = mixed_batch()

    columns, rejections = agreed(*pair(registry, schema_id), values)

    assert rejections == []
    assert columns.features.column("count").to_pylist()[:3] == [2**53, None, 2**53 + 2]
    assert columns.features.column("flag").to_pylist()[:3] == [True, None, True]
    assert str(columns.features.column("number")[3].as_py()) == "nan"
    assert columns.features.column("number").null_count == 0
    assert columns.features.column("text")[2].as_py() == "h\u00e9lloh\u00e9llo"


@pytest.mark.parametrize("kind", ["arrow", "fastavro"])
def test_empty_batch_gives_empty_columns(kind: Any) -> None:
    """No values give no rows, with every feature's column in place."""
    registry, schema_id, _ = mixed_batch()

    columns, rejections = build_decoder(
        kind, registry=registry, request_schema_id=schema_id, value_bytes_max=100
    ).decode([])

    assert rejections == []
    assert columns.features.schema.names == [feature.name for feature in MIXED]
    assert {len(each) for each in plain(columns).values()} == {0}


@pytest.mark.parametrize("ending", [b"\x00", bytes(300)])
def test_bytes_left_over_are_refused_alone(ending: bytes) -> None:
    """One value with bytes after its record is refused, and no neighbor is."""
    registry, schema_id, values = mixed_batch()
    values[11] = (values[11] or b"") + ending

    _, rejections = agreed(*pair(registry, schema_id), values)

    assert [(each.row, each.reason) for each in rejections] == [(11, Reason.TRAILING_BYTES)]


@pytest.mark.parametrize(
    ("kind", "encoding"),
    [
        (FeatureKind.INTEGER, "8000"),
        (FeatureKind.INTEGER, "ffffffffffffffffff03"),
        (FeatureKind.INTEGER, "ffffffffffffffffff7f"),
        (FeatureKind.INTEGER, "ffffffffffffffffffff01"),
        (FeatureKind.BOOLEAN, "07"),
        (FeatureKind.STRING, "02ff"),
        (FeatureKind.STRING, "800061"),
        (FeatureKind.STRING, "01"),
    ],
)
@pytest.mark.parametrize("nullable", [False, True])
def test_values_not_written_as_avro_does_are_refused(kind: FeatureKind, encoding: str, *, nullable: bool) -> None:
    """A number longer than needed or beyond 64 bits, a boolean 7, text that is no UTF-8: malformed for both."""
    features = (Feature(name="f", kind=kind, dtype="object", nullable=nullable),)
    registry = SchemasInMemory()
    schema = request_schema("m", features)
    schema_id = registry.add(schema)
    zero: dict[FeatureKind, object] = {FeatureKind.INTEGER: 0, FeatureKind.BOOLEAN: False, FeatureKind.STRING: ""}
    good = RequestWriter(schema_id, schema).encode("r", "e", event_time=1, features={"f": zero[kind]})
    values: list[bytes | None] = [good] * BATCH_ROWS
    values[4] = good[:-1] + bytes.fromhex(encoding)

    _, rejections = agreed(*pair(registry, schema_id), values)

    assert [(each.row, each.reason) for each in rejections] == [(4, Reason.MALFORMED)]


@pytest.mark.parametrize("branch", [b"\x01", b"\x03", b"\x04", b"\x80\x00"])
def test_branches_that_are_none_are_refused(branch: bytes) -> None:
    """A union index below zero, beyond the branches or longer than needed is malformed for both."""
    features = (Feature(name="f", kind=FeatureKind.NUMBER, dtype="float64", nullable=True),)
    registry = SchemasInMemory()
    schema = request_schema("m", features)
    schema_id = registry.add(schema)
    good = RequestWriter(schema_id, schema).encode("r", "e", event_time=1, features={})
    values: list[bytes | None] = [good] * BATCH_ROWS
    values[4] = good[:-1] + branch

    _, rejections = agreed(*pair(registry, schema_id), values)

    assert [(each.row, each.reason) for each in rejections] == [(4, Reason.MALFORMED)]


@pytest.mark.parametrize("count", [-(2**63), 2**63 - 1, 2**62, -(2**62) - 1])
def test_numbers_of_ten_bytes_are_accepted(count: int) -> None:
    """The longest longs, which only the strict reader can vouch for, are taken all the same."""
    features = (Feature(name="count", kind=FeatureKind.INTEGER, dtype="int64"),)
    registry = SchemasInMemory()
    schema = request_schema("m", features)
    schema_id = registry.add(schema)
    writer = RequestWriter(schema_id, schema)
    values: list[bytes | None] = [
        writer.encode(f"r{row}", "e", event_time=1, features={"count": count if row % 2 else row})
        for row in range(BATCH_ROWS)
    ]

    columns, rejections = agreed(*pair(registry, schema_id), values)

    assert rejections == []
    expected = [count if row % 2 else row for row in range(BATCH_ROWS)]
    assert columns.features.column("count").to_pylist() == expected
    assert columns.request_ids.to_pylist() == [f"r{row}" for row in range(BATCH_ROWS)]


@pytest.mark.parametrize("kind", ["arrow", "fastavro"])
def test_registry_that_is_away_rejects_nothing(kind: Any, tmp_path: Path) -> None:
    """While a writer's schema can't be asked for, decoding raises, so that the batch is tried again."""
    registry, schema_id, values = mixed_batch()
    decoder = build_decoder(kind, registry=registry, request_schema_id=schema_id, value_bytes_max=10_000)
    registry.away = True

    with pytest.raises(SchemaRegistryUnavailableError):
        decoder.decode(values)

    registry.away = False
    assert len(decoder.decode(values)[0].rows) == len(values)


@pytest.mark.parametrize("kind", ["arrow", "fastavro"])
def test_unknown_id_is_asked_for_again(kind: Any) -> None:
    """An id that was unknown once is known as soon as the registry has it."""
    registry, schema_id, values = mixed_batch()
    decoder = build_decoder(kind, registry=registry, request_schema_id=schema_id, value_bytes_max=10_000)
    later = [frame(schema_id + 1, (value or b"")[5:]) for value in values]

    _, before = decoder.decode(later)
    assert registry.add(registry.schema(schema_id)) == schema_id + 1
    columns, after = decoder.decode(later)

    assert {each.reason for each in before} == {Reason.UNKNOWN_SCHEMA_ID}
    assert len(before) == len(values)
    assert after == []
    assert len(columns.rows) == len(values)
