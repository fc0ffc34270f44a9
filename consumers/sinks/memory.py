"""A store in memory for tests, with faults as data: `down` makes every call fail until it is cleared."""

from collections.abc import Mapping, Sequence

from consumers.errors import DocumentError, StoreUnavailableError
from consumers.sinks.base import Document, FieldValue, RejectedDocument
from consumers.sinks.shape import Shaper, plain_json
from consumers.stored_collections import COLLECTIONS

_BY_NAME = {collection.name: collection for collection in COLLECTIONS}


class MemorySink:
    """Keeps documents as they would be read back: `documents[collection][id]`."""

    def __init__(self) -> None:
        self.down = False
        self.documents: dict[str, dict[str, Mapping[str, FieldValue]]] = {name: {} for name in _BY_NAME}
        self.repeated: set[tuple[FieldValue, ...]] = set()
        self._revisions: dict[tuple[str, str], int] = {}
        self._shaper = Shaper(json=plain_json)

    def setup(self) -> None:
        self._check_up()

    def write(self, documents: Sequence[Document]) -> list[RejectedDocument]:
        self._check_up()
        rejected = []
        for document in documents:
            try:
                self._put(document)
            except DocumentError as error:
                rejected.append(RejectedDocument(document, str(error)))
        return rejected

    def close(self) -> None:
        """Documents stay, as they would in a real store."""

    def _check_up(self) -> None:
        if self.down:
            raise StoreUnavailableError("the store in memory was told to be down")

    def _put(self, document: Document) -> None:
        values = self._shaper.values(document)
        collection = _BY_NAME[document.collection]
        fields = dict(zip((field.name for field in collection.fields), values, strict=True))
        stored = self.documents[document.collection].get(document.id)
        if stored is not None and collection.position:
            self._note_repeat(document.id, stored, fields, position=collection.position)
        place = (document.collection, document.id)
        if document.revision is not None:
            if document.revision < self._revisions.get(place, document.revision):
                return
            self._revisions[place] = document.revision
        self.documents[document.collection][document.id] = fields

    def _note_repeat(
        self,
        document_id: str,
        stored: Mapping[str, FieldValue],
        fields: Mapping[str, FieldValue],
        *,
        position: Sequence[str],
    ) -> None:
        places = {tuple(source[name] for name in position) for source in (stored, fields)}
        if len(places) > 1:
            self.repeated |= {(document_id, *place) for place in places}
