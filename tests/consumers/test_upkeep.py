"""Stores as a whole, of each kind: set up, compared, pruned by month."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from consumers.documents import (
    RecordPosition,
    command_document,
    dead_letter_document,
    label_document,
    log_document,
    prediction_document,
)
from consumers.errors import MonthError
from consumers.queries import SqliteStore
from consumers.questions import Store
from consumers.sinks.base import Document, Sink
from consumers.sinks.elasticsearch_upkeep import ElasticsearchUpkeep
from consumers.sinks.sqlite_upkeep import SqliteUpkeep
from consumers.stored_collections import COMMANDS, PREDICTIONS, REPEATED_REQUESTS
from consumers.upkeep import Difference, Month, Upkeep, check_before, prunable
from schemas.events import Command, Label, LogEntry
from tests.consumers.stored import APRIL, BOTH, DAY_MS, FEATURES, both_stores, dead_letter, prediction
from tests.services.elasticsearch_server import ElasticsearchServer

MAY = Month(2013, 5)
MAY_MS = APRIL + 30 * DAY_MS


@dataclass(frozen=True, slots=True)
class Kept:
    """A store, looked at from every side."""

    upkeep: Upkeep
    sink: Sink
    store: Store
    let_be_found: Callable[[], None]

    def write(self, documents: list[Document]) -> None:
        assert self.sink.write(documents) == []
        self.let_be_found()

    def counts(self) -> dict[str, int]:
        """Collections that have documents."""
        self.let_be_found()
        return {name: count for name, count in self.store.counts().items() if count}


@pytest.fixture(params=BOTH)
def kept(request: pytest.FixtureRequest, tmp_path: Path) -> Kept:
    """Each kind of store, with nothing in it."""
    sink, store, let_be_found = both_stores(request.param, request, tmp_path)
    if request.param == "sqlite":
        return Kept(SqliteUpkeep(tmp_path / "store.sqlite"), sink, store, let_be_found)
    server: ElasticsearchServer = request.getfixturevalue("elasticsearch")
    with server.client() as client:
        for name in client.options(ignore_status=404).indices.get_index_template(name="both-*")["index_templates"]:
            client.indices.delete_index_template(name=name["name"])
    upkeep = ElasticsearchUpkeep(server.store_settings("both"), models=["flights"], features_of=lambda _model: FEATURES)
    return Kept(upkeep, sink, store, let_be_found)


def test_a_store_that_was_set_up_is_as_it_should_be(kept: Kept) -> None:
    """And one that was not lacks something; a second time changes nothing."""
    before = kept.upkeep.differences()
    kept.upkeep.setup()
    kept.sink.setup()
    after = kept.upkeep.differences()
    kept.write([_predicted(1, APRIL)])
    kept.upkeep.setup()
    kept.sink.close()

    assert before != []
    assert {difference.found for difference in before} == {"nothing"}
    assert (after, kept.upkeep.differences()) == ([], [])
    assert kept.counts() == {"predictions": 1}


def test_months_before_one_are_deleted_and_others_stay(kept: Kept) -> None:
    """By event time; labels lie together and go all the same, decisions stay unless they are named."""
    kept.sink.setup()
    old = [_predicted(1, APRIL), _predicted(2, MAY_MS - 1), _labeled(1, APRIL), _ordered(1, APRIL), _logged(1, APRIL)]
    new = [
        _predicted(3, MAY_MS),
        _labeled(3, MAY_MS),
        _ordered(3, MAY_MS),
        _refused(MAY_MS),
    ]
    kept.write([*old, *new])
    parts = kept.upkeep.parts(prunable(), before=MAY)
    for part in parts:
        kept.upkeep.delete(part)
    default = kept.counts()
    for part in kept.upkeep.parts([COMMANDS], before=MAY):
        kept.upkeep.delete(part)
    kept.sink.close()

    assert [(part.month, part.collection, part.documents) for part in parts] == [
        ("2013-04", "labels", 1),
        ("2013-04", "logs", 1),
        ("2013-04", "predictions", 2),
    ]
    assert default == {"predictions": 1, "labels": 1, "commands": 2, "dead_letters": 1}
    assert kept.counts() == {"predictions": 1, "labels": 1, "commands": 1, "dead_letters": 1}
    assert kept.upkeep.parts(prunable(), before=MAY) == []


def test_a_label_that_was_corrected_later_stays(kept: Kept) -> None:
    """It is one document, of the month in which it became what it is."""
    kept.sink.setup()
    kept.write([_labeled(1, APRIL)])
    kept.write([_labeled(1, MAY_MS, revision=1)])
    kept.sink.close()

    assert kept.upkeep.parts(prunable(), before=MAY) == []
    assert kept.counts() == {"labels": 1}


def test_repeats_go_with_their_predictions(kept: Kept) -> None:
    """What is said of a request that is gone is gone too."""
    kept.sink.setup()
    for month in (APRIL, MAY_MS):
        twice = [_predicted(month, month), _predicted(month, month, source_offset=9)]
        kept.write(twice)
    for part in kept.upkeep.parts([PREDICTIONS, REPEATED_REQUESTS], before=MAY):
        kept.upkeep.delete(part)
    kept.sink.close()

    assert kept.counts()["predictions"] == 1
    assert _repeats(kept) == 2


@pytest.mark.services
def test_differences_are_named(elasticsearch: ElasticsearchServer) -> None:
    """A field of another type, one too many, one too few, a setting, a template that is gone."""
    settings = elasticsearch.store_settings("both")
    upkeep = ElasticsearchUpkeep(settings, models=[], features_of=lambda _model: ())
    upkeep.setup()
    with elasticsearch.client() as client:
        client.indices.delete_index_template(name="both-logs")
        client.indices.create(
            index="both-signals.2013.04",
            settings={"refresh_interval": "7s"},
            mappings={"properties": {"surprise": {"type": "long"}}},
        )
        client.indices.create(index="both-logs.2013.04", mappings={"properties": {"level": {"type": "long"}}})
    found = upkeep.differences()

    word = "keyword, ignore_above 8191"
    assert {
        Difference(where="template both-logs", what="template", found="nothing", wanted="a template"),
        Difference(where="index both-signals.2013.04", what="surprise", found="long", wanted="nothing"),
        Difference(where="index both-signals.2013.04", what="index.refresh_interval", found="7s", wanted="1000ms"),
        Difference(where="index both-logs.2013.04", what="level", found="long", wanted=word),
        Difference(
            where="index both-logs.2013.04", what="service", found="nothing", wanted="keyword, ignore_above 8191"
        ),
        Difference(where="index both-logs.2013.04", what="dynamic", found="nothing", wanted="strict"),
    } <= set(found)
    assert {difference.where for difference in found} == {
        "template both-logs",
        "index both-signals.2013.04",
        "index both-logs.2013.04",
    }


def test_differences_of_tables_are_named(tmp_path: Path) -> None:
    """A table, a column, a type, an index."""
    path = tmp_path / "store.sqlite"
    upkeep = SqliteUpkeep(path)
    upkeep.setup()
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("DROP TABLE logs")
        connection.execute("ALTER TABLE signals DROP COLUMN evidence")
        connection.execute("DROP INDEX labels_request_id")
        connection.execute("DROP TABLE journal")
        connection.execute("CREATE TABLE journal (id TEXT, model INTEGER)")
    found = {(each.where, each.what, each.found, each.wanted) for each in upkeep.differences()}

    assert {
        ("table logs", "table", "nothing", "a table"),
        ("table signals", "evidence", "nothing", "TEXT"),
        ("table labels", "labels_request_id", "nothing", "an index or a trigger"),
        ("table journal", "model", "INTEGER", "TEXT"),
    } <= found


@pytest.mark.parametrize("text", ["2013", "2013-4", "2013-13", "0000-01", "april", "2013-04-01"])
def test_what_is_no_month_is_told(text: str) -> None:
    """With how a month is written."""
    with pytest.raises(MonthError, match="as 2013-04"):
        Month.parse(text)


def test_what_is_written_now_is_not_pruned() -> None:
    """The running month may be named, so that all before it goes; a later one may not."""
    check_before(MAY, MAY_MS)
    with pytest.raises(MonthError, match="2013-06 has not begun"):
        check_before(Month(2013, 6), MAY_MS)


def _predicted(number: int, time: int, **changes: int) -> Document:
    fields = prediction(number, event_time=time, requested_at=time, scored_at=time) | changes
    return prediction_document(fields, cluster_id="cluster", personal=frozenset())


def _labeled(number: int, time: int, *, revision: int = 0) -> Document:
    label = Label(
        model="flights", request_id=f"r{number}", entity_id="N1", label="1", event_time=time, revision=revision
    )
    return label_document(label)


def _ordered(number: int, time: int) -> Document:
    return command_document(
        Command(
            command_id=f"c{number}", model="flights", action="activate", arguments={}, issued_by="ada", issued_at=time
        )
    )


def _logged(number: int, time: int) -> Document:
    entry = LogEntry(service="sink-0", level="info", event="ready", logged_at=time)
    return log_document(entry, RecordPosition("cluster", "logs", 0, number))


def _refused(time: int) -> Document:
    return dead_letter_document(replace(dead_letter(1), append_time=time), personal=False)


def _repeats(kept: Kept) -> int:
    if isinstance(kept.store, SqliteStore):
        return int(str(kept.store.query("SELECT count(*) AS n FROM repeated_requests")[0]["n"]))
    kept.let_be_found()
    return len(kept.store.query('GET both-repeated_requests.*/_search\n{"size": 10}'))
