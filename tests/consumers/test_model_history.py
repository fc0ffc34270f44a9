"""What happened to models comes back from each kind of store as it was told."""

from dataclasses import replace
from pathlib import Path

import pytest

from consumers.documents import model_event_document
from consumers.model_history import stored_model_events
from schemas.events import ModelEvent
from tests.consumers.stored import APRIL, BOTH, both_stores

REGISTERED = ModelEvent(
    event_id="flights:1:ab:Registered",
    model="flights",
    kind="Registered",
    version="1",
    previous_version=None,
    reason="version 1 is on the shelf",
    caused_by="ab",
    occurred_at=APRIL + 1,
    issued_by="ann",
)
ACTIVATED = replace(REGISTERED, event_id="c:Activated", kind="Activated", previous_version="0", occurred_at=APRIL + 60)
OTHER = replace(REGISTERED, event_id="d", model="delays", version=None, occurred_at=APRIL + 31 * 86_400_000)


@pytest.mark.parametrize("kind", BOTH)
def test_events_come_back_in_their_order(kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    """Of one model or of all, every field as it was, to the millisecond."""
    sink, store, let_be_found = both_stores(kind, request, tmp_path)
    sink.setup()
    rejected = sink.write([model_event_document(each) for each in (ACTIVATED, OTHER, REGISTERED)])
    sink.close()
    let_be_found()

    assert rejected == []
    assert stored_model_events(store, "flights") == [REGISTERED, ACTIVATED]
    assert stored_model_events(store) == [REGISTERED, ACTIVATED, OTHER]
    assert stored_model_events(store, "nothing") == []
