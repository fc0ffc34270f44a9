"""A store with a few days of predictions and some dead letters, for tests of the query side."""

from pathlib import Path

from consumers.documents import dead_letter_document, prediction_document
from consumers.sinks.base import FieldValue
from consumers.sinks.sqlite import SqliteSink
from schemas.events import DeadLetter, Header

DAY_MS = 86_400_000
APRIL = 1_364_774_400_000


def prediction(number: int, **changes: FieldValue) -> dict[str, FieldValue]:
    """The `number`-th prediction: one an hour, scored `number` ms after its request."""
    requested_at = APRIL + number * 3_600_000
    fields: dict[str, FieldValue] = {
        "request_id": f"r{number}",
        "entity_id": f"N{number % 7}",
        "model": "flights",
        "version": "1",
        "arm": "stable",
        "role": "live",
        "bucket": -1,
        "generation": 1,
        "score": 0.25,
        "label": "0",
        "probabilities": None,
        "event_time": requested_at,
        "requested_at": requested_at,
        "scored_at": requested_at + number,
        "source_partition": 0,
        "source_offset": number,
        "features": {"carrier": "UA", "tailnum": "N1"},
    }
    return fields | changes


def outcome(number: int, **changes: FieldValue) -> dict[str, FieldValue]:
    """The `number`-th prediction with its label, which came a minute after it and agrees."""
    judged = prediction(number)
    label: dict[str, FieldValue] = {
        "truth": "0",
        "truth_value": None,
        "truth_probability": 0.75,
        "loss": 0.0,
        "loss_scale": None,
        "retracted": False,
        "label_event_time": APRIL + number * 3_600_000 + 60_000,
        "label_revision": 0,
        "weight": None,
        "value": None,
        "delay_ms": 60_000,
        "joined_at": APRIL,
        "revision": 1,
    }
    return judged | label | changes


def dead_letter(offset: int, **changes: object) -> DeadLetter:
    """A request that could not be decoded."""
    fields: dict[str, object] = {
        "model": "flights",
        "reason": "truncated",
        "stage": "decode",
        "detail": "ends after 3 bytes",
        "cluster_id": "cluster",
        "topic": "flights.requests",
        "partition": 0,
        "offset": offset,
        "append_time": APRIL + offset,
        "key": b"N1",
        "value": b"\x00\x01",
        "value_bytes": 2,
        "value_sha256": "00",
        "value_truncated": False,
        "headers": (Header(name="a", value=b"text"), Header(name="b", value=b"\xff"), Header(name="c", value=None)),
        "service": "scorer-0",
        "failed_at": APRIL + offset,
    }
    return DeadLetter(**(fields | changes))  # type: ignore[arg-type]  # a sample, checked by the codec elsewhere


def fill(path: Path, predictions: list[dict[str, FieldValue]], letters: list[DeadLetter]) -> None:
    """Write these to a store at `path`."""
    sink = SqliteSink(path)
    sink.setup()
    sink.write(
        [
            *(prediction_document(each, cluster_id="cluster", personal=frozenset()) for each in predictions),
            *(dead_letter_document(letter, personal=False) for letter in letters),
        ]
    )
    sink.close()
