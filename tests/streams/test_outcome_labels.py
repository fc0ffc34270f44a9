"""Labels that can't meet a prediction, or are no answer, are refused alone, with what is wrong with them."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from runtime.batch import RecordColumns
from schemas.codec import EventCodec
from schemas.events import Label, Signal
from schemas.label_reader import LabelReader
from schemas.reasons import REMEDIES, STAGES, Reason
from schemas.signature import Task
from streams.outcomes.labels import LabelRules, read_labels
from streams.outcomes.murmur2 import partitions_of
from tests.contracts.schemas_in_memory import SchemasInMemory

APRIL = 1_364_774_400_000
CLASSES = LabelRules(
    model="flights",
    partitions=8,
    task=Task.BINARY,
    classes=frozenset({"0", "1"}),
    value_bytes_max=300,
    ahead_ms=60_000,
)
VALUES = replace(CLASSES, task=Task.REGRESSION, classes=frozenset())
SOUND = Label(model="flights", request_id="r1", entity_id="N14228", label="1", event_time=APRIL)
OWNER = int(partitions_of([b"N14228"], 8)[0])
CODEC = EventCodec(SchemasInMemory())
READ = LabelReader(CODEC).read


def test_sound_labels_are_taken_as_they_are() -> None:
    """Corrections, retractions, weights and values included, with the place of each."""
    sound = [
        SOUND,
        replace(SOUND, label="0", revision=3, weight=0.0, value=-2.5),
        replace(SOUND, label=None, event_time=APRIL + 60_000),
    ]
    records, rejections = read_labels(_columns(map(CODEC.encode, sound)), READ, CLASSES)

    assert rejections == []
    assert records.rows == [0, 1, 2]
    assert records.keys == ["r1\0N14228"] * 3
    assert [truth[:5] for truth in records.truths] == [
        (0, APRIL, "1", None, None),
        (3, APRIL, "0", 0.0, -2.5),
        (0, APRIL + 60_000, None, None, None),
    ]
    assert [truth[5:] for truth in records.truths] == [(APRIL, 40), (APRIL, 41), (APRIL, 42)]


@pytest.mark.parametrize(
    ("label", "reason", "words"),
    [
        (replace(SOUND, model="trains"), Reason.WRONG_MODEL, "the model 'trains' on a topic of 'flights'"),
        (replace(SOUND, request_id=""), Reason.MISSING_ID, "request_id is empty"),
        (replace(SOUND, entity_id=""), Reason.MISSING_ID, "entity_id is empty"),
        (replace(SOUND, entity_id="N9"), Reason.KEY_MISMATCH, "the key is b'N14228', the entity_id 'N9'"),
        (replace(SOUND, label=1.0), Reason.WRONG_TYPE, "the number 1.0, and the model predicts classes"),
        (replace(SOUND, label="maybe"), Reason.UNKNOWN_CLASS, "the class 'maybe'; they know 0, 1"),
        (replace(SOUND, weight=float("nan")), Reason.NOT_FINITE, "the weight is nan"),
        (replace(SOUND, value=float("inf")), Reason.NOT_FINITE, "the value is inf"),
        (replace(SOUND, weight=-0.5), Reason.NEGATIVE_WEIGHT, "the weight is -0.5"),
        (replace(SOUND, event_time=1 << 60), Reason.EVENT_TIME_OUT_OF_BOUNDS, "not in the years 1 to 9999"),
        (replace(SOUND, event_time=APRIL + 60_001), Reason.EVENT_TIME_OUT_OF_BOUNDS, "+60.001 s"),
        (replace(SOUND, request_id="r" * 300), Reason.OVERSIZE, "300 are allowed"),
    ],
)
def test_a_label_that_is_no_answer_is_refused_alone(label: Label, reason: Reason, words: str) -> None:
    """Its neighbors are taken, and the words say what was found."""
    records, (rejection,) = read_labels(_columns(map(CODEC.encode, [SOUND, label, SOUND])), READ, CLASSES)

    assert records.rows == [0, 2]
    assert (rejection.row, rejection.reason) == (1, reason)
    assert words in rejection.detail
    assert REMEDIES[reason]
    assert STAGES[reason]


@pytest.mark.parametrize(
    ("answer", "reason"), [("late", Reason.WRONG_TYPE), (float("nan"), Reason.NOT_FINITE), (None, None), (12.5, None)]
)
def test_values_are_numbers(answer: str | float | None, reason: Reason | None) -> None:
    """A model that predicts numbers is judged by finite numbers, or by the word that takes one back."""
    _, rejections = read_labels(_columns([CODEC.encode(replace(SOUND, label=answer))]), READ, VALUES)

    assert [rejection.reason for rejection in rejections] == ([] if reason is None else [reason])


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (None, Reason.TOMBSTONE),
        (b"", Reason.EMPTY_VALUE),
        (b"\x00\x00", Reason.TRUNCATED),
        (b"hello world", Reason.BAD_MAGIC_BYTE),
        (b"\x00\x00\x00\x00\x63abc", Reason.UNKNOWN_SCHEMA_ID),
        (CODEC.encode(SOUND)[:-4], Reason.TRUNCATED),
        (CODEC.encode(SOUND) + b"x", Reason.TRAILING_BYTES),
        (
            CODEC.encode(Signal(signal_id="s", model="m", kind="k", message="m", evidence="{}", raised_at=1)),
            Reason.INCOMPATIBLE_SCHEMA,
        ),
    ],
)
def test_bytes_that_are_no_label_say_why(value: bytes | None, reason: Reason) -> None:
    """The reason is that of the bytes, not of labels in general."""
    _, (rejection,) = read_labels(_columns([value]), READ, CLASSES)

    assert rejection.reason == reason


def test_a_label_must_lie_where_its_prediction_does() -> None:
    """Without a key, or in the partition that another hash chose, it would never meet it."""
    columns = _columns([CODEC.encode(SOUND)] * 3)
    columns = replace(columns, keys=[b"N14228", None, b"N14228"], partitions=[OWNER, OWNER, (OWNER + 1) % 8])
    records, rejections = read_labels(columns, READ, CLASSES)

    assert records.rows == [0]
    assert [rejection.reason for rejection in rejections] == [Reason.NO_KEY, Reason.WRONG_PARTITION]
    assert rejections[1].detail == f"the key belongs to partition {OWNER}, not to {(OWNER + 1) % 8}"
    assert "murmur2" in REMEDIES[Reason.WRONG_PARTITION]


def _columns(values: "Sequence[bytes | None] | map[bytes]") -> RecordColumns:
    made = list(values)
    return RecordColumns(
        topic="flights.labels",
        keys=[b"N14228"] * len(made),
        values=made,
        headers=[None] * len(made),
        partitions=[OWNER] * len(made),
        offsets=list(range(40, 40 + len(made))),
        append_times=[APRIL] * len(made),
    )
