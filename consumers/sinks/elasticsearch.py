"""The analysts' store of real deployments: Elasticsearch, an index for each month of event time.

Writes are bulk requests, a few under way at once, each answered item by item. What was taken or
refused for good is remembered until the whole write has succeeded, so that after a failure only the
rest travels again.
"""

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import orjson
from elasticsearch import ApiError, Elasticsearch

from consumers.errors import DocumentError, StoreMismatchError, StoreUnavailableError
from consumers.sinks.base import Document, RejectedDocument
from consumers.sinks.elasticsearch_bulk import (
    BulkEncoder,
    BulkLine,
    Fate,
    Verdict,
    alike,
    requests_of,
    verdicts_of,
    waves,
)
from consumers.sinks.elasticsearch_client import build_client, elasticsearch_faults, words_of
from consumers.sinks.elasticsearch_names import IndexNames
from consumers.sinks.elasticsearch_setup import BASE_FAMILIES, IndexSetup, model_families
from consumers.sinks.repeats import Position, position_in, repeat_documents
from consumers.stored_collections import COLLECTIONS, Collection
from runtime.settings import StoreSettings
from schemas.signature import Feature
from schemas.topics import MODEL_NAME

FeaturesOf = Callable[[str], Sequence[Feature]]

SUBMIT_DEADLINE_S = 10.0
"""After this a write begins no further request, so that the sink's group never waits too long for a poll."""
ENCODED_AT_ONCE = 100
"""So many documents stay in the processor's cache while one field after the other is looked at."""
_REFUSED_WHOLE = (400, 413)
_ANYTHING = "docs._source,docs.error.type"
_NDJSON = {"content-type": "application/x-ndjson", "accept": "application/json"}
_JSON = {"content-type": "application/json", "accept": "application/json"}
_BY_NAME = {collection.name: collection for collection in COLLECTIONS}


