"""Questions to the store: bounded, read-only, and answered in SQLite's own words when wrong."""

import sqlite3
from pathlib import Path

import pytest

from consumers.errors import QueryError, QueryLimitError, StoreNotFoundError
from consumers.queries import SqliteStore
from consumers.questions import Question
from consumers.sinks.sqlite import SqliteSink
from consumers.stored_collections import COLLECTIONS, PREDICTIONS
from tests.consumers.stored import fill, prediction

ENDLESS = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT count(*) FROM n"


@pytest.fixture
def store(tmp_path: Path) -> SqliteStore:
    """Three predictions, on the disk of a sink that has gone."""
    path = tmp_path / "a store.sqlite"
    fill(SqliteSink(path), [prediction(number) for number in range(3)], [])
    return SqliteStore(path)


def test_rows_come_as_dictionaries(store: SqliteStore) -> None:
    """Date functions work on the stored times."""
    rows = store.query("SELECT request_id, date(event_time) AS day FROM predictions ORDER BY 1 LIMIT 2")

    assert rows == [{"request_id": "r0", "day": "2013-04-01"}, {"request_id": "r1", "day": "2013-04-01"}]


def test_columns_of_one_name_are_both_kept(store: SqliteStore) -> None:
    """A join loses no column to its neighbor."""
    assert store.query("SELECT 1 AS a, 2 AS a, 3 AS a") == [{"a": 1, "a_2": 2, "a_3": 3}]


def test_reading_goes_on_while_the_sink_writes(tmp_path: Path) -> None:
    """An open write does not make a reader wait, and is not seen by it."""
    path = tmp_path / "store.sqlite"
    fill(SqliteSink(path), [prediction(1)], [])
    writer = sqlite3.connect(path, isolation_level=None)
    writer.execute("BEGIN IMMEDIATE")
    writer.execute("DELETE FROM predictions")
    counted = SqliteStore(path).query("SELECT count(*) AS n FROM predictions")
    writer.close()

    assert counted == [{"n": 1}]


def test_a_store_that_a_sink_has_just_set_up_can_be_asked(tmp_path: Path) -> None:
    """Every collection is there before its first document."""
    sink = SqliteSink(tmp_path / "store.sqlite")
    sink.setup()
    rows = SqliteStore(tmp_path / "store.sqlite").query("SELECT * FROM labels")
    sink.close()

    assert rows == []


@pytest.mark.parametrize(
    ("sql", "words"),
    [
        ("SELECT missing FROM predictions", "no such column: missing"),
        ("SELEC 1", 'near "SELEC": syntax error'),
        ("SELECT 1; SELECT 2", "You can only execute one statement at a time"),
        ("", "only statements that give rows"),
        ("DELETE FROM predictions", "read-only"),
        ("DROP TABLE predictions", "read-only"),
        ("INSERT INTO predictions (id) VALUES ('x')", "read-only"),
        ("ATTACH DATABASE 'elsewhere.sqlite' AS e", "too many attached databases"),
        ("VACUUM INTO 'copy.sqlite'", "query is wrong"),
    ],
)
def test_a_wrong_statement_is_told_in_the_stores_words(
    store: SqliteStore, sql: str, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One clear sentence, nothing written anywhere."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(QueryError, match=words):
        store.query(sql)

    assert {path.name for path in tmp_path.iterdir()} <= {"a store.sqlite", "a store.sqlite-wal", "a store.sqlite-shm"}
    assert store.query("SELECT count(*) AS n FROM predictions") == [{"n": 3}]


def test_query_only_can_not_be_switched_off(store: SqliteStore) -> None:
    """The file itself was opened for reading."""
    store.query("PRAGMA query_only")
    with pytest.raises(QueryError):
        store.query("PRAGMA journal_mode = DELETE; DELETE FROM predictions")


def test_too_many_rows_are_refused_not_cut(store: SqliteStore) -> None:
    """A silent cut would be a wrong answer."""
    with pytest.raises(QueryLimitError, match="more than 2 rows: ask for fewer"):
        store.query("SELECT * FROM predictions", rows_max=2)

    assert len(store.query("SELECT * FROM predictions", rows_max=3)) == 3


def test_a_query_without_end_is_ended(store: SqliteStore) -> None:
    """The time limit is kept inside one row too."""
    with pytest.raises(QueryLimitError, match=r"longer than 0\.1 s"):
        store.query(ENDLESS, time_max_s=0.1)


def test_rows_can_be_taken_one_by_one_and_left(store: SqliteStore) -> None:
    """A reader that stops early lets go of the store."""
    rows = store.rows(_question("SELECT request_id FROM predictions ORDER BY 1"))

    assert next(rows) == {"request_id": "r0"}
    rows.close()


def test_fields_come_back_as_they_were_written(store: SqliteStore) -> None:
    """JSON as objects; a column under another name stays as it lies in the file."""
    (row,) = store.ask(_question("SELECT features, features AS text FROM predictions WHERE request_id = 'r0'"))

    assert row["features"] == {"carrier": "UA", "tailnum": "N1"}
    assert row["text"] == '{"carrier":"UA","tailnum":"N1"}'


def test_documents_are_counted(store: SqliteStore) -> None:
    """Every collection has its number."""
    assert store.counts()["predictions"] == 3
    assert store.counts().keys() == {collection.name for collection in COLLECTIONS}


@pytest.mark.parametrize("text", ['{"size": 0}', 'GET penstock-predictions-*/_search\n{"size": 0}'])
def test_a_search_is_told_to_be_for_elasticsearch(store: SqliteStore, text: str) -> None:
    """With what this store is asked in."""
    with pytest.raises(QueryError, match="asked in SQL"):
        store.query(text)


def test_a_missing_store_is_told_with_the_remedy(tmp_path: Path) -> None:
    """Asking before anything was stored does not make an empty file."""
    with pytest.raises(StoreNotFoundError, match="penstock up"):
        SqliteStore(tmp_path / "store.sqlite").query("SELECT 1")

    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_no_store_is_told(tmp_path: Path) -> None:
    """Not a traceback, even for a text file."""
    (tmp_path / "store.sqlite").write_text("not a database, certainly not one of SQLite's" * 30)
    with pytest.raises(QueryError, match="not a readable SQLite file"):
        SqliteStore(tmp_path / "store.sqlite").query("SELECT 1 FROM predictions")


def _question(sql: str) -> Question:
    return Question(collection=PREDICTIONS, sql=sql, search=lambda _: {})
