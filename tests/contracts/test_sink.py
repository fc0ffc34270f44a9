"""What every store of documents does, whichever it is; a new store joins by adding its probe."""

import base64
import itertools
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Literal, Protocol

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consumers.errors import StoreUnavailableError
from consumers.sinks.base import Document, FieldValue, Sink
from consumers.sinks.elasticsearch import ElasticsearchSink
from consumers.sinks.elasticsearch_names import IndexNames
from consumers.sinks.memory import MemorySink
from consumers.sinks.sqlite import SqliteSink
from consumers.sinks.sqlite_tables import REPEATED_TABLE
from consumers.stored_collections import COLLECTIONS, REPEATED_REQUESTS, FieldKind, JsonShape, StoredField
from schemas.reasons import Reason
from schemas.signature import Feature, FeatureKind
from tests.services.elasticsearch_server import ElasticsearchServer

NOON = 1_364_817_600_123
SAMPLES: Mapping[FieldKind, FieldValue] = {
    FieldKind.TEXT: "text",
    FieldKind.INTEGER: 7,
    FieldKind.NUMBER: 0.25,
    FieldKind.BOOLEAN: True,
    FieldKind.TIME: NOON,
    FieldKind.BYTES: b"\x00\xff",
}
JSON_SAMPLES: Mapping[JsonShape, FieldValue] = {
    JsonShape.FREE: {"b": [1, None, "x", {"c": False}], "a": 0.5},
    JsonShape.NUMBERS: [0.25, 0.75],
    JsonShape.WORDS: ["one", "two"],
    JsonShape.COUNTS: {Reason.TRUNCATED.value: 2},
    JsonShape.FEATURES: {"weight": 0.5, "stops": 1 << 53, "late": None, "carrier": "UA"},
}
FEATURES = (
    Feature(name="weight", kind=FeatureKind.NUMBER, dtype="float64"),
    Feature(name="height", kind=FeatureKind.NUMBER, dtype="float64"),
    Feature(name="stops", kind=FeatureKind.INTEGER, dtype="int64"),
    Feature(name="late", kind=FeatureKind.BOOLEAN, dtype="bool"),
    Feature(name="carrier", kind=FeatureKind.STRING, dtype="object"),
)


class SinkProbe(Protocol):
    """A store under test, what can be read back from it, and how to make it fail."""

    sink: Sink

    def read(self, collection: str) -> dict[str, dict[str, FieldValue]]: ...

    def repeated(self) -> set[tuple[FieldValue, ...]]: ...

    def break_down(self) -> None: ...

    def mend(self) -> None: ...


class ElasticsearchProbe:
    """The store of real deployments; it is down while its cluster takes nothing."""

    def __init__(self, server: ElasticsearchServer) -> None:
        self._server = server
        settings = server.store_settings("contract", bulk_bytes_max=1 << 16)
        self._names = IndexNames(settings.index_prefix)
        self.sink: Sink = ElasticsearchSink(settings, features_of=lambda _model: FEATURES)

    def read(self, collection: str) -> dict[str, dict[str, FieldValue]]:
        declared = next(known for known in (*COLLECTIONS, REPEATED_REQUESTS) if known.name == collection)
        pattern = self._names.pattern(declared)
        with self._server.client() as client:
            client.indices.refresh(index=pattern)
            hits = client.search(index=pattern, size=1_000)["hits"]["hits"]
        kinds = {field.name: field.kind for field in declared.fields}
        return {
            hit["_id"]: {name: _from_source(hit["_source"][name], kind) for name, kind in kinds.items()} for hit in hits
        }

    def repeated(self) -> set[tuple[FieldValue, ...]]:
        names = ("document_id", "cluster_id", "source_partition", "source_offset")
        return {tuple(fields[name] for name in names) for fields in self.read(REPEATED_REQUESTS.name).values()}

    def break_down(self) -> None:
        self._set_read_only(True)

    def mend(self) -> None:
        self._set_read_only(None)

    def _set_read_only(self, value: Literal[True] | None) -> None:
        with self._server.client() as client:
            client.cluster.put_settings(persistent={"cluster.blocks.read_only": value})


class MemoryProbe:
    """The store in memory."""

    def __init__(self) -> None:
        self._sink = MemorySink()
        self.sink: Sink = self._sink

    def read(self, collection: str) -> dict[str, dict[str, FieldValue]]:
        return {key: dict(fields) for key, fields in self._sink.documents[collection].items()}

    def repeated(self) -> set[tuple[FieldValue, ...]]:
        return set(self._sink.repeated)

    def break_down(self) -> None:
        self._sink.down = True

    def mend(self) -> None:
        self._sink.down = False


