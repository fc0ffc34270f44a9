"""A store with a few days of predictions and some dead letters, for tests of the query side."""

from collections.abc import Callable
from pathlib import Path

import pytest

from consumers.documents import dead_letter_document, prediction_document
from consumers.queries import SqliteStore
from consumers.questions import Store
from consumers.searches import ElasticsearchStore
from consumers.sinks.base import FieldValue, Sink
from consumers.sinks.elasticsearch import ElasticsearchSink
from consumers.sinks.sqlite import SqliteSink
from schemas.events import ConfusionCell, DeadLetter, Header, Performance, ScoreBin
from schemas.signature import Feature, FeatureKind
from tests.services.elasticsearch_server import ElasticsearchServer

DAY_MS = 86_400_000
APRIL = 1_364_774_400_000
BOTH = ["sqlite", pytest.param("elasticsearch", marks=pytest.mark.services)]


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


def part(partition: int, **changes: object) -> Performance:
    """What a partition knows of an hour of April: of three predictions two are labeled, and one was wrong."""
    fields: dict[str, object] = {
        "part_id": f"flights:1:stable:live:{APRIL}:{partition}",
        "model": "flights",
        "version": "1",
        "arm": "stable",
        "role": "live",
        "partition": partition,
        "start": APRIL,
        "end": APRIL + 3_600_000,
        "revision": 5,
        "task": "binary",
        "classes": ("0", "1"),
        "loss_scale": None,
        "watermark": APRIL + 5_400_000,
        "age_cutoff_ms": 3_600_000,
        "predicted": 3,
        "low_confidence": 1,
        "labeled": 2,
        "retracted": 0,
        "sums": {"weight": 2.0, "weight_squared": 2.0, "loss": 1.0, "loss_squared": 1.0, "delay_ms": 120_000.0},
        "confusion": (
            ConfusionCell(truth="0", label="0", weight=1.0),
            ConfusionCell(truth="1", label="0", weight=1.0),
        ),
        "scores": (ScoreBin(bin=700, negative=1.0, positive=1.0, score=0.5),),
        "told_at": APRIL + 7_200_000,
    }
    return Performance(**(fields | changes))  # type: ignore[arg-type]  # a sample, checked by the codec elsewhere


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


FEATURES = tuple(
    Feature(name=name, kind=FeatureKind.STRING, dtype="object", nullable=True)
    for name in ("carrier", "tailnum", "origin", "dest")
)


def fill(sink: Sink, predictions: list[dict[str, FieldValue]], letters: list[DeadLetter]) -> None:
    """Write these to a store, and let go of it."""
    sink.setup()
    rejected = sink.write(
        [
            *(prediction_document(each, cluster_id="cluster", personal=frozenset()) for each in predictions),
            *(dead_letter_document(letter, personal=False) for letter in letters),
        ]
    )
    sink.close()
    assert rejected == []


def both_stores(kind: str, request: pytest.FixtureRequest, folder: Path) -> tuple[Sink, Store, Callable[[], None]]:
    """An empty store of a kind to write, to ask, and a way to let what was written be found."""
    if kind == "sqlite":
        path = folder / "store.sqlite"
        return SqliteSink(path), SqliteStore(path), lambda: None
    server: ElasticsearchServer = request.getfixturevalue("elasticsearch")
    settings = server.store_settings("both")
    sink = ElasticsearchSink(settings, features_of=lambda _model: FEATURES)
    return sink, ElasticsearchStore(settings), lambda: server.refresh("both")
