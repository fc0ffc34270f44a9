"""The page of tables: what analysts can query, from the declared collections."""

from consumers.stored_collections import COLLECTIONS, Collection
from docs.pages.markdown import code, page, table

_INTRO = """
One table of the embedded store for each kind of document; every table also has `id`, the document's identity.
Times are text in ISO 8601, UTC, with milliseconds, so that SQL's date functions work on them.
JSON is text for `json_extract`.
`repeated_requests` lists the source positions of request ids that were sent more than once.
"""
_REVISED = "Of two documents with one `id` the one of the higher `revision` stays."


def tables_page() -> str:
    """Every table with its columns."""
    parts: list[str] = []
    for collection in COLLECTIONS:
        parts += [f"## {collection.name}", _about(collection), _columns(collection)]
    return page("Tables", _INTRO, *parts)


def _about(collection: Collection) -> str:
    return f"{collection.doc}\n{_REVISED}" if collection.revised else collection.doc


def _columns(collection: Collection) -> str:
    rows = [
        (code(field.name), field.kind.value, "may be missing" if field.nullable else "", field.doc)
        for field in collection.fields
    ]
    return table(("column", "kind", "", "meaning"), rows)
