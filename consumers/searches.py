"""The query side of Elasticsearch: searches, bounded in rows and in time, and their answers as rows.

Connects for each question and lets go of it; only ever searches.
"""

import base64
import re
from collections.abc import Iterator, Mapping
from typing import Any

import orjson
from elasticsearch import ApiError, Elasticsearch

from consumers.errors import QueryError, QueryLimitError
from consumers.questions import TIME_MAX_S, Body, Parameters, Question, Row, bounded
from consumers.search_rows import hit_row, rows_of
from consumers.sinks.elasticsearch_client import build_client, elasticsearch_faults, words_of
from consumers.sinks.elasticsearch_names import IndexNames
from consumers.stored_collections import COLLECTIONS, Collection, FieldKind
from runtime.settings import StoreSettings

PAGE_ROWS = 5_000
INDICES_MAX = 10_000
_SNAPSHOT_KEPT = "2m"
_WRONG = (400, 404)
_ASKED = re.compile(r"\s*(?:(?:GET|POST)\s+/?(?P<index>[^\s/?]+)/_search\s+)?(?P<body>\{.*\})\s*", re.DOTALL)


class ElasticsearchStore:
    """What has been stored on the configured nodes, for questions only."""

    def __init__(self, settings: StoreSettings) -> None:
        self._settings = settings
        self._names = IndexNames(settings.index_prefix)

    @property
    def place(self) -> str:
        return f"{', '.join(self._settings.urls)}, {self._names.everything}"

    def rows(
        self, question: Question, parameters: Parameters | None = None, *, time_max_s: float = TIME_MAX_S
    ) -> Iterator[Row]:
        body = question.search(parameters or {})
        pattern = self._names.pattern(question.collection)
        search = _Search(self._settings, pattern, time_max_s=time_max_s)
        if question.complete:
            search.refresh()
        if "aggs" in body:
            yield from search.buckets(body)
        elif "size" in body:
            yield from (_restored(row, question.collection) for row in search.once(body))
        else:
            yield from (_restored(row, question.collection) for row in search.hits(body))

    def ask(self, question: Question, parameters: Parameters | None = None) -> list[Row]:
        return bounded(self.rows(question, parameters))

    def query(self, text: str) -> list[Row]:
        """A search body as JSON, over everything that is stored, or `GET index/_search` and the body.

        The same text can be pasted into Kibana's console.
        """
        pattern, body = self._parse(text)
        return bounded(_Search(self._settings, pattern, time_max_s=TIME_MAX_S).once(body))

    def counts(self) -> dict[str, int]:
        body = {"size": 0, "aggs": {"index": {"terms": {"field": "_index", "size": INDICES_MAX}}}}
        found = dict.fromkeys((collection.name for collection in COLLECTIONS), 0)
        for row in _Search(self._settings, self._names.everything, time_max_s=TIME_MAX_S).once(body):
            collection = self._names.collection_in(str(row["index"]))
            if collection in found:
                found[collection] += int(str(row["doc_count"]))
        return found

    def _parse(self, text: str) -> tuple[str, Body]:
        asked = _ASKED.fullmatch(text)
        if asked is None:
            raise QueryError(
                "the store of this deployment is Elasticsearch, which is asked with a search body as JSON, after "
                f"a line such as `GET {self._names.prefix}-predictions-*/_search` if not all documents are meant; "
                "SQL is for the embedded store; docs/analysts.md has both for the same questions"
            )
        pattern = asked["index"] or self._names.everything
        if not all(part.startswith(f"{self._names.prefix}-") for part in pattern.split(",")):
            raise QueryError(f"only indices of this deployment can be asked: {self._names.everything}, not {pattern}")
        try:
            body = orjson.loads(asked["body"])
        except orjson.JSONDecodeError as error:
            raise QueryError(f"the search body is not JSON: {error}") from error
        return pattern, dict(body)


class _Search:
    """Searches one pattern of indices; an answer that is not whole is an error."""

    def __init__(self, settings: StoreSettings, pattern: str, *, time_max_s: float) -> None:
        self._settings = settings
        self._pattern = pattern
        self._time_max_s = time_max_s

    def refresh(self) -> None:
        """Let everything that was written be found from now on."""
        with elasticsearch_faults(self._settings), build_client(self._settings) as client:
            client.indices.refresh(index=self._pattern)

    def once(self, body: Body) -> Iterator[Row]:
        """The rows of one answer."""
        with elasticsearch_faults(self._settings), build_client(self._settings) as client:
            answer = self._ask(client, body, index=self._pattern)
        yield from rows_of(answer)

    def buckets(self, body: Body) -> Iterator[Row]:
        """All buckets, page by page where the outermost aggregation is a composite."""
        with elasticsearch_faults(self._settings), build_client(self._settings) as client:
            while True:
                answer = self._ask(client, {"size": 0, **body}, index=self._pattern)
                yield from rows_of(answer)
                after = _page_after(body, answer)
                if after is None:
                    return
                body = after

    def hits(self, body: Body) -> Iterator[Row]:
        """All hits in the order of `sort`, page by page out of one view of the indices."""
        with elasticsearch_faults(self._settings), build_client(self._settings) as client:
            view = client.open_point_in_time(index=self._pattern, keep_alive=_SNAPSHOT_KEPT)["id"]
            try:
                page: Body = {"size": PAGE_ROWS, **body}
                while True:
                    answer = self._ask(client, {**page, "pit": {"id": view, "keep_alive": _SNAPSHOT_KEPT}})
                    found = answer["hits"]["hits"]
                    yield from map(hit_row, found)
                    if len(found) < PAGE_ROWS:
                        return
                    view = answer["pit_id"]
                    page = {**page, "search_after": found[-1]["sort"]}
            finally:
                client.options(ignore_status=404).close_point_in_time(id=view)

    def _ask(self, client: Elasticsearch, body: Body, *, index: str | None = None) -> Mapping[str, Any]:
        patient = client.options(request_timeout=self._time_max_s)
        bounded_body = {"timeout": f"{self._time_max_s:.0f}s", "track_total_hits": False, **body}
        try:
            answer = patient.search(index=index, body=bounded_body, allow_partial_search_results=False)
        except ApiError as error:
            if error.status_code in _WRONG:
                raise QueryError(f"the query is wrong: {words_of(error)}") from error
            raise
        if answer["timed_out"]:
            raise QueryLimitError(f"the query took longer than {self._time_max_s:g} s: ask for less")
        found: Mapping[str, Any] = answer.body
        return found


def _page_after(body: Body, answer: Mapping[str, Any]) -> Body | None:
    """The body that asks for the next page of a composite; None after the last, and where there is none."""
    ((name, aggregation), *others) = body["aggs"].items()
    # Where there is no index yet, the answer has no aggregations at all.
    key = answer.get("aggregations", {}).get(name, {}).get("after_key")
    if others or "composite" not in aggregation or key is None:
        return None
    composite = {**aggregation["composite"], "after": key}
    return {**body, "aggs": {name: {**aggregation, "composite": composite}}}


def _restored(row: Row, collection: Collection) -> Row:
    """A document's fields as they were written: bytes again where they are base64."""
    binary = [field.name for field in collection.fields if field.kind is FieldKind.BYTES and row.get(field.name)]
    return {**row, **{name: base64.b64decode(str(row[name])) for name in binary}}