class ElasticsearchSink:
    """Writes documents to the configured nodes; used on one thread, with a few of its own for requests.

    `features_of`: the features of a model, asked for when documents carry some that are not mapped yet.
    """

    def __init__(self, settings: StoreSettings, *, features_of: FeaturesOf) -> None:
        self._settings = settings
        self._features_of = features_of
        self._encoder = BulkEncoder(IndexNames(settings.index_prefix))
        self._client: Elasticsearch | None = None
        self._pool: ThreadPoolExecutor | None = None
        self._mapped: dict[str, frozenset[str]] = {}
        self._indices: set[str] = set()
        self._settled: dict[int, Document] = {}
        self._rejected: list[RejectedDocument] = []

    def setup(self) -> None:
        with elasticsearch_faults(self._settings):
            IndexSetup(self._open(), self._settings).ensure(BASE_FAMILIES)

    def write(self, documents: Sequence[Document]) -> list[RejectedDocument]:
        left = [document for document in documents if id(document) not in self._settled]
        with elasticsearch_faults(self._settings):
            self._map_features(left)
            for wave in waves(left):
                self._write_wave(wave)
        rejected, self._rejected = self._rejected, []
        self._settled.clear()
        return rejected

    def close(self) -> None:
        if self._pool is not None:
            self._pool.shutdown()
            self._pool = None
        if self._client is not None:
            self._client.close()
            self._client = None

    def _write_wave(self, documents: Sequence[Document]) -> None:
        """Encode and send, the next request being encoded while others are under way.

        Raises `StoreUnavailableError` when something was not taken, after everything under way has ended.
        """
        under_way: deque[tuple[list[BulkLine], Future[Sequence[Verdict]]]] = deque()
        deadline = time.monotonic() + SUBMIT_DEADLINE_S
        refusals: list[str] = []
        for lines in requests_of(self._encoded(documents), bytes_max=self._settings.bulk_bytes_max):
            begun = {line.index_name for line in lines} - self._indices
            while under_way and (begun or len(under_way) == self._settings.bulk_requests_max):
                refusals += self._settle(*under_way.popleft())
            if time.monotonic() > deadline:
                refusals.append(f"no request is begun later than {SUBMIT_DEADLINE_S:.0f} s after the first")
            if refusals:
                break
            under_way.append((lines, self._workers().submit(self._deliver, lines)))
            if begun:
                # What is stored can't be looked up while an index is being made, so what makes one goes alone.
                refusals += self._settle(*under_way.pop())
                self._indices |= begun
        for lines, answer in under_way:
            refusals += self._settle(lines, answer)
        if refusals:
            raise StoreUnavailableError(f"Elasticsearch has not taken everything yet: {refusals[0]}")

    def _encoded(self, documents: Iterable[Document]) -> Iterator[BulkLine]:
        """Lines in the order of the documents; those that do not fit are rejected on the way."""
        for some in alike(documents, documents_max=ENCODED_AT_ONCE):
            lines = self._encoder.encode_all(some)
            yield from self._one_by_one(some) if lines is None else lines

    def _one_by_one(self, documents: Iterable[Document]) -> Iterator[BulkLine]:
        for document in documents:
            try:
                yield self._encoder.encode(document)
            except DocumentError as error:
                self._reject(document, str(error))

    def _settle(self, lines: Sequence[BulkLine], answer: Future[Sequence[Verdict]]) -> list[str]:
        """Wait for one request, and note what became of its documents; why some were not taken, in words."""
        try:
            with elasticsearch_faults(self._settings):
                verdicts = answer.result()
        except StoreUnavailableError as error:
            return [str(error)]
        for line, verdict in zip(lines, verdicts, strict=True):
            if verdict.fate is Fate.TAKEN:
                self._settled[id(line.document)] = line.document
            elif verdict.fate is Fate.REJECTED:
                self._reject(line.document, verdict.detail)
        return [verdict.detail for verdict in verdicts if verdict.fate is Fate.LATER]

    def _reject(self, document: Document, detail: str) -> None:
        self._settled[id(document)] = document
        self._rejected.append(RejectedDocument(document, detail))

    def _deliver(self, lines: Sequence[BulkLine]) -> Sequence[Verdict]:
        """Note repeats (1), then write (2): the other way round, a crash between the two would hide a repeat.

        Runs on a thread of the pool.
        """
        notes = [self._encoder.encode(note) for note in self._repeats(lines)]
        for verdict in self._bulk(notes) if notes else ():  # 1
            if verdict.fate is Fate.REJECTED:
                raise StoreMismatchError("repeated_requests", verdict.detail)
            if verdict.fate is Fate.LATER:
                raise StoreUnavailableError(verdict.detail)
        return self._bulk(lines)  # 2

    def _repeats(self, lines: Sequence[BulkLine]) -> list[Document]:
        """Notes for documents that are there already, from another position."""
        positioned = [line for line in lines if _BY_NAME[line.document.collection].position]
        if not positioned:
            return []
        notes: list[Document] = []
        for line, stored in zip(positioned, self._look_up(positioned), strict=False):
            collection = _BY_NAME[line.document.collection]
            notes += repeat_documents(line.document, collection, stored=_position(stored, collection))
        return notes

    def _look_up(self, lines: Sequence[BulkLine]) -> Sequence[Mapping[str, Any]]:
        """What is stored of the positions of these documents, in order; nothing, when none of them is there.

        Mostly none is, so that is asked first: its answer is a few bytes, however many documents there are.
        """
        collections = {line.document.collection for line in lines}
        wanted = sorted({name for collection in collections for name in _BY_NAME[collection].position})
        body = orjson.dumps({"docs": [{"_index": line.index_name, "_id": line.key} for line in lines]})
        for told in (_ANYTHING, f"docs._id,{_ANYTHING}"):
            found: Sequence[Mapping[str, Any]] = self._client_request(
                "/_mget", {"_source": ",".join(wanted), "filter_path": told}, body, headers=_JSON
            ).get("docs", [])
            if not found:
                break
        return found

    def _bulk(self, lines: Sequence[BulkLine]) -> Sequence[Verdict]:
        """One bulk request; one that is refused as a whole is halved until the document at fault is alone."""
        try:
            answer = self._client_request(
                "/_bulk",
                {"filter_path": "errors,items.*.status,items.*.error"},
                b"".join(line.content for line in lines),
                headers=_NDJSON,
            )
        except ApiError as error:
            if error.status_code not in _REFUSED_WHOLE:
                raise
            if len(lines) == 1:
                return [Verdict(Fate.REJECTED, words_of(error))]
            middle = len(lines) // 2
            return [*self._bulk(lines[:middle]), *self._bulk(lines[middle:])]
        return verdicts_of(answer, len(lines))

    def _client_request(
        self, path: str, parameters: Mapping[str, str], body: bytes, *, headers: Mapping[str, str]
    ) -> Any:
        return self._open().perform_request("POST", path, params=parameters, headers=headers, body=body).body

    def _map_features(self, documents: Iterable[Document]) -> None:
        """See to it that every feature in these documents has its type before they are written."""
        for document in documents:
            collection = _BY_NAME.get(document.collection)
            if collection is None or not collection.per_model:
                continue
            model, features = document.fields.get("model"), document.fields.get("features")
            if not isinstance(features, Mapping) or not isinstance(model, str):
                continue
            if not features.keys() <= self._mapped.get(model, frozenset()) and MODEL_NAME.fullmatch(model):
                self._map(model)
                # Names that the model does not have are refused by the mapping, and not asked for again.
                self._mapped[model] |= features.keys()

    def _map(self, model: str) -> None:
        features = self._features_of(model)
        IndexSetup(self._open(), self._settings).ensure(model_families(model, features))
        known = frozenset(feature.name for feature in features)
        self._mapped[model] = self._mapped.get(model, frozenset()) | known

    def _open(self) -> Elasticsearch:
        if self._client is None:
            self._client = build_client(self._settings)
        return self._client

    def _workers(self) -> ThreadPoolExecutor:
        if self._pool is None:
            self._pool = ThreadPoolExecutor(self._settings.bulk_requests_max, thread_name_prefix="elasticsearch")
        return self._pool


def _position(stored: Mapping[str, Any], collection: Collection) -> Position | None:
    """Where the stored document's record was; None when there is no such document, or no such index yet."""
    fault = stored.get("error", {}).get("type")
    if fault not in (None, "index_not_found_exception"):
        raise StoreUnavailableError(f"what is stored can't be looked up now: {fault}")
    source = stored.get("_source")
    return None if source is None else position_in(source, collection)
