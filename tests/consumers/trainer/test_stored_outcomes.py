"""What a retrain is made from, out of each kind of store with the same answers."""

from pathlib import Path

import pytest

from consumers.documents import cohort_document, outcome_document
from consumers.sinks.base import FieldValue
from consumers.trainer.stored_outcomes import StoredOutcomes
from consumers.trainer.window import OutcomeRow, Stretch
from schemas.events import Cohort
from tests.consumers.stored import APRIL, BOTH, both_stores, outcome

HOUR_MS = 3_600_000
FEATURES = {"carrier": "UA", "tailnum": "N1"}
ALL = Stretch(since=APRIL - HOUR_MS, until=APRIL + 1_000 * HOUR_MS)


def cohort(hour: int, *, role: str = "live", model: str = "flights") -> Cohort:
    return Cohort(
        model=model,
        cohort_id=f"{model}:1:live:{role}:{APRIL + hour * HOUR_MS}:0",
        version="1",
        arm="live",
        role=role,
        generation=1,
        start=APRIL + hour * HOUR_MS,
        end=APRIL + (hour + 1) * HOUR_MS,
        predicted=1,
        labeled=1,
        losses=(0.0,),
        delay_ms_p95=1.0,
        closed_at=APRIL,
    )


@pytest.fixture(params=BOTH)
def stored(request: pytest.FixtureRequest, tmp_path: Path) -> StoredOutcomes:
    """Ten hours of outcomes: one was taken back, one is a shadow's, one another model's; six hours have closed."""
    changes: dict[int, dict[str, FieldValue]] = {
        3: {"retracted": True, "truth": None, "loss": None},
        4: {"role": "shadow"},
        5: {"model": "others"},
        6: {"truth": None, "truth_value": 12.5, "label": None, "label_revision": 2},
    }
    sink, store, let_be_found = both_stores(request.param, request, tmp_path)
    sink.setup()
    rejected = sink.write(
        [
            *(
                outcome_document(outcome(number, **changes.get(number, {})), cluster_id="c", personal=frozenset())
                for number in range(10)
            ),
            *(cohort_document(cohort(hour)) for hour in range(6)),
            cohort_document(cohort(8, role="shadow")),
            cohort_document(cohort(9, model="others")),
        ]
    )
    sink.close()
    let_be_found()
    assert rejected == []
    return StoredOutcomes(store)


def test_the_newest_outcomes_with_a_label(stored: StoredOutcomes) -> None:
    """Newest first; what was taken back, shadows and other models stay out."""
    found = list(stored.newest("flights", ALL, rows_max=100))

    assert [row.request_id for row in found] == ["r9", "r8", "r7", "r6", "r2", "r1", "r0"]
    assert found[0] == OutcomeRow(
        request_id="r9", event_time=APRIL + 9 * HOUR_MS, label="0", revision=0, features=FEATURES
    )
    assert (found[3].label, found[3].revision) == (12.5, 2)


def test_the_stretch_and_the_number_are_kept_to(stored: StoredOutcomes) -> None:
    """From its first moment on, up to its end and not at it, and no more rows than asked for."""
    stretch = Stretch(since=APRIL + HOUR_MS, until=APRIL + 8 * HOUR_MS)

    assert [row.request_id for row in stored.newest("flights", stretch, rows_max=100)] == ["r7", "r6", "r2", "r1"]
    assert [row.request_id for row in stored.newest("flights", stretch, rows_max=2)] == ["r7", "r6"]
    assert list(stored.newest("unknown", ALL, rows_max=100)) == []


def test_what_has_matured(stored: StoredOutcomes) -> None:
    """Up to where the newest closed stretch begins; where none has closed, nothing has."""
    assert stored.matured_until("flights") == APRIL + 5 * HOUR_MS
    assert stored.matured_until("unknown") is None


@pytest.mark.parametrize("kind", BOTH)
def test_an_empty_store_has_nothing_that_matured(kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    """Also where there is no index of cohorts yet, and Elasticsearch answers with no row at all."""
    sink, store, _ = both_stores(kind, request, tmp_path)
    sink.setup()
    sink.close()

    assert StoredOutcomes(store).matured_until("flights") is None
