"""Requests that were sent more than once, told from documents of one id at two positions. Pure."""

from collections.abc import Mapping

from consumers.sinks.base import Document, FieldValue
from consumers.stored_collections import REPEATED_REQUESTS, Collection

Position = tuple[FieldValue, ...]


def position_in(fields: Mapping[str, FieldValue], collection: Collection) -> Position:
    """Where the record of a document was."""
    return tuple(fields[name] for name in collection.position)


def repeat_documents(document: Document, collection: Collection, *, stored: Position | None) -> list[Document]:
    """Both positions as documents, when one with the same id is stored that came from another."""
    position = position_in(document.fields, collection)
    if stored is None or stored == position:
        return []
    return [_note(document, collection, each) for each in (stored, position)]


def _note(document: Document, collection: Collection, position: Position) -> Document:
    return Document(
        REPEATED_REQUESTS.name,
        ":".join(map(str, (document.id, *position))),
        {
            "document_id": document.id,
            "model": document.fields["model"],
            **dict(zip(collection.position, position, strict=True)),
            REPEATED_REQUESTS.time: document.event_time,
        },
        document.event_time,
    )
