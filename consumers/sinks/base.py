"""The port of every store: documents in, rejected documents out.

A sink upserts by (collection, id), so writing the same documents again changes nothing;
that, and committing offsets only after a write, is what makes stores exact whatever crashed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

FieldValue = None | bool | int | float | str | bytes | Sequence["FieldValue"] | Mapping[str, "FieldValue"]


@dataclass(frozen=True, slots=True)
class Document:
    """One document: a row of a table, a document of an index.

    `fields`: declared in the collection; times in milliseconds since the epoch. `event_time`, in
    milliseconds, decides the index of stores that have one per month, so a replay finds its
    document again. `revision`: given exactly in collections whose documents are revised.
    """

    collection: str
    id: str
    fields: Mapping[str, FieldValue]
    event_time: int
    revision: int | None = None


@dataclass(frozen=True, slots=True)
class RejectedDocument:
    """A document that the store will never take, with the reason in words."""

    document: Document
    detail: str


class Sink(Protocol):
    """A store. Every method may raise `StoreUnavailableError`: call again later."""

    def setup(self) -> None:
        """Make what is missing of the declared collections; called before the first write."""
        ...

    def write(self, documents: Sequence[Document]) -> list[RejectedDocument]:
        """Write all documents durably, or none; return those that the store can't take.

        Of two documents with one id the later one stays, or, in a collection whose documents are
        revised, the one of the higher revision. In a collection with positions, ids that came
        from more than one position are counted as repeated.
        """
        ...

    def close(self) -> None:
        """Let go of the store; nothing is pending."""
        ...
