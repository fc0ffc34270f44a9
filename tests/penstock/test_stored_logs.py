"""What a running stack says of itself is in its store, and what it can't take is said with its place."""

from typing import Any

import orjson
import pytest

from penstock import wiring
from producers.publisher import Publisher
from runtime.settings import load_settings
from runtime.stack import attach
from schemas.topics import REQUESTS
from tests.penstock.conftest import MODEL, Shop
from tests.runtime.lane_parts import eventually
from tests.stack import penstock_json

pytestmark = pytest.mark.wire


def stored_lines(shop: Shop, event: str) -> list[dict[str, Any]]:
    sql = f"SELECT * FROM logs WHERE event = '{event}' ORDER BY logged_at"
    return [dict(line) for line in penstock_json("query", sql, data_dir=shop.data_dir)]


def test_a_decision_is_in_the_store_with_model_and_version(shop: Shop) -> None:
    """The controller's line about the version that came to serve, and the scorer's that it swapped."""
    assert eventually(lambda: bool(stored_lines(shop, "decided") and stored_lines(shop, "swapped")), timeout_s=60)
    decided, swapped = stored_lines(shop, "decided")[0], stored_lines(shop, "swapped")[0]

    assert (decided["service"], decided["model"], decided["version"]) == ("controller-0", MODEL, "1")
    assert orjson.loads(decided["fields"])["outcome"] == "accepted"
    assert (swapped["service"], swapped["model"], swapped["version"]) == ("scorer-0", MODEL, "1")


def test_a_record_that_was_dead_lettered_is_told_of_with_its_place(shop: Shop) -> None:
    """Topic, partition, offset and reason of the first of them; nothing of what it held."""
    settings = load_settings(data_dir=shop.data_dir)
    topic = wiring.topics(settings).of(REQUESTS, MODEL)
    with Publisher(attach(settings)) as publisher:
        publisher.publish(topic, b"these are not the bytes of a request", key=b"e1")

    assert eventually(lambda: bool(stored_lines(shop, "records dead-lettered")), timeout_s=60)
    line = next(line for line in stored_lines(shop, "records dead-lettered") if line["topic"] == topic)
    assert (line["level"], line["service"], line["model"]) == ("warning", "scorer-0", MODEL)
    assert isinstance(line["partition"], int)
    assert isinstance(line["offset"], int)
    assert "these are not the bytes" not in repr(line)


def test_the_supervisor_is_in_the_store_too(shop: Shop) -> None:
    """What it says once the broker serves."""
    assert eventually(lambda: bool(stored_lines(shop, "stack serves")), timeout_s=60)
    (line,) = stored_lines(shop, "stack serves")

    assert line["service"] == "supervisor-0"
