"""Elasticsearch as a whole: its templates and indices compared with what they should be, its old months deleted."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import orjson
from elasticsearch import Elasticsearch

from consumers.errors import StoreUnavailableError
from consumers.sinks.elasticsearch_client import build_client, elasticsearch_faults
from consumers.sinks.elasticsearch_names import IndexNames, month_in
from consumers.sinks.elasticsearch_setup import BASE_FAMILIES, Family, IndexSetup, model_families
from consumers.stored_collections import COLLECTIONS, REPEATED_REQUESTS, Collection
from consumers.upkeep import Difference, Month, StoredPart
from runtime.settings import StoreSettings
from schemas.signature import Feature

DOCUMENTS_AT_ONCE = 5_000
_GONE = 404
_BY_NAME = {collection.name: collection for collection in (*COLLECTIONS, REPEATED_REQUESTS)}


class ElasticsearchUpkeep:
    """Looks after the indices of one deployment.

    `models`: those that are known; they are set up before their first document comes, and compared
    once they have indices.
    """

    def __init__(
        self, settings: StoreSettings, *, models: Sequence[str], features_of: Callable[[str], Sequence[Feature]]
    ) -> None:
        self._settings = settings
        self._models = models
        self._features_of = features_of
        self._names = IndexNames(settings.index_prefix)

    def setup(self) -> None:
        with elasticsearch_faults(self._settings), build_client(self._settings) as client:
            IndexSetup(client, self._settings).ensure(self._families({*self._models, *self._indexed(client)}))

    def differences(self) -> list[Difference]:
        with elasticsearch_faults(self._settings), build_client(self._settings) as client:
            return IndexSetup(client, self._settings).differences(self._families(self._indexed(client)))

    def parts(self, collections: Sequence[Collection], *, before: Month) -> list[StoredPart]:
        wanted = {collection.name for collection in collections}
        found: list[StoredPart] = []
        with elasticsearch_faults(self._settings), build_client(self._settings) as client:
            sizes = client.indices.stats(index=self._names.everything, metric=["docs", "store"])["indices"]
            for index in self._indices(client):
                collection = _BY_NAME.get(self._names.collection_in(index) or "")
                if collection is None or collection.name not in wanted:
                    continue
                month = month_in(index)
                if month is None:
                    found += _parts_by_time(client, index, collection, before=before)
                elif Month.parse(month) < before:
                    found.append(_part(index, collection, Month.parse(month), sizes.get(index)))
        return sorted(found, key=lambda part: (part.month, part.where))

    def delete(self, part: StoredPart) -> None:
        index = part.where.removeprefix("index ")
        with elasticsearch_faults(self._settings), build_client(self._settings) as client:
            if month_in(index) is not None:
                client.options(ignore_status=_GONE).indices.delete(index=index)
                return
            collection = _BY_NAME[part.collection]
            while _delete_some(client, index, collection, month=part.month):
                pass

    def _families(self, models: Iterable[str]) -> list[Family]:
        families = list(BASE_FAMILIES)
        for model in sorted(models):
            families += model_families(model, self._features_of(model))
        return families

    def _indexed(self, client: Elasticsearch) -> set[str]:
        """Models that have indices."""
        return {model for index in self._indices(client) if (model := self._names.model_in(index)) is not None}

    def _indices(self, client: Elasticsearch) -> list[str]:
        found = client.indices.resolve_index(name=self._names.everything, expand_wildcards="open,closed")
        return sorted(each["name"] for each in found["indices"])


def _part(index: str, collection: Collection, month: Month, size: Any) -> StoredPart:
    """A whole index; one that is closed tells neither its documents nor its size."""
    primaries = size["primaries"] if size else {}
    return StoredPart(
        collection=collection.name,
        where=f"index {index}",
        month=str(month),
        documents=primaries.get("docs", {}).get("count", 0),
        bytes=primaries.get("store", {}).get("size_in_bytes"),
    )


def _parts_by_time(client: Elasticsearch, index: str, collection: Collection, *, before: Month) -> list[StoredPart]:
    """The months in an index that holds all time."""
    histogram = {"field": collection.time, "calendar_interval": "month", "format": "yyyy-MM", "min_doc_count": 1}
    answer = client.search(
        index=index,
        size=0,
        query={"range": {collection.time: {"lt": before.start}}},
        aggs={"month": {"date_histogram": histogram}},
    )
    return [
        StoredPart(
            collection=collection.name,
            where=f"index {index}",
            month=bucket["key_as_string"],
            documents=bucket["doc_count"],
        )
        for bucket in answer["aggregations"]["month"]["buckets"]
    ]


def _delete_some(client: Elasticsearch, index: str, collection: Collection, *, month: str) -> int:
    """Delete some documents of a month, and say how many there were; a newer revision of one stays."""
    within = {"gte": f"{month}||/M", "lte": f"{month}||/M", "format": "yyyy-MM"}
    client.indices.refresh(index=index)
    hits = client.search(
        index=index,
        size=DOCUMENTS_AT_ONCE,
        query={"range": {collection.time: within}},
        source=False,
        version=True,
        allow_partial_search_results=False,
    )["hits"]["hits"]
    if not hits:
        return 0
    lines = [
        {"delete": {"_index": index, "_id": hit["_id"], "version": hit["_version"], "version_type": "external_gte"}}
        for hit in hits
    ]
    answer = client.bulk(operations=lines)
    refused = [item["delete"] for item in answer["items"] if item["delete"]["status"] not in (200, 404, 409)]
    if refused:
        raise StoreUnavailableError(f"a document of {index} can't be deleted now: {orjson.dumps(refused[0]).decode()}")
    return len(hits)
