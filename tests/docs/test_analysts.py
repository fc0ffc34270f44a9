"""The questions of docs/analysts.md are asked of both stores, and the answers are the same."""

from collections.abc import Iterator, Mapping
from itertools import pairwise

import orjson
import pytest

from consumers.queries import SqliteStore
from consumers.questions import Row
from consumers.searches import ElasticsearchStore
from consumers.sinks.base import FieldValue
from consumers.sinks.elasticsearch import ElasticsearchSink
from consumers.sinks.sqlite import SqliteSink
from consumers.stored_collections import COLLECTIONS
from tests.consumers.stored import FEATURES
from tests.docs.analysts_sample import sample_documents
from tests.house.sources import ROOT, fenced_blocks
from tests.services.elasticsearch_server import ElasticsearchServer

PAGE = (ROOT / "docs" / "analysts.md").read_text(encoding="utf-8")
BLOCKS = [(language, text) for language, text in fenced_blocks(PAGE) if language in ("sql", "console")]
QUESTIONS = [text for language, text in BLOCKS if language == "sql"]
PAIRS = [
    (sql, search)
    for (language, sql), (next_language, search) in pairwise(BLOCKS)
    if (language, next_language) == ("sql", "console")
]
WANTED = (
    "predict for X, and why",
    "spread, by version",
    "wrong, by segment",
    "took longest",
    "whose was it",
    "served when",
    "far behind",
)
PREFIX = "penstock"


def named(sql: str) -> str:
    """A question by its first words, for the list of tests."""
    return " ".join(sql.split())[:60]


@pytest.fixture(scope="module")
def embedded(tmp_path_factory: pytest.TempPathFactory) -> SqliteStore:
    """The sample in the embedded store."""
    path = tmp_path_factory.mktemp("analysts") / "store.sqlite"
    sink = SqliteSink(path)
    sink.setup()
    assert sink.write(sample_documents()) == []
    sink.close()
    return SqliteStore(path)


@pytest.fixture(scope="module")
def searched(elasticsearch: ElasticsearchServer) -> Iterator[ElasticsearchStore]:
    """The sample in Elasticsearch, under the prefix that the page has."""
    settings = elasticsearch.store_settings(PREFIX)
    sink = ElasticsearchSink(settings, features_of=lambda _model: FEATURES)
    sink.setup()
    assert sink.write(sample_documents()) == []
    sink.close()
    elasticsearch.refresh(PREFIX)
    yield ElasticsearchStore(settings)
    elasticsearch.store_settings(PREFIX)


@pytest.mark.parametrize("sql", QUESTIONS, ids=named)
def test_every_question_has_an_answer(embedded: SqliteStore, sql: str) -> None:
    """Each SQL block of the page is a question that the store understands and can answer."""
    assert embedded.query(sql) != []


@pytest.mark.services
@pytest.mark.parametrize(("sql", "search"), PAIRS, ids=[named(sql) for sql, _search in PAIRS])
def test_both_stores_give_the_same_answer(
    embedded: SqliteStore, searched: ElasticsearchStore, sql: str, search: str
) -> None:
    """Row by row and column by column."""
    expected, found = in_one_order(embedded.query(sql)), in_one_order(searched.query(search))

    assert len(expected) == len(found)
    for wanted, row in zip(expected, found, strict=True):
        assert pytest.approx(wanted) == row


@pytest.mark.services
def test_the_example_of_a_search_is_answered(searched: ElasticsearchStore) -> None:
    """Each console block of the page, those without SQL beside them too."""
    assert all(searched.query(text) != [] for language, text in BLOCKS if language == "console")


def test_each_question_is_written_in_both_languages() -> None:
    """Nobody adds a question in one alone, or takes away one that analysts have."""
    headings = [line for line in PAGE.splitlines() if line.startswith("### ")]

    assert len(PAIRS) == len(QUESTIONS)
    assert [words for words in WANTED if not any(words in heading for heading in headings)] == []


def test_answers_are_right(embedded: SqliteStore) -> None:
    """Known figures of the sample: half is labeled, a twelfth of version 1's known ones was wrong."""
    by_version = {row["version"]: row for row in embedded.query(_about("FROM cohorts"))}
    letters = {
        (row["reason"], row["producer"]): row["doc_count"] for row in embedded.query(_about("FROM dead_letters"))
    }
    slowest = embedded.query(_about("ORDER BY latency_ms"))
    segments = embedded.query(_about("FROM outcomes"))

    assert (by_version["1"]["predicted"], by_version["1"]["labeled"]) == (28, 12)
    assert by_version["1"]["error_rate"] == pytest.approx(1 / 12)
    assert letters == {("truncated", "shop"): 2, ("no_key", "shop"): 1, ("truncated", None): 1}
    assert [row["latency_ms"] for row in slowest] == list(range(47, 37, -1))
    assert sum(int(str(row["doc_count"])) for row in segments) == 23


@pytest.mark.parametrize("table", [collection.name for collection in COLLECTIONS])
def test_every_table_is_named(table: str) -> None:
    """The page lists every table that the store has."""
    assert f"| `{table}` |" in PAGE


def in_one_order(rows: list[Row]) -> list[dict[str, object]]:
    """Rows in an order that both stores share, with JSON as text with sorted keys."""
    plain = [{name: _plain(value) for name, value in row.items()} for row in rows]
    return sorted(plain, key=lambda row: [_comparable(row[name]) for name in sorted(row)])


def _comparable(value: object) -> str:
    return f"{value:.6g}" if isinstance(value, (int, float)) else str(value)


def _plain(value: FieldValue) -> object:
    if isinstance(value, str) and value.startswith("{"):
        value = orjson.loads(value)
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode() if isinstance(value, Mapping) else value


def _about(part: str) -> str:
    """The first question of the page with that part."""
    return next(sql for sql in QUESTIONS if part in sql)
