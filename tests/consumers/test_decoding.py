"""Predictions as the lane encodes them become documents; what is no prediction is rejected alone."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from consumers.decoding import RecordDecoder
from consumers.performance_table import PerformanceTable
from runtime.batch import RecordColumns
from schemas.codec import EventCodec
from schemas.columns import PredictionColumns, RequestColumns
from schemas.directory_registry import DirectoryRegistry
from schemas.events import Label
from schemas.prediction_encoder import PredictionEncoder
from schemas.prediction_reader import PredictionReader
from schemas.reasons import Reason
from schemas.request_schema import prediction_schema
from schemas.signature import Feature, FeatureKind
from schemas.topics import Topics
from tests.consumers.stored import APRIL

FEATURES = (
    Feature(name="delay", kind=FeatureKind.NUMBER, dtype="float64", nullable=True),
    Feature(name="carrier", kind=FeatureKind.STRING, dtype="object"),
)
TOPIC = "flights.predictions"


@pytest.fixture
def registry(tmp_path: Path) -> DirectoryRegistry:
    """A schema registry of the test's own."""
    return DirectoryRegistry(tmp_path / "schemas.sqlite")


def test_an_encoded_prediction_becomes_its_document(registry: DirectoryRegistry) -> None:
    """Every field, with the routing bucket missing where no routing took place."""
    decoded = _decoder(registry).decode(_columns([_encoded(registry)]))
    (document,) = decoded.documents

    assert document.id == "flights:r1:live"
    assert dict(document.fields) == {
        "request_id": "r1",
        "entity_id": "N1",
        "model": "flights",
        "version": "2",
        "arm": "canary",
        "role": "live",
        "bucket": None,
        "generation": 3,
        "score": 0.5,
        "label": "1",
        "probabilities": [0.5, 0.5],
        "event_time": APRIL,
        "requested_at": APRIL + 1,
        "scored_at": APRIL + 2,
        "latency_ms": 1,
        "source_partition": 4,
        "source_offset": 5,
        "cluster_id": "cluster",
        "features": {"delay": None, "carrier": "UA"},
    }


def test_a_shadow_prediction_has_its_version_in_the_id(registry: DirectoryRegistry) -> None:
    """One request may be shadowed by several versions."""
    decoded = _decoder(registry).decode(_columns([_encoded(registry, role="shadow")]))

    assert [(document.collection, document.id) for document in decoded.documents] == [
        ("shadows", "flights:r1:shadow:2")
    ]


def test_a_bad_record_is_rejected_alone(registry: DirectoryRegistry) -> None:
    """Each row is a document or a rejection with its reason."""
    good = _encoded(registry)
    label = EventCodec(registry).encode(
        Label(model="flights", request_id="r", entity_id="e", label=None, event_time=APRIL)
    )
    values = [good, good[:-3], good + b"x", b"", None, label, _encoded(registry, model="other"), good]
    decoded = _decoder(registry).decode(_columns(values))

    assert decoded.rows == [0, 7]
    assert [(rejection.row, rejection.reason) for rejection in decoded.rejections] == [
        (1, Reason.MALFORMED),
        (2, Reason.MALFORMED),
        (3, Reason.EMPTY_VALUE),
        (4, Reason.TOMBSTONE),
        (5, Reason.MALFORMED),
        (6, Reason.MALFORMED),
    ]
    assert "not a prediction of flights: 'other'" in decoded.rejections[-1].detail


def test_only_what_people_query_is_read(registry: DirectoryRegistry) -> None:
    """Requests stay on their topic: predictions echo them."""
    stored = _decoder(registry).stored(
        ["flights.requests", TOPIC, "flights.labels", "flights.outcomes", "receipts", "elsewhere"]
    )

    assert stored == {TOPIC, "flights.labels", "flights.outcomes", "receipts"}


def _decoder(registry: DirectoryRegistry) -> RecordDecoder:
    return RecordDecoder(
        topics=Topics(),
        codec=EventCodec(registry),
        predictions=PredictionReader(registry),
        outcomes=PredictionReader(registry, record="Outcome"),
        performance=PerformanceTable(lambda _: ()),
        cluster_id="cluster",
        personal_features=lambda _: frozenset(),
    )


def _columns(values: list[bytes | None]) -> RecordColumns:
    rows = len(values)
    return RecordColumns(
        topic=TOPIC,
        keys=[b"N1"] * rows,
        values=values,
        headers=[None] * rows,
        partitions=[0] * rows,
        offsets=list(range(rows)),
        append_times=[APRIL] * rows,
    )


def _encoded(registry: DirectoryRegistry, *, model: str = "flights", role: str = "live") -> bytes:
    schema = prediction_schema(model, FEATURES)
    encoder = PredictionEncoder("fastavro", schema_id=registry.register(f"{model}-predictions", schema), schema=schema)
    requests = RequestColumns(
        rows=np.array([0]),
        request_ids=pa.array(["r1"]),
        entity_ids=pa.array(["N1"]),
        event_times=np.array([APRIL]),
        features=pa.RecordBatch.from_arrays(
            [pa.array([None], pa.float64()), pa.array(["UA"])], names=["delay", "carrier"]
        ),
    )
    (value,) = encoder.encode(
        PredictionColumns(
            model=model,
            role=role,
            generation=3,
            scored_at=APRIL + 2,
            requests=requests,
            versions=["2"],
            arms=["canary"],
            buckets=np.array([-1]),
            scores=np.array([0.5]),
            labels=["1"],
            probabilities=[np.array([0.5, 0.5])],
            requested_at=np.array([APRIL + 1]),
            partitions=np.array([4]),
            offsets=np.array([5]),
        )
    )
    return value
