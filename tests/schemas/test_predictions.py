"""Predictions are the same bytes by batch and one by one, and read back as they were made."""

import math

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.columns import PredictionColumns, RequestColumns
from schemas.errors import EventDecodeError, SchemaRegistryUnavailableError
from schemas.framing import frame
from schemas.prediction_encoder import PredictionEncoder
from schemas.prediction_reader import PredictionReader
from schemas.request_columns import features_schema
from schemas.request_schema import prediction_schema
from schemas.signature import Feature, FeatureKind
from tests.contracts.request_generation import DOUBLES, DTYPES, LONGS, TEXTS
from tests.contracts.schemas_in_memory import SchemasInMemory

FEATURES = tuple(
    Feature(name=f"f{index}", kind=kind, dtype=DTYPES[kind], nullable=True)
    for index, kind in enumerate([*FeatureKind, FeatureKind.NUMBER, FeatureKind.NUMBER, FeatureKind.INTEGER])
)
VALUES = {
    FeatureKind.NUMBER: DOUBLES,
    FeatureKind.INTEGER: LONGS,
    FeatureKind.BOOLEAN: st.booleans(),
    FeatureKind.STRING: TEXTS,
}


@st.composite
def predictions(draw: st.DrawFn, *, rows_max: int = 40) -> PredictionColumns:
    """Predictions on requests with every kind of feature, some columns full and some with gaps."""
    rows = draw(st.integers(0, rows_max))

    def column(values: st.SearchStrategy[object]) -> list[object]:
        return [draw(values) for _ in range(rows)]

    schema = features_schema(FEATURES)
    arrays = []
    for feature, field in zip(FEATURES, schema, strict=True):
        values = VALUES[feature.kind]
        arrays.append(
            pa.array(column(st.one_of(st.none(), values) if draw(st.booleans()) else values), field.type)
            if rows
            else pa.array([], field.type)
        )
    requests = RequestColumns(
        rows=np.arange(rows),
        request_ids=pa.array(column(TEXTS), pa.string()),
        entity_ids=pa.array(column(TEXTS), pa.string()),
        event_times=np.array(column(LONGS), dtype=np.int64),
        features=pa.RecordBatch.from_arrays(arrays, schema=schema),
    )
    return PredictionColumns(
        model="m",
        role="live",
        generation=draw(st.integers(0, 2**40)),
        scored_at=draw(st.integers(0, 2**45)),
        requests=requests,
        versions=[str(each) for each in column(st.integers(1, 3))],
        arms=[str(each) for each in column(st.sampled_from(["stable", "canary"]))],
        buckets=np.array(column(st.integers(-1, 9_999)), dtype=np.int64),
        scores=np.array(column(DOUBLES), dtype=np.float64),
        labels=draw(st.lists(st.one_of(st.none(), TEXTS), min_size=rows, max_size=rows)),
        probabilities=[np.array([0.25, math.nan]) if draw(st.booleans()) else None for _ in range(rows)],
        requested_at=np.array(column(st.integers(0, 2**45)), dtype=np.int64),
        partitions=np.array(column(st.integers(0, 100)), dtype=np.int64),
        offsets=np.array(column(LONGS), dtype=np.int64),
    )


@settings(max_examples=80, deadline=None)
@given(predictions())
def test_bytes_are_the_same_either_way(columns: PredictionColumns) -> None:
    """A batch at once and predictions one by one give identical bytes, gaps, NaN and unicode included."""
    schema = prediction_schema("m", FEATURES)

    at_once = PredictionEncoder("arrow", schema_id=3, schema=schema).encode(columns)

    assert at_once == PredictionEncoder("fastavro", schema_id=3, schema=schema).encode(columns)
    assert len(at_once) == len(columns.scores)


