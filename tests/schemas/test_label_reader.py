"""Labels read at once are what they are read one by one, and so is what is refused."""

from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.arrow_decoder import ROWS_MIN
from schemas.codec import EventCodec
from schemas.errors import EventDecodeError
from schemas.events import Label
from schemas.label_reader import LabelReader
from tests.contracts.schemas_in_memory import SchemasInMemory

CODEC = EventCodec(SchemasInMemory())
NUMBERS = st.one_of(st.none(), st.floats())
LONG = st.integers(-(2**63), 2**63 - 1)
LABELS = st.builds(
    Label,
    model=st.text(max_size=5),
    request_id=st.text(max_size=70),
    entity_id=st.text(max_size=5),
    label=st.one_of(st.none(), st.text(max_size=70), st.floats()),
    event_time=LONG,
    revision=st.integers(-(2**31), 2**31 - 1),
    weight=NUMBERS,
    value=NUMBERS,
)
FILLING = [CODEC.encode(Label(model="m", request_id="r", entity_id="e", label="1", event_time=0))] * ROWS_MIN


@st.composite
def broken(draw: st.DrawFn) -> bytes:
    """A label's bytes with some of them changed, left out or put in."""
    content = bytearray(CODEC.encode(draw(LABELS)))
    at = draw(st.integers(0, len(content)))
    end = draw(st.integers(at, min(at + 3, len(content))))
    content[at:end] = draw(st.binary(max_size=3))
    return bytes(content)


def _one_by_one(value: bytes | None) -> str:
    try:
        return repr(CODEC.decode(Label, value))
    except EventDecodeError as error:
        return repr((error.reason, str(error)))


def _said(found: Label | EventDecodeError) -> str:
    return repr((found.reason, str(found))) if isinstance(found, EventDecodeError) else repr(found)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.one_of(LABELS.map(CODEC.encode), broken(), st.none()), min_size=1, max_size=6))
def test_many_labels_are_read_as_each_alone(values: list[bytes | None]) -> None:
    """Whatever else is in the batch; NaN and the signs of zeros included."""
    found = LabelReader(CODEC).read([*values, *FILLING])

    assert [_one_by_one(value) for value in [*values, *FILLING]] == [_said(each) for each in found]


def test_broken_bytes_alone_are_doubted_alone() -> None:
    """A revision that is no 32-bit number, and bytes that are left over, are refused; the neighbors are taken."""
    sound = FILLING[0]
    long_revision = sound[:-3] + b"\x80\x80\x80\x80\x40" + sound[-2:]
    found = LabelReader(CODEC).read([*FILLING, long_revision, sound + b"x", *FILLING])

    refused = [row for row, each in enumerate(found) if isinstance(each, EventDecodeError)]
    assert refused == [ROWS_MIN, ROWS_MIN + 1]
    assert [_one_by_one(long_revision), _one_by_one(sound + b"x")] == [_said(found[row]) for row in refused]
