"""An outcome is its prediction, byte for byte, with the label's part behind it."""

import json
import math

from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.columns import PredictionColumns
from schemas.compatibility import check_backward
from schemas.framing import unframe
from schemas.outcome_schema import LABEL_FIELDS, outcome_schema
from schemas.outcome_writer import LabelPart, OutcomeWriter
from schemas.positions import label_revision, outcome_revision, position_revision
from schemas.prediction_encoder import ROWS_MIN, PredictionEncoder
from schemas.prediction_reader import PredictionReader
from schemas.request_schema import prediction_schema
from tests.contracts.schemas_in_memory import SchemasInMemory
from tests.schemas.test_predictions import FEATURES, predictions

SCHEMA = prediction_schema("m", FEATURES)
NUMBERS = st.one_of(st.none(), st.floats(allow_nan=False))
TIMES = st.integers(-(2**45), 2**45)
PARTS = st.builds(
    LabelPart,
    truth=st.one_of(st.none(), st.text(max_size=10)),
    truth_value=NUMBERS,
    truth_probability=NUMBERS,
    loss=NUMBERS,
    loss_scale=NUMBERS,
    retracted=st.booleans(),
    label_event_time=TIMES,
    label_revision=st.integers(-(2**31), 2**31 - 1),
    weight=NUMBERS,
    value=NUMBERS,
    delay_ms=TIMES,
    joined_at=TIMES,
    revision=st.integers(0, 2**63 - 1),
)


@settings(max_examples=60, deadline=None)
@given(predictions(), PARTS)
def test_an_outcome_reads_as_its_prediction_and_its_label(columns: PredictionColumns, part: LabelPart) -> None:
    """Every field of the prediction comes back as it was written, and behind it the label's."""
    registry = SchemasInMemory()
    encoder = PredictionEncoder("arrow", schema_id=registry.add(SCHEMA), schema=SCHEMA)
    values = encoder.encode(columns)
    writer = OutcomeWriter(registry, model="m", subject="m.outcomes-value")
    outcomes = [writer.write(value, part) for value in values]
    # Enough of them to be written at once.
    many = ROWS_MIN // max(len(values), 1) + 1

    assert outcomes * many == writer.write_all(values * many, [part] * (len(values) * many))
    read = PredictionReader(registry, record="Outcome").read_all(outcomes)

    label = {name: getattr(part, name) for name in LabelPart.__slots__}
    expected = [PredictionReader(registry).read(value) | label for value in values]
    assert repr(expected) == repr(read)
    assert all(
        unframe(outcome)[1].startswith(unframe(value)[1]) for outcome, value in zip(outcomes, values, strict=True)
    )


@settings(max_examples=60, deadline=None)
@given(
    predictions(),
    st.lists(st.sampled_from(["request_id", "event_time", "label", "score", "probabilities"]), min_size=1),
)
def test_columns_are_the_fields_of_each_row(columns: PredictionColumns, names: list[str]) -> None:
    """Asked for some fields of many, the reader gives what it gives one by one, and says which rows are none."""
    registry = SchemasInMemory()
    encoder = PredictionEncoder("arrow", schema_id=registry.add(SCHEMA), schema=SCHEMA)
    values = [*encoder.encode(columns), b"", b"\x00\x00\x00\x00\x63x"]
    reader = PredictionReader(registry)

    found, errors = reader.columns(values, names)

    rows = [reader.read(value) for value in values[:-2]]
    assert repr({name: [*(row[name] for row in rows), None, None] for name in names}) == repr(found)
    assert [len(rows), len(rows) + 1] == list(errors)


def test_the_label_part_is_the_declared_one() -> None:
    """What the writer writes is what the schema says, in its order."""
    assert [field["name"] for field in LABEL_FIELDS] == list(LabelPart.__slots__)


def test_outcome_schemas_grow_with_their_predictions() -> None:
    """A model's next outcome schema reads what was written with the one before, and the other way round."""
    older, newer = (outcome_schema("m", prediction_schema("m", features)) for features in (FEATURES[:1], FEATURES))

    check_backward(newer, older)
    check_backward(older, newer)
    assert json.loads(newer)["name"] == "Outcome"


@given(
    time=st.integers(0, 1 << 41),
    offset=st.integers(0, 1 << 14),
    labeled_at=st.integers(0, 1 << 41),
    label_offset=st.integers(0, 1 << 18),
)
def test_each_change_of_an_outcome_has_a_higher_revision(
    time: int, offset: int, labeled_at: int, label_offset: int
) -> None:
    """A later prediction or a later label counts, also within one millisecond."""
    revision = outcome_revision(position_revision(time, 3, offset), labeled_at, label_offset)

    assert revision < outcome_revision(position_revision(time, 3, offset + 1), labeled_at, label_offset) < 1 << 63
    assert revision < outcome_revision(position_revision(time + 1, 3, offset), labeled_at, label_offset)
    assert revision < outcome_revision(position_revision(time, 3, offset), labeled_at, label_offset + 1)
    assert revision < outcome_revision(position_revision(time, 3, offset), labeled_at + 1, label_offset)


def test_label_revisions_order_as_the_join_does() -> None:
    """The revision counts first, then the event time; what is out of range is bounded."""
    ordered = [(-5, -1), (0, 5), (0, 6), (1, 0), (2, 1 << 50), (math.inf, 0)]
    numbers = [label_revision(1 << 40 if each == math.inf else int(each), time) for each, time in ordered]

    assert sorted(numbers) == numbers
    assert all(0 <= number < 1 << 63 for number in numbers)