@settings(max_examples=40, deadline=None)
@given(predictions(rows_max=20))
def test_predictions_read_back(columns: PredictionColumns) -> None:
    """Every field comes back, times as ms since the epoch and features as they were given."""
    registry = SchemasInMemory()
    schema = prediction_schema("m", FEATURES)
    schema_id = registry.add(schema)
    reader = PredictionReader(registry)

    records = [
        reader.read(each) for each in PredictionEncoder("arrow", schema_id=schema_id, schema=schema).encode(columns)
    ]

    features = columns.requests.features.to_pylist()
    for row, record in enumerate(records):
        assert repr(record["features"]) == repr(features[row])
        assert repr(record["score"]) == repr(float(columns.scores[row]))
        assert record["label"] == columns.labels[row]
        assert record["bucket"] == columns.buckets[row]
        assert record["event_time"] == columns.requests.event_times[row]
        assert record["source_offset"] == columns.offsets[row]
        assert (record["probabilities"] is None) == (columns.probabilities[row] is None)
        assert (record["model"], record["role"], record["version"]) == ("m", "live", columns.versions[row])


@pytest.mark.parametrize("kind", ["arrow", "fastavro"])
@pytest.mark.parametrize("rows", [1, 20])
def test_features_are_aligned_to_the_prediction_schema(kind: str, rows: int) -> None:
    """A feature that the requests lack is null, and one that the schema lacks is left out."""
    registry = SchemasInMemory()
    schema = prediction_schema("m", (*FEATURES[:1], Feature(name="new", kind=FeatureKind.STRING, dtype="object")))
    schema_id = registry.add(schema)
    columns = one_column(rows)

    encoder = PredictionEncoder("arrow" if kind == "arrow" else "fastavro", schema_id=schema_id, schema=schema)
    records = [PredictionReader(registry).read(each) for each in encoder.encode(columns)]

    assert [record["features"] for record in records] == [{"f0": float(row), "new": None} for row in range(rows)]


def one_column(rows: int) -> PredictionColumns:
    """Predictions on requests with the first feature and one that no schema has."""
    fields = pa.schema([("gone", pa.int64()), ("f0", pa.float64())])
    arrays = [pa.array(range(rows), pa.int64()), pa.array(map(float, range(rows)), pa.float64())]
    zeros = np.zeros(rows, dtype=np.int64)
    return PredictionColumns(
        model="m",
        role="live",
        generation=1,
        scored_at=1,
        requests=RequestColumns(
            rows=np.arange(rows),
            request_ids=pa.array(["r"] * rows),
            entity_ids=pa.array(["e"] * rows),
            event_times=zeros,
            features=pa.RecordBatch.from_arrays(arrays, schema=fields),
        ),
        versions=["1"] * rows,
        arms=["stable"] * rows,
        buckets=zeros - 1,
        scores=np.zeros(rows),
        labels=[None] * rows,
        probabilities=[None] * rows,
        requested_at=zeros,
        partitions=zeros,
        offsets=zeros,
    )


@pytest.mark.parametrize(
    "value",
    [b"", b"\x01abcdef", frame(9, b"abc"), frame(1, b""), frame(1, b"\xff" * 30), frame(2, b"\x02a")],
    ids=["empty", "no frame", "unknown schema", "nothing in it", "noise", "another record"],
)
def test_what_is_no_prediction_is_refused(value: bytes) -> None:
    """Bytes that are no prediction raise one error, whatever is wrong with them."""
    registry = SchemasInMemory()
    registry.add(prediction_schema("m", FEATURES))
    registry.add('{"type": "record", "name": "Other", "fields": [{"name": "a", "type": "string"}]}')

    with pytest.raises(EventDecodeError):
        PredictionReader(registry).read(value)


def test_bytes_left_over_are_refused() -> None:
    """A prediction with anything behind it is none."""
    registry = SchemasInMemory()
    schema = prediction_schema("m", FEATURES)
    schema_id = registry.add(schema)
    (value,) = PredictionEncoder("fastavro", schema_id=schema_id, schema=schema).encode(one_column(1))

    with pytest.raises(EventDecodeError, match="1 bytes are left"):
        PredictionReader(registry).read(value + b"x")


def test_registry_that_is_away_is_no_verdict() -> None:
    """While the registry gives no answer, a prediction is not refused."""
    registry = SchemasInMemory()
    registry.away = True

    with pytest.raises(SchemaRegistryUnavailableError):
        PredictionReader(registry).read(frame(1, b"x"))
