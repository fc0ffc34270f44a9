"""Two ways of writing the same documents to the same Elasticsearch: penstock's sink, and the client's bulk helper.

The helper is used as its documentation shows it, with everything that it takes besides documents
left as it is. It is given the finished sources of the documents, and its time begins after that;
the sink begins with documents, and looks for repeated requests too.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import orjson
from elasticsearch import Elasticsearch
from elasticsearch.helpers import streaming_bulk

from benchmarks.offsets import BenchmarkFailedError
from benchmarks.workload import ENTITIES, EVENT_TIME_FIRST_MS, FEATURES, MODEL, ROWS, Workload, entity_id, request_id
from consumers.documents import prediction_document
from consumers.sinks.base import Document
from consumers.sinks.elasticsearch import ElasticsearchSink
from consumers.sinks.elasticsearch_bulk import BulkEncoder
from consumers.sinks.elasticsearch_names import IndexNames
from runtime.settings import StoreSettings
from schemas.signature import Feature, FeatureKind

SIGNATURE = tuple(Feature(name=name, kind=FeatureKind.NUMBER, dtype="float64") for name in FEATURES)
PAGE_HITS = 5_000

Stored = tuple[str, int, str, Mapping[str, Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Portion:
    """Some documents, and what the helper is given of the same."""

    documents: Sequence[Document]
    actions: Sequence[dict[str, Any]]


Write = Callable[[Portion], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """One portion of one contender: documents that were acknowledged, in how long, and what the client's CPU took."""

    documents: int
    wall_s: float
    cpu_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreTurn:
    """One turn of one contender, portion by portion."""

    portions: tuple[Taken, ...]

    @property
    def documents(self) -> int:
        return sum(taken.documents for taken in self.portions)

    @property
    def documents_per_s(self) -> float:
        return self.documents / sum(taken.wall_s for taken in self.portions)

    @property
    def cpu_us_per_document(self) -> float:
        return sum(taken.cpu_s for taken in self.portions) / self.documents * 1e6


def take(write: Write, portion: Portion) -> Taken:
    """Let a contender write one portion, and take the time."""
    wall, cpu = time.perf_counter(), time.process_time()
    write(portion)
    return Taken(documents=len(portion.documents), wall_s=time.perf_counter() - wall, cpu_s=time.process_time() - cpu)


def build_documents(workload: Workload, count: int) -> list[Document]:
    """Predictions as the sink has them after decoding."""
    rows = [dict(zip(FEATURES, row, strict=True)) for row in workload.features[: min(count, ROWS)].tolist()]
    return [_document(number, rows[number % ROWS]) for number in range(count)]


@contextmanager
def penstock_sink(settings: StoreSettings) -> Iterator[Write]:
    """The sink, batch by batch as its loop gives them to it."""
    sink = ElasticsearchSink(settings, features_of=lambda _model: SIGNATURE)
    size = settings.batch_documents_max

    def write(portion: Portion) -> None:
        for start in range(0, len(portion.documents), size):
            if sink.write(portion.documents[start : start + size]):
                raise BenchmarkFailedError("the sink's documents were refused")

    try:
        yield write
    finally:
        sink.close()


@contextmanager
def bulk_helper(settings: StoreSettings) -> Iterator[Write]:
    """The client's own bulk helper at its defaults."""
    with Elasticsearch(list(settings.urls)) as client:

        def write(portion: Portion) -> None:
            for taken, _item in streaming_bulk(client, portion.actions):
                if not taken:
                    raise BenchmarkFailedError("the helper's documents were refused")

        yield write


def portions_of(settings: StoreSettings, documents: Sequence[Document], *, size: int) -> list[Portion]:
    """The documents cut into portions, each in the form of either contender."""
    actions = list(_actions(settings, documents))
    return [
        Portion(documents=documents[start : start + size], actions=actions[start : start + size])
        for start in range(0, len(documents), size)
    ]


def stored_documents(
    client: Elasticsearch, settings: StoreSettings
) -> Iterator[tuple[str, int, str, Mapping[str, Any]]]:
    """Everything that is stored under a prefix in the order of requests: id, version, month and source."""
    pattern = IndexNames(settings.index_prefix).everything
    client.indices.refresh(index=pattern)
    after: list[Any] | None = None
    while True:
        hits = client.search(
            index=pattern, size=PAGE_HITS, sort=["request_id"], version=True, search_after=after, track_total_hits=False
        )["hits"]["hits"]
        for hit in hits:
            yield hit["_id"], hit["_version"], hit["_index"].partition(".")[2], hit["_source"]
        if len(hits) < PAGE_HITS:
            return
        after = hits[-1]["sort"]


def wanted_documents(settings: StoreSettings, documents: Sequence[Document]) -> Iterator[Stored]:
    """What must be stored in the end, whoever wrote it."""
    for action in _actions(settings, documents):
        yield action["_id"], action["version"], action["_index"].partition(".")[2], action["_source"]


def _actions(settings: StoreSettings, documents: Sequence[Document]) -> Iterator[dict[str, Any]]:
    encoder = BulkEncoder(IndexNames(settings.index_prefix))
    for document in documents:
        head, source = encoder.encode(document).content.splitlines()
        yield {**orjson.loads(head)["index"], "_source": orjson.loads(source)}


def _document(number: int, features: dict[str, float]) -> Document:
    time_ms = EVENT_TIME_FIRST_MS + number
    fields: dict[str, Any] = {
        "request_id": request_id(number),
        "entity_id": entity_id(number),
        "model": MODEL,
        "version": str(number % 2),
        "arm": "stable",
        "role": "live",
        "bucket": number % ENTITIES,
        "generation": 1,
        "score": (number % 1_000) / 1_000,
        "label": str(number % 2),
        "probabilities": None,
        "event_time": time_ms,
        "requested_at": time_ms + 3,
        "scored_at": time_ms + 3 + number % 50,
        "source_partition": number % 8,
        "source_offset": number // 8,
        "features": features,
    }
    return prediction_document(fields, cluster_id="benchmark", personal=frozenset())
