"""A shadow beside what served, from both kinds of store."""

from pathlib import Path

import pytest

from consumers.documents import outcome_document, prediction_document, profile_document
from consumers.questions import Store
from consumers.shadow_report import report_shadow
from consumers.sinks.base import Document, FieldValue
from schemas.events import Profile
from tests.consumers.stored import APRIL, BOTH, both_stores, outcome, prediction

HOUR_MS = 3_600_000
PAIRS = 40


def shadowed(number: int, **changes: FieldValue) -> dict[str, FieldValue]:
    """What the shadow said of the same request: a higher score, and another class for every tenth."""
    label = "1" if number % 10 == 0 else "0"
    return prediction(
        number, version="2", role="shadow", arm="shadow", score=0.25 + number / 100, label=label, **changes
    )


@pytest.fixture(params=BOTH)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    """Forty requests of both; some that only one of them scored; another shadow and another model beside them."""
    live = [prediction(number) for number in range(PAIRS + 5)]
    shadows = [shadowed(number) for number in range(PAIRS)] + [shadowed(100)]
    others = [
        prediction(3, version="3", role="shadow", arm="shadow", label="9"),
        prediction(3, model="other", label="9"),
    ]
    outcomes = [outcome(number, loss=float(number % 4 == 0)) for number in range(20)]
    outcomes += [
        outcome(number, version="2", role="shadow", arm="shadow", loss=float(number % 2 == 0)) for number in range(20)
    ]
    outcomes.append(outcome(30, retracted=True, loss=None, truth=None))
    documents: list[Document] = [
        *(prediction_document(each, cluster_id="c", personal=frozenset()) for each in (*live, *shadows, *others)),
        *(outcome_document(each, cluster_id="c", personal=frozenset()) for each in outcomes),
        profile_document(profile()),
    ]
    sink, store, let_be_found = both_stores(request.param, request, tmp_path)
    sink.setup()
    rejected = sink.write(documents)
    sink.close()
    assert rejected == []
    let_be_found()
    return store


def profile() -> Profile:
    return Profile(
        profile_id="p",
        model="flights",
        version="2",
        bundle="b",
        arm="shadow",
        role="shadow",
        generation=1,
        cluster_id="c",
        sources=(),
        rows=44,
        profiled=44,
        rejected={"estimator_error": 3},
        durations_us={},
        event_time_first=APRIL,
        event_time_last=APRIL,
        requested_at_first=APRIL,
        requested_at_last=APRIL,
        columns=(),
    )


def test_agreement_flips_and_entities(store: Store) -> None:
    """Only requests that both have scored; each flip counts for its entity."""
    found = report_shadow(store, "flights", "2")

    assert (found.scored, found.compared, found.live_versions) == (PAIRS + 1, PAIRS, ("1",))
    assert found.agreement == 36 / 40
    assert found.flips == (("0", "1", 4),)
    assert (found.entities, found.entities_flipped) == (7, 4)
    assert dict(found.flipped) == {"N0": 1, "N3": 1, "N6": 1, "N2": 1}
    assert (found.asked, found.rejected) == (44, {"estimator_error": 3})


def test_scores_shift_by_quantile_and_request_by_request(store: Store) -> None:
    """The medians lie .195 apart, and so do the requests in the middle."""
    median = report_shadow(store, "flights", "2").scores[2]

    assert (median.share, median.live) == (0.5, 0.25)
    assert median.shift == pytest.approx(0.195)
    assert median.difference == pytest.approx(0.195)


def test_errors_are_compared_where_the_truth_is_known(store: Store) -> None:
    """On the same requests: half wrong against a quarter, with an interval of the paired difference."""
    errors = report_shadow(store, "flights", "2").errors

    assert errors is not None
    assert (errors.compared, errors.shadow, errors.live, errors.difference) == (20, 0.5, 0.25, 0.25)
    assert errors.low < 0.25 < errors.high


def test_a_part_of_event_time(store: Store) -> None:
    """From and up to, both ends among them."""
    found = report_shadow(store, "flights", "2", since="2013-04-01T10:00:00.000Z", until="2013-04-01T19:00:00.000Z")

    assert (found.scored, found.compared) == (10, 10)


def test_nothing_yet_is_no_fault(store: Store) -> None:
    """Of a version that scored nothing there is nothing to say, and that is said."""
    found = report_shadow(store, "flights", "7")

    assert (found.scored, found.compared, found.agreement, found.scores, found.errors) == (0, 0, None, (), None)
