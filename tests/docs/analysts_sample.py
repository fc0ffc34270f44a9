"""Two days of flights under two versions, with everything that analysts ask about."""

from dataclasses import replace

from consumers.documents import (
    RecordPosition,
    cohort_document,
    dead_letter_document,
    model_event_document,
    outcome_document,
    prediction_document,
    receipt_document,
)
from consumers.performance import merged, performance_document
from consumers.sinks.base import Document, FieldValue
from schemas.events import Cohort, Header, ModelEvent, Receipt
from schemas.topics import PRODUCER_HEADER
from tests.consumers.stored import APRIL, DAY_MS, dead_letter, outcome, part, prediction

PREDICTED = 48
CLUSTER = "cluster"
ROUTES = (("EWR", "LAX"), ("JFK", "LAX"), ("LGA", "ORD"))


def sample_documents() -> list[Document]:
    """Every kind of document that the questions of the page are about."""
    performance = performance_document(merged([part(0)]), 1)
    return [*_predictions(), *_outcomes(), performance, *_cohorts(), *_letters(), *_events(), *_receipts()]


def _predictions() -> list[Document]:
    return [
        prediction_document(
            prediction(number, **_judged(number), score=number / PREDICTED), cluster_id=CLUSTER, personal=frozenset()
        )
        for number in range(PREDICTED)
    ]


def _outcomes() -> list[Document]:
    """Every second one is known; every fourth of those was wrong, and one was taken back."""
    return [
        outcome_document(
            outcome(number, **_judged(number), loss=float(number % 8 == 1), retracted=number == PREDICTED - 1),
            cluster_id=CLUSTER,
            personal=frozenset(),
        )
        for number in range(1, PREDICTED, 2)
    ]


def _judged(number: int) -> dict[str, FieldValue]:
    origin, dest = ROUTES[number % 3]
    version = number // 24 + 1
    return {"version": str(version), "generation": version, "features": {"origin": origin, "dest": dest}}


def _cohorts() -> list[Document]:
    """Two days of each version, one of them without labels, and one cohort of a shadow."""
    first = Cohort(
        model="flights",
        cohort_id="flights:1:stable:live:0:0",
        version="1",
        arm="stable",
        role="live",
        generation=1,
        start=APRIL,
        end=APRIL + DAY_MS,
        predicted=24,
        labeled=12,
        losses=(1.0, *[0.0] * 11),
        delay_ms_p95=60_000.0,
        closed_at=APRIL + 2 * DAY_MS,
    )
    second = replace(first, cohort_id="second", version="2", predicted=20, labeled=4, losses=(1.0, 0.0, 0.0, 0.0))
    empty = replace(first, cohort_id="empty", predicted=4, labeled=0, losses=())
    shadow = replace(first, cohort_id="shadow", role="shadow", version="2")
    return [cohort_document(cohort) for cohort in (first, second, empty, shadow)]


def _letters() -> list[Document]:
    """Three of one shop, one of nobody who says so, and one of another model."""
    shop = (Header(name=PRODUCER_HEADER, value=b"shop"),)
    letters = [
        dead_letter(100, headers=shop),
        dead_letter(101, headers=shop),
        dead_letter(102, headers=shop, reason="no_key", stage="validate"),
        dead_letter(103, headers=()),
        dead_letter(104, headers=shop, model="others"),
    ]
    return [dead_letter_document(letter, personal=False) for letter in letters]


def _events() -> list[Document]:
    return [
        model_event_document(
            ModelEvent(
                event_id=f"event-{number}",
                model="flights",
                kind="Activated",
                version=str(number),
                previous_version=str(number - 1) if number > 1 else None,
                reason="ada asked for it",
                caused_by=f"command-{number}",
                issued_by="ada",
                occurred_at=APRIL + number * DAY_MS,
            )
        )
        for number in (1, 2)
    ]


def _receipts() -> list[Document]:
    """One transaction for each half of the requests."""
    first = Receipt(
        cluster_id=CLUSTER,
        lane="scoring",
        guarantee="exactly_once",
        model="flights",
        topic="flights.requests",
        partition=0,
        offset_from=0,
        offset_to=24,
        records=24,
        scored=24,
        dead_lettered={},
        committed_at=APRIL,
    )
    receipts = [first, replace(first, offset_from=24, offset_to=48)]
    return [
        receipt_document(receipt, RecordPosition(CLUSTER, "receipts", 0, number))
        for number, receipt in enumerate(receipts)
    ]
