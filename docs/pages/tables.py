"""The page of tables and indices: what analysts can query, from the declared collections."""

from consumers.sinks.elasticsearch_mappings import properties_of
from consumers.sinks.elasticsearch_names import ALL_TIME, IndexNames
from consumers.stored_collections import COLLECTIONS, REPEATED_REQUESTS, Collection
from docs.pages.markdown import code, page, table
from runtime.settings import StoreSettings

_INTRO = """
One table of the embedded store, and one family of indices in Elasticsearch, for each kind of document.
Every row also has `id`, the document's identity, which is `_id` in Elasticsearch.
Times are text in ISO 8601, UTC, with milliseconds, so that date functions and date ranges work on them.
JSON is text for `json_extract` in SQL, and fields of their own in Elasticsearch.
A `flattened` field can be searched by any of its keys: `versions.version`.
Names of indices begin with `store.index_prefix`; each index holds a month of event time.
A text that is longer than 8,191 characters is stored in Elasticsearch and can't be searched for.
"""
_REVISED = (
    "Of two documents with one `id` the one of the higher `revision` stays; in Elasticsearch that is its `_version`."
)
_REPEATED = "The embedded store fills this table by itself, with the document's id as `id` and without the time."
_NAMES = IndexNames(StoreSettings().index_prefix)


def tables_page() -> str:
    """Every table with its columns."""
    parts: list[str] = []
    for collection in (*COLLECTIONS, REPEATED_REQUESTS):
        parts += [f"## {collection.name}", _about(collection), _columns(collection)]
    return page("Tables and indices", _INTRO, *parts)


def _about(collection: Collection) -> str:
    family = _NAMES.family(collection, "MODEL")
    said = [collection.doc, *([_REVISED] if collection.revised else [])]
    if collection is REPEATED_REQUESTS:
        said.append(_REPEATED)
    month = f"YYYY.MM`, by `{collection.time}`" if collection.monthly else f"{ALL_TIME}`"
    return "\n".join([*said, f"Indices: `{family}.{month}."])


def _columns(collection: Collection) -> str:
    mapped = properties_of(collection)
    rows = [
        (
            code(field.name),
            field.kind.value,
            code(mapped[field.name]["type"]),
            "may be missing" if field.nullable else "",
            field.doc,
        )
        for field in collection.fields
    ]
    return table(("column", "kind", "in Elasticsearch", "", "meaning"), rows)