class SqliteProbe:
    """The embedded store; it is down while another connection holds the write lock."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock: sqlite3.Connection | None = None
        self.sink: Sink = SqliteSink(path, busy_timeout_s=0.05)

    def read(self, collection: str) -> dict[str, dict[str, FieldValue]]:
        declared = next(known for known in COLLECTIONS if known.name == collection)
        kinds = {field.name: field.kind for field in declared.fields}
        rows = self._rows(f"SELECT * FROM {collection}")
        return {str(row["id"]): {name: _as_read(row[name], kind) for name, kind in kinds.items()} for row in rows}

    def repeated(self) -> set[tuple[FieldValue, ...]]:
        rows = self._rows(f"SELECT id, cluster_id, source_partition, source_offset FROM {REPEATED_TABLE}")
        return {tuple(row) for row in rows}

    def break_down(self) -> None:
        self._lock = sqlite3.connect(self._path, isolation_level=None)
        self._lock.execute("BEGIN EXCLUSIVE")

    def mend(self) -> None:
        assert self._lock is not None, "only what is broken is mended"
        self._lock.close()

    def _rows(self, sql: str) -> list[sqlite3.Row]:
        with closing(sqlite3.connect(self._path)) as connection:
            connection.row_factory = sqlite3.Row
            return connection.execute(sql).fetchall()


@pytest.fixture(params=["memory", "sqlite", pytest.param("elasticsearch", marks=pytest.mark.services)])
def probe(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[SinkProbe]:
    """Each store in turn, set up and empty."""
    made = _probe(request.param, request, tmp_path)
    made.sink.setup()
    yield made
    made.sink.close()


@pytest.mark.parametrize("collection", [collection.name for collection in COLLECTIONS])
def test_a_document_comes_back_as_it_was_written(probe: SinkProbe, collection: str) -> None:
    """Every kind of field survives, times as text that date functions understand."""
    document = sample(collection)
    rejected = probe.sink.write([document])
    expected = {name: "2013-04-01T12:00:00.123Z" if value == NOON else value for name, value in document.fields.items()}

    assert rejected == []
    assert probe.read(collection) == {"one": expected}


@pytest.mark.parametrize("collection", [collection.name for collection in COLLECTIONS])
def test_writing_again_changes_nothing(probe: SinkProbe, collection: str) -> None:
    """The same documents in several writes are the same store."""
    documents = [sample(collection, document_id=name) for name in ("one", "two")]
    probe.sink.write(documents)
    once = probe.read(collection)
    probe.sink.write([*documents, *documents])
    probe.sink.setup()

    assert probe.read(collection) == once
    assert probe.repeated() == set()


def test_the_later_document_replaces_the_earlier(probe: SinkProbe) -> None:
    """Without revisions the last word counts, within one write too."""
    probe.sink.write([sample("signals", message="first"), sample("signals", message="second")])

    assert probe.read("signals")["one"]["message"] == "second"


def test_the_highest_revision_stays(probe: SinkProbe) -> None:
    """With revisions the order of arrival does not count."""
    for revision in (3, 5, 4):
        probe.sink.write([sample("labels", revision=revision, label=f"revision {revision}")])

    assert probe.read("labels")["one"]["label"] == "revision 5"


def test_nan_and_infinity_are_missing(probe: SinkProbe) -> None:
    """A store has no NaN: numbers that are not finite come back as null, in JSON too."""
    features: FieldValue = {"weight": float("nan"), "height": 1.0}
    probe.sink.write([sample("predictions", score=float("inf"), features=features)])
    stored = probe.read("predictions")["one"]

    assert (stored["score"], stored["features"]) == (None, {"weight": None, "height": 1.0})


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"score": "high"}, "field 'score': a number was expected, not str"),
        ({"bucket": 1.5}, "field 'bucket': an integer was expected, not float"),
        ({"bucket": 1 << 63}, "field 'bucket': 9223372036854775808 has more than 64 bits"),
        ({"bucket": True}, "field 'bucket': an integer was expected, not bool"),
        ({"model": None}, "field 'model' is missing"),
        ({"model": "\ud800"}, "field 'model':"),
        ({"event_time": 1 << 60}, "is outside the years 1 to 9999"),
        ({"surprise": 1}, "predictions has no field 'surprise'"),
        ({"features": {"big": 1 << 70}}, "field 'features':"),
    ],
)
def test_a_document_that_does_not_fit_is_rejected_alone(
    probe: SinkProbe, change: dict[str, FieldValue], words: str
) -> None:
    """The rejection names the field; neighbors in the same write are stored."""
    fitting = sample("predictions", document_id="bad")
    bad = replace(fitting, fields={**fitting.fields, **change})
    rejected = probe.sink.write([sample("predictions"), bad, sample("predictions", document_id="two")])

    assert [rejection.document for rejection in rejected] == [bad]
    assert words in rejected[0].detail
    assert set(probe.read("predictions")) == {"one", "two"}


def test_an_unknown_collection_is_rejected(probe: SinkProbe) -> None:
    """Nothing is guessed at."""
    stray = Document("elsewhere", "one", {}, 0)

    assert [rejection.document for rejection in probe.sink.write([stray])] == [stray]


def test_a_store_that_is_down_takes_nothing_and_then_everything(probe: SinkProbe) -> None:
    """A failed write leaves no trace and can be repeated as it was."""
    documents = [sample("predictions", document_id=name) for name in ("one", "two")]
    probe.break_down()
    with pytest.raises(StoreUnavailableError):
        probe.sink.write(documents)
    probe.mend()
    empty = probe.read("predictions")
    probe.sink.write(documents)

    assert empty == {}
    assert set(probe.read("predictions")) == {"one", "two"}


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_repeats_are_the_same_whatever_arrives_first(probe: SinkProbe, order: tuple[int, ...]) -> None:
    """Of three positions of one request the latest is the document, and all three are noted once."""
    documents = [sample("predictions", revision=offset, source_offset=offset) for offset in range(3)]
    arrived = [documents[index] for index in order]
    probe.sink.write(arrived)
    probe.sink.write(arrived)

    assert probe.read("predictions")["one"]["source_offset"] == 2
    assert probe.repeated() == {("one", "text", 7, offset) for offset in range(3)}


def test_a_second_delivery_of_one_record_is_no_repeat(probe: SinkProbe) -> None:
    """Redelivery keeps the position, so it is not a repeated request."""
    probe.sink.write([sample("predictions"), sample("predictions", scored_at=NOON + 5)])

    assert probe.repeated() == set()


@pytest.mark.parametrize(
    ("kind", "examples"), [("sqlite", 30), pytest.param("elasticsearch", 6, marks=pytest.mark.services)]
)
def test_any_cut_into_writes_gives_the_same_store(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, kind: str, examples: int
) -> None:
    """A store holds the same documents and repeats as the one in memory after any sequence of writes."""

    @settings(max_examples=examples, deadline=None)
    @given(
        writes=st.lists(
            st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 5)), max_size=6), min_size=1, max_size=5
        )
    )
    def check(writes: list[list[tuple[str, int]]]) -> None:
        probes = [_probe(each, request, tmp_path_factory.mktemp("store")) for each in ("memory", kind)]
        for made in probes:
            made.sink.setup()
            for write in writes:
                made.sink.write(
                    [sample("predictions", document_id=key, revision=at, source_offset=at) for key, at in write]
                )
        memory, probe = probes
        stored = (probe.read("predictions"), probe.repeated())
        probe.sink.close()

        assert stored == (memory.read("predictions"), memory.repeated())

    check()


def sample(collection: str, *, document_id: str = "one", revision: int = 0, **changes: FieldValue) -> Document:
    """A document with a plausible value in every field."""
    declared = next(known for known in COLLECTIONS if known.name == collection)
    fields = {field.name: _sample(field) for field in declared.fields} | changes
    return Document(collection, document_id, fields, NOON, revision if declared.revised else None)


def _sample(field: StoredField) -> FieldValue:
    return JSON_SAMPLES[field.shape] if field.kind is FieldKind.JSON else SAMPLES[field.kind]


def _probe(kind: str, request: pytest.FixtureRequest, directory: Path) -> SinkProbe:
    if kind == "memory":
        return MemoryProbe()
    if kind == "sqlite":
        return SqliteProbe(directory / "store.sqlite")
    return ElasticsearchProbe(request.getfixturevalue("elasticsearch"))


def _from_source(value: FieldValue, kind: FieldKind) -> FieldValue:
    return base64.b64decode(value) if kind is FieldKind.BYTES and isinstance(value, str) else value


def _as_read(value: FieldValue, kind: FieldKind) -> FieldValue:
    if value is None:
        return None
    if kind is FieldKind.JSON:
        loaded: FieldValue = orjson.loads(str(value))
        return loaded
    return bool(value) if kind is FieldKind.BOOLEAN else value
