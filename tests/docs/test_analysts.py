"""The questions of docs/analysts.md are asked of a store, and each has an answer."""

import pytest

from consumers.documents import (
    RecordPosition,
    command_document,
    dead_letter_document,
    deployment_document,
    label_document,
    outcome_document,
    prediction_document,
    receipt_document,
)
from consumers.performance import merged, performance_document
from consumers.queries import SqliteStore
from consumers.questions import Row
from consumers.sinks.base import Document
from consumers.sinks.sqlite import SqliteSink
from consumers.stored_collections import COLLECTIONS
from schemas.events import Command, DeploymentState, Label, Receipt
from tests.consumers.stored import APRIL, DAY_MS, dead_letter, outcome, part, prediction
from tests.house.sources import ROOT, fenced_blocks

PAGE = (ROOT / "docs" / "analysts.md").read_text(encoding="utf-8")
QUESTIONS = [sql for language, sql in fenced_blocks(PAGE) if language == "sql"]
REQUESTS = 48
CLUSTER = "cluster"


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> SqliteStore:
    """Two days of flights under two versions, a label for every second of them, one dead letter."""
    path = tmp_path_factory.mktemp("analysts") / "store.sqlite"
    sink = SqliteSink(path)
    sink.setup()
    rejected = sink.write(
        [
            *_predictions(),
            *_labels(),
            *_outcomes(),
            performance_document(merged([part(0)]), 1),
            *_control(),
            _receipt(),
            _letter(),
        ]
    )
    sink.close()
    assert rejected == []
    return SqliteStore(path)


@pytest.mark.parametrize("sql", QUESTIONS, ids=lambda sql: " ".join(sql.split())[:40])
def test_every_question_has_an_answer(store: SqliteStore, sql: str) -> None:
    """Each SQL block of the page is a question that the store understands and can answer."""
    rows = store.query(sql)

    assert rows != []
    assert all(None not in row.values() for row in rows)


def test_the_page_has_five_questions_and_more(store: SqliteStore) -> None:
    """Nobody removes the questions without noticing."""
    assert len(QUESTIONS) >= 5


def test_days_and_versions_are_told_apart(store: SqliteStore) -> None:
    """The first question gives one row for each version and day."""
    rows = store.query(QUESTIONS[0])

    expected = [("1", "2013-04-01", 24), ("2", "2013-04-02", 24)]
    assert expected == [(row["version"], row["day"], row["predictions"]) for row in rows]


def test_error_rates_come_with_their_coverage(store: SqliteStore) -> None:
    """The second question judges the labeled half alone and says that it is half."""
    rows = store.query(QUESTIONS[1])

    expected: list[Row] = [
        {"version": version, "predictions": 24, "labeled": 12, "coverage": 0.5, "error_rate": 0.0}
        for version in ("1", "2")
    ]
    assert expected == sorted(rows, key=lambda row: str(row["version"]))


def test_a_request_is_traced_to_who_activated_its_version(store: SqliteStore) -> None:
    """The last questions follow one request to its label, its deployment and its receipt."""
    traced, receipt = (store.query(sql)[0] for sql in QUESTIONS[-2:])

    assert (traced["truth"], traced["activated_by"]) == ("0", "ada")
    assert (receipt["lane"], receipt["scored"]) == ("scoring", 48)


@pytest.mark.parametrize("table", [collection.name for collection in COLLECTIONS])
def test_every_table_is_named(table: str) -> None:
    """The page lists every table that the store has."""
    assert f"| `{table}` |" in PAGE


def _predictions() -> list[Document]:
    features = [{"origin": origin, "dest": "LAX"} for origin in ("EWR", "JFK", "LGA")]
    return [
        prediction_document(
            prediction(
                number,
                request_id=f"request-{number}",
                version=str(number // 24 + 1),
                generation=number // 24 + 1,
                features=features[number % 3],
            ),
            cluster_id=CLUSTER,
            personal=frozenset(),
        )
        for number in range(REQUESTS)
    ]


def _labels() -> list[Document]:
    return [
        label_document(
            Label(
                model="flights",
                request_id=f"request-{number}",
                entity_id=f"N{number % 7}",
                label="0",
                event_time=APRIL + 3 * DAY_MS,
            )
        )
        for number in range(1, REQUESTS, 2)
    ]


def _outcomes() -> list[Document]:
    return [
        outcome_document(
            outcome(number, request_id=f"request-{number}", version=str(number // 24 + 1)),
            cluster_id=CLUSTER,
            personal=frozenset(),
        )
        for number in range(1, REQUESTS, 2)
    ]


def _control() -> list[Document]:
    documents = []
    for generation in (1, 2):
        state = DeploymentState(
            model="flights",
            generation=generation,
            salt=7,
            versions=(),
            previous_version=None,
            request_schema_id=1,
            prediction_schema_id=2,
            accepted_losses=(),
            command_id=f"command-{generation}",
            decided_at=APRIL,
        )
        command = Command(
            command_id=f"command-{generation}",
            model="flights",
            action="activate",
            arguments={"version": str(generation)},
            issued_by="ada",
            issued_at=APRIL,
        )
        documents += [deployment_document(state), command_document(command)]
    return documents


def _receipt() -> Document:
    receipt = Receipt(
        cluster_id=CLUSTER,
        lane="scoring",
        guarantee="exactly_once",
        model="flights",
        topic="flights.requests",
        partition=0,
        offset_from=0,
        offset_to=REQUESTS + 1,
        records=REQUESTS + 1,
        scored=REQUESTS,
        dead_lettered={"truncated": 1},
        committed_at=APRIL,
    )
    return receipt_document(receipt, RecordPosition(CLUSTER, "receipts", 0, 0))


def _letter() -> Document:
    return dead_letter_document(dead_letter(REQUESTS), personal=False)
