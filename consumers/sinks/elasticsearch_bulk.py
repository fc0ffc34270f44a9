"""Documents as the lines of a bulk request, and what the answer says of each. Pure.

A bulk request is answered item by item. What became of one is one of three things: Elasticsearch
has it (a conflict of versions says that it has a newer one), it will never take it, or it can't
take it now.
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from itertools import groupby, islice
from operator import attrgetter
from typing import Any, NamedTuple

import orjson

from consumers.errors import DocumentError
from consumers.sinks.base import Document, FieldValue
from consumers.sinks.elasticsearch_names import IndexNames
from consumers.sinks.shape import Shaper, as_it_is, base64_text
from consumers.stored_collections import COLLECTIONS, REPEATED_REQUESTS, Collection

ID_BYTES_MAX = 512
"""Elasticsearch takes no longer ids, and refuses the whole request for one."""
_OUR_FAULT = 400
_CONFLICT = 409
# Of the faults that are told with code 400 these are the cluster's, not the document's.
_NOT_THE_DOCUMENTS = frozenset({"validation_exception", "index_closed_exception"})


class Fate(Enum):
    """What became of one item."""

    TAKEN = "taken"
    REJECTED = "rejected"
    LATER = "later"


class BulkLine(NamedTuple):
    """One document as it travels: the index and key that it will have, and the bytes that say so."""

    document: Document
    index_name: str
    key: str
    content: bytes


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of one item, in Elasticsearch's own words where it was not taken."""

    fate: Fate
    detail: str = ""


class BulkEncoder:
    """Turns documents into lines; times become text and NaN null, as in every store."""

    def __init__(self, names: IndexNames) -> None:
        self._names = names
        everything = (*COLLECTIONS, REPEATED_REQUESTS)
        self._shaper = Shaper(json=as_it_is, binary=base64_text, collections=everything)
        self._collections: Mapping[str, tuple[Collection, tuple[str, ...]]] = {
            collection.name: (collection, tuple(field.name for field in collection.fields)) for collection in everything
        }

    def encode(self, document: Document) -> BulkLine:
        """Raises `DocumentError` naming the field that does not fit."""
        values = self._shaper.values(document)
        _collection, fields = self._collections[document.collection]
        return self._line(document, _source(fields, values))

    def encode_all(self, documents: Sequence[Document]) -> list[BulkLine] | None:
        """Lines of documents of one collection, in two thirds of the time.

        None when one of them does not fit: `encode` tells which, and why.
        """
        rows = self._shaper.rows(documents)
        if rows is None:
            return None
        _collection, fields = self._collections[documents[0].collection]
        try:
            return [
                self._line(
                    document, orjson.dumps(dict(zip(fields, row, strict=True)), option=orjson.OPT_APPEND_NEWLINE)
                )
                for document, row in zip(documents, rows, strict=True)
            ]
        except (DocumentError, TypeError):
            return None

    def _line(self, document: Document, source: bytes) -> BulkLine:
        collection, _fields = self._collections[document.collection]
        model = str(document.fields["model"]) if collection.per_model else ""
        index = self._names.index(collection, model, document.event_time)
        key = key_of(document.id)
        action: dict[str, FieldValue] = {"_index": index, "_id": key}
        if document.revision is not None:
            action["version"], action["version_type"] = document.revision, "external_gte"
        head = orjson.dumps({"index": action}, option=orjson.OPT_APPEND_NEWLINE)
        return BulkLine(document, index, key, head + source)


def key_of(document_id: str) -> str:
    """The key of a document id in Elasticsearch: itself, or its hash where it is too long.

    >>> key_of("flights:r1:live")
    'flights:r1:live'
    >>> len(key_of("x" * 513))
    71
    """
    encoded = document_id.encode()
    if len(encoded) <= ID_BYTES_MAX:
        return document_id
    return f"sha256:{hashlib.sha256(encoded).hexdigest()}"


def waves(documents: Iterable[Document]) -> list[list[Document]]:
    """Documents that may travel at the same time: of those with one id each is in a later wave."""
    parted: list[list[Document]] = []
    seen: dict[tuple[str, str], int] = {}
    for document in documents:
        place = (document.collection, document.id)
        wave = seen.get(place, 0)
        seen[place] = wave + 1
        if wave == len(parted):
            parted.append([])
        parted[wave].append(document)
    return parted


def alike(documents: Iterable[Document], *, documents_max: int) -> Iterator[list[Document]]:
    """Neighbors of one collection, at most so many at a time."""
    for _collection, neighbors in groupby(documents, key=attrgetter("collection")):
        while some := list(islice(neighbors, documents_max)):
            yield some


def requests_of(lines: Iterable[BulkLine], *, bytes_max: int) -> Iterator[list[BulkLine]]:
    """Lines in groups of at most so many bytes; a longer line goes alone."""
    group: list[BulkLine] = []
    size = 0
    for line in lines:
        if group and size + len(line.content) > bytes_max:
            yield group
            group, size = [], 0
        group.append(line)
        size += len(line.content)
    if group:
        yield group


def verdicts_of(answer: Mapping[str, Any], count: int) -> Sequence[Verdict]:
    """What a bulk answer says of each of `count` items."""
    items = answer["items"]
    assert len(items) == count, f"{len(items)} answers to {count} items"
    if not answer["errors"]:
        return [_TAKEN] * count
    return [verdict_of(item["index"]) for item in items]


def verdict_of(item: Mapping[str, Any]) -> Verdict:
    """What became of one item.

    >>> verdict_of({"status": 201}).fate, verdict_of({"status": 409, "error": {}}).fate
    (<Fate.TAKEN: 'taken'>, <Fate.TAKEN: 'taken'>)
    >>> verdict_of({"status": 429, "error": {"type": "es_rejected_execution_exception", "reason": "full"}})
    Verdict(fate=<Fate.LATER: 'later'>, detail='es_rejected_execution_exception: full')
    >>> verdict_of({"status": 400, "error": {"type": "document_parsing_exception", "reason": "no"}}).fate
    <Fate.REJECTED: 'rejected'>
    """
    status, error = item["status"], item.get("error")
    if error is None or status == _CONFLICT:
        return _TAKEN
    document_at_fault = status == _OUR_FAULT and error["type"] not in _NOT_THE_DOCUMENTS
    return Verdict(Fate.REJECTED if document_at_fault else Fate.LATER, in_words(error))


def in_words(error: Mapping[str, Any]) -> str:
    """Elasticsearch's words for an error, its cause included where that says more."""
    words = f"{error['type']}: {error.get('reason')}"
    cause = error.get("caused_by")
    return f"{words} ({in_words(cause)})" if cause else words


_TAKEN = Verdict(Fate.TAKEN)


def _source(fields: tuple[str, ...], values: list[FieldValue]) -> bytes:
    """The document itself. Raises `DocumentError` naming the field whose JSON can't be written."""
    try:
        return orjson.dumps(dict(zip(fields, values, strict=True)), option=orjson.OPT_APPEND_NEWLINE)
    except TypeError as error:
        raise DocumentError(_at_fault(fields, values) or str(error)) from error


def _at_fault(fields: tuple[str, ...], values: list[FieldValue]) -> str | None:
    for name, value in zip(fields, values, strict=True):
        try:
            orjson.dumps(value)
        except TypeError as error:
            return f"field {name!r}: {error}"
    return None
