"""What is one Avro record and what only looks like one, byte by byte."""

import io
import json
import random
from typing import Any

import fastavro
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.body_check import BodyCheck
from schemas.errors import RequestBodyError
from schemas.reasons import Reason
from schemas.writer_schema import spelled_out
from tests.contracts.request_generation import Case, cases, damaged

ENUM = {"type": "enum", "symbols": ["a", "b"]}
FIXED = {"type": "fixed", "size": 2}
STRINGS = {"type": "array", "items": "string"}
LONGS = {"type": "map", "values": "long"}


@pytest.mark.parametrize(
    ("avro_type", "body"),
    [
        ("null", ""),
        ("boolean", "00"),
        ("boolean", "01"),
        ("int", "ffffffff0f"),
        ("long", "ffffffffffffffffff01"),
        ("float", "00000000"),
        ("double", "0000000000000000"),
        ("string", "00"),
        ("string", "04c3a9"),
        ("bytes", "02ff"),
        (ENUM, "02"),
        (FIXED, "ffff"),
        (["null", "double"], "00"),
        (["null", "double"], "020000000000000000"),
        (["long", "null"], "02"),
        (STRINGS, "00"),
        (STRINGS, "0402610000"),
        (STRINGS, "020261020000"),
        (STRINGS, "0104026100"),
        (LONGS, "0202610200"),
    ],
)
def test_one_whole_value_is_kept(avro_type: Any, body: str) -> None:
    """A value as Avro writes it passes, arrays in one block or in several."""
    assert BodyCheck([(avro_type, True)]).kept(bytes.fromhex(body)).hex() == body


@pytest.mark.parametrize(
    ("avro_type", "body", "reason"),
    [
        ("boolean", "", Reason.TRUNCATED),
        ("boolean", "07", Reason.MALFORMED),
        ("boolean", "0100", Reason.TRAILING_BYTES),
        ("int", "808080808001", Reason.MALFORMED),
        ("long", "8000", Reason.MALFORMED),
        ("long", "ff", Reason.TRUNCATED),
        ("long", "ffffffffffffffffff03", Reason.MALFORMED),
        ("long", "ffffffffffffffffffff01", Reason.MALFORMED),
        ("double", "00000000000000", Reason.TRUNCATED),
        ("string", "01", Reason.MALFORMED),
        ("string", "06c3a9", Reason.TRUNCATED),
        ("string", "02ff", Reason.MALFORMED),
        ("string", "8000", Reason.MALFORMED),
        ("string", "feffffffffffffffff01", Reason.TRUNCATED),
        (ENUM, "04", Reason.MALFORMED),
        (ENUM, "01", Reason.MALFORMED),
        (FIXED, "ff", Reason.TRUNCATED),
        (["null", "double"], "01", Reason.MALFORMED),
        (["null", "double"], "04", Reason.MALFORMED),
        (["null", "double"], "8000", Reason.MALFORMED),
        (["null", "string"], "03", Reason.MALFORMED),
        (STRINGS, "feffffffffffffffff01", Reason.TRUNCATED),
        (STRINGS, "0106026100", Reason.MALFORMED),
        (STRINGS, "0103026100", Reason.MALFORMED),
        (LONGS, "0202ff0200", Reason.MALFORMED),
    ],
)
def test_everything_else_has_a_reason(avro_type: Any, body: str, reason: Reason) -> None:
    """What ends early, goes on, or is not written as Avro writes it is told apart."""
    with pytest.raises(RequestBodyError) as caught:
        BodyCheck([(avro_type, True)]).kept(bytes.fromhex(body))

    assert caught.value.reason is reason


def test_what_is_not_kept_is_cut_out() -> None:
    """Values that nobody reads are checked and left out."""
    check = BodyCheck([("long", True), (STRINGS, False), (ENUM, False), ("string", True), ("double", False)])
    body = bytes.fromhex("02" + "0402610000" + "02" + "0261" + "00" * 8)

    assert check.kept(body).hex() == "02" + "0261"
    with pytest.raises(RequestBodyError):
        check.kept(body.replace(b"\x02\x02\x61", b"\x04\x02\x61"))


@settings(max_examples=150, deadline=None)
@given(cases(), st.integers(0, 2**32))
def test_the_library_reads_what_passes(case: Case, seed: int) -> None:
    """Whole records pass, and of damaged ones only such as the Avro library reads to their last byte."""
    chance = random.Random(seed)
    check = BodyCheck([(field["type"], True) for field in spelled_out(case.writer)["fields"]])
    parsed = fastavro.parse_schema(json.loads(case.writer))
    for value in case.values(1):
        assert check.kept(value[5:]) == value[5:]
        body = damaged(value[5:], chance)
        try:
            check.kept(body)
        except RequestBodyError:
            continue
        stream = io.BytesIO(body)
        fastavro.schemaless_reader(stream, parsed)
        assert stream.tell() == len(body)
