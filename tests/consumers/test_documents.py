"""Ids and revisions of documents: derived, so that a replay makes the same ones."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumers.documents import dead_letter_document, label_document, outcome_document, prediction_document
from consumers.errors import PoisonRecordError
from schemas.events import Label
from schemas.positions import position_revision
from tests.consumers.stored import APRIL, dead_letter, outcome, prediction


@given(time=st.integers(0, 1 << 41), partition=st.integers(0, 63), offset=st.integers(0, 1 << 40))
def test_a_later_record_has_a_higher_revision(time: int, partition: int, offset: int) -> None:
    """A later append time counts first; within one millisecond the next offset of the partition."""
    revision = position_revision(time, partition, offset)

    assert position_revision(time + 1, 0, 0) > revision
    assert offset % (1 << 15) == (1 << 15) - 1 or position_revision(time, partition, offset + 1) > revision
    assert 0 <= revision < 1 << 63


@given(positions=st.sets(st.tuples(st.integers(0, 63), st.integers(0, (1 << 15) - 1)), min_size=2, max_size=20))
def test_no_two_records_of_one_millisecond_have_one_revision(positions: set[tuple[int, int]]) -> None:
    """So which of them stays does not depend on the order of arrival."""
    revisions = {position_revision(APRIL, partition, offset) for partition, offset in positions}

    assert len(revisions) == len(positions)


def test_an_absurd_append_time_still_gives_a_revision() -> None:
    """A record without a timestamp (-1) or far in the future is stored all the same."""
    assert 0 <= position_revision(-1, 0, 0) < position_revision(1 << 62, 0, 0) < 1 << 63


def test_ids_say_what_a_document_is() -> None:
    """Live predictions, shadows per version, labels per request, dead letters per source record."""
    none = frozenset[str]()
    ids = [
        prediction_document(prediction(1), cluster_id="c", personal=none).id,
        prediction_document(prediction(1, role="shadow"), cluster_id="c", personal=none).id,
        label_document(_label("late")).id,
        dead_letter_document(dead_letter(7), personal=False).id,
    ]

    assert ids == ["flights:r1:live", "flights:r1:shadow:1", "flights:r1", "cluster:flights.requests:0:7"]


def test_an_outcome_has_the_id_of_the_prediction_that_it_judges() -> None:
    """Live or shadow, a prediction and its outcome are found under one id, and personal features under none."""
    both = [
        (
            prediction_document(prediction(1, role=role), cluster_id="c", personal=frozenset({"tailnum"})),
            outcome_document(outcome(1, role=role, revision=7), cluster_id="c", personal=frozenset({"tailnum"})),
        )
        for role in ("live", "shadow")
    ]

    assert [of_prediction.id for of_prediction, _ in both] == [of_outcome.id for _, of_outcome in both]
    assert [(each.collection, each.revision, each.fields["features"]) for _, each in both] == [
        ("outcomes", 7, {"carrier": "UA"}),
        ("outcomes", 7, {"carrier": "UA"}),
    ]


def test_what_is_no_outcome_says_what_it_lacks() -> None:
    """A prediction on the topic of outcomes is refused by the field that it has not."""
    with pytest.raises(PoisonRecordError, match="the outcome has no field 'truth'"):
        outcome_document(prediction(1), cluster_id="c", personal=frozenset())


def test_a_label_is_text_and_a_number_where_it_is_one() -> None:
    """Classes are compared as text, values as numbers, and a taken back label is neither."""
    labels = [label_document(_label(label)).fields for label in ("late", 12.5, None)]

    assert [(fields["label"], fields["label_number"]) for fields in labels] == [
        ("late", None),
        ("12.5", 12.5),
        (None, None),
    ]


def _label(label: str | float | None) -> Label:
    return Label(model="flights", request_id="r1", entity_id="N1", label=label, event_time=APRIL)
