"""The page of topics: the catalogue, with names, keys, values, cleanup and owners."""

from docs.pages.markdown import code, page, sentences, table
from schemas.topics import CATALOGUE, DAY_MS, TopicKind

_INTRO = """
Every topic is declared once, in `schemas/topics.py`; `penstock topics create NAME` and the processes make them.
Names begin with `topics.prefix`, which is empty by default.
Broker-side timestamps are append times (`message.timestamp.type=LogAppendTime`): event time travels in the record.
Values are Avro with the Confluent framing: byte 0, the schema id in four bytes big-endian, the body.
"""
_MODEL = """
`topics.partitions` each, 8 by default, and 4 on the embedded broker.
The count can't change later, since keys would move; a message goes to murmur2 of its key.
"""
_SYSTEM = "One partition each; on the embedded broker partition 0 of four is used."
_COLUMNS = ("topic", "key", "value", "cleanup", "kept for", "written by", "what it holds")


def topics_page() -> str:
    """Every kind of topic of the catalogue."""
    per_model = [_row(kind, f"MODEL.{kind.name}") for kind in CATALOGUE if kind.per_model]
    system = [_row(kind, kind.name) for kind in CATALOGUE if not kind.per_model]
    return page(
        "Topics",
        _INTRO,
        "## Of each model",
        sentences(_MODEL),
        table(_COLUMNS, per_model),
        "## Of the system",
        _SYSTEM,
        table(_COLUMNS, system),
    )


def _row(kind: TopicKind, name: str) -> tuple[str, ...]:
    return (code(name), kind.key, code(kind.value), kind.cleanup, _kept(kind), kind.owner, kind.doc)


def _kept(kind: TopicKind) -> str:
    if kind.cleanup == "compact":
        return "the newest of each key, for ever"
    days = f"{kind.retention_ms // DAY_MS} days"
    return days if kind.cleanup == "delete" else f"the newest of each key, {days}"
