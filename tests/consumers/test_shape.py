"""Times as text, whatever the millisecond; documents shaped at once as one by one."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumers.errors import DocumentError
from consumers.sinks.base import Document, FieldValue
from consumers.sinks.elasticsearch_bulk import BulkEncoder, alike
from consumers.sinks.elasticsearch_names import IndexNames
from consumers.sinks.shape import Shaper, as_it_is, dump_json, time_text
from consumers.stored_collections import COLLECTIONS
from tests.contracts.test_sink import sample

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MS = timedelta(milliseconds=1)
FIRST = (datetime(1, 1, 1, tzinfo=UTC) - EPOCH) // MS
LAST = (datetime(9999, 12, 31, 23, 59, 59, 999_000, tzinfo=UTC) - EPOCH) // MS


@given(st.integers(FIRST, LAST))
def test_a_time_is_its_iso_text(ms: int) -> None:
    """Before the epoch too, always with milliseconds and a Z."""
    expected = (EPOCH + ms * MS).isoformat(timespec="milliseconds").replace("+00:00", "Z")

    assert time_text(ms) == expected


@pytest.mark.parametrize("ms", [FIRST - 1, LAST + 1, 1 << 62, -(1 << 62)])
def test_a_time_outside_the_calendar_is_refused(ms: int) -> None:
    """Nothing wraps."""
    with pytest.raises(OverflowError):
        time_text(ms)


ODD_VALUES: list[FieldValue] = [
    *(None, True, 7, 1 << 63, -(1 << 63), 0.25, float("nan"), float("-inf"), "text", "\u00fc", "\ud800", b"\x00"),
    *([0.5], {"a": 1}, {"big": 1 << 70}),
]


@st.composite
def documents_of_one_collection(draw: st.DrawFn) -> list[Document]:
    """Mostly as they should be, here and there with a value, a field, an id or a revision that is not."""
    collection = draw(st.sampled_from(COLLECTIONS))
    documents = []
    for number in range(draw(st.integers(1, 4))):
        document = sample(collection.name, document_id=draw(st.sampled_from(["a", "b", ""])) + str(number))
        names = st.sampled_from([*sorted(collection.names), "unknown"])
        changed = draw(st.dictionaries(names, st.sampled_from(ODD_VALUES), max_size=2))
        gone = draw(st.sets(names, max_size=1))
        fields = {name: value for name, value in {**document.fields, **changed}.items() if name not in gone}
        revision = draw(st.sampled_from([document.revision, document.revision, None, 1 << 63]))
        documents.append(replace(document, fields=fields, revision=revision))
    return documents


@given(documents_of_one_collection(), st.sampled_from([as_it_is, dump_json]))
def test_documents_shaped_at_once_are_as_one_by_one(
    documents: list[Document], json: Callable[[FieldValue], FieldValue]
) -> None:
    """The quick way gives the same values, or leaves all of them to the other one; it never refuses by itself."""
    shaper = Shaper(json=json)
    rows = shaper.rows(documents)
    complete = all(document.fields.keys() == documents[0].fields.keys() for document in documents)
    try:
        expected = [shaper.values(document) for document in documents]
    except DocumentError:
        assert rows is None
        return

    assert rows is None or repr(expected) == repr([list(row) for row in rows])
    assert (
        rows is not None or not complete or documents[0].fields.keys() != sample(documents[0].collection).fields.keys()
    )


@given(documents_of_one_collection())
def test_documents_encoded_at_once_are_as_one_by_one(documents: list[Document]) -> None:
    """The bytes are the same, so that which way a document took can't be seen in the store."""
    encoder = BulkEncoder(IndexNames("penstock"))
    try:
        expected = [encoder.encode(document) for document in documents]
    except DocumentError:
        expected = None

    assert encoder.encode_all(documents) in (None, expected)


def test_neighbors_of_one_collection_are_taken_together() -> None:
    """In their order, and never too many of them."""
    names = ["labels", "labels", "labels", "signals", "labels"]
    documents = [sample(name, document_id=str(number)) for number, name in enumerate(names)]
    groups = alike(documents, documents_max=2)

    assert [[document.id for document in group] for group in groups] == [["0", "1"], ["2"], ["3"], ["4"]]
