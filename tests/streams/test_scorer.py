"""Records of one model in; predictions, rejections and the rows of each version out."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import count

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from registry.binning import SCORE, Binning, ColumnBins
from registry.fitting import Frame
from registry.loaded import LabelRule, LoadedVersion
from runtime.batch import RecordColumns
from schemas.columns import Rejection, RequestColumns
from schemas.events import BucketRange, DeploymentState, ServedVersion
from schemas.prediction_encoder import PredictionEncoder
from schemas.reasons import Reason
from schemas.request_schema import prediction_schema
from schemas.signature import Container, Feature, FeatureKind, Signature, Task
from streams.scoring.routing import BUCKETS
from streams.scoring.scorer import ScoredRecords, score_records
from streams.scoring.serving import Serving
from streams.scoring.validation import EventTimeBounds

FEATURE = Feature(name="a", kind=FeatureKind.NUMBER, dtype="float64")
SIGNATURE = Signature(features=(FEATURE,), task=Task.REGRESSION, container=Container.DATAFRAME)
BINNING = Binning([ColumnBins(name="a", edges=(0.5,)), ColumnBins(name=SCORE, edges=(0.5,))])
RAISES, NOT_FINITE = 77.0, 99.0


class Doubling:
    """Answers twice the feature; raises for one value and gives no number for another."""

    def predict(self, X: Frame) -> npt.NDArray[np.float64]:  # noqa: N803  scikit-learn's name
        assert isinstance(X, pd.DataFrame)
        values = X["a"].to_numpy()
        if (values == RAISES).any():
            raise ValueError("seventy-seven")
        doubled: npt.NDArray[np.float64] = np.where(values == NOT_FINITE, np.nan, 2 * values)
        return doubled


class NumberDecoder:
    """Reads the feature from the value's text; what is no number is malformed, `-` is missing."""

    def decode(self, values: Sequence[bytes | None]) -> tuple[RequestColumns, list[Rejection]]:
        good = [row for row, value in enumerate(values) if value != b"junk"]
        features = [None if values[row] == b"-" else float(values[row] or b"0") for row in good]
        columns = RequestColumns(
            rows=np.array(good, dtype=np.int64),
            request_ids=pa.array([f"r{row}" for row in good]),
            entity_ids=pa.array([f"e{row}" for row in good]),
            event_times=np.array([1_000 + row for row in good], dtype=np.int64),
            features=pa.record_batch({"a": pa.array(features, pa.float64())}),
        )
        return columns, [
            Rejection(row=row, reason=Reason.MALFORMED, detail="junk") for row in range(len(values)) if row not in good
        ]


def version(name: str) -> LoadedVersion:
    return LoadedVersion(
        name="m",
        version=name,
        bundle="b",
        signature=SIGNATURE,
        estimator=Doubling(),
        label_rule=LabelRule.ARGMAX,
        binning=BINNING,
        block_rows=500,
    )


def score(values: Sequence[bytes], *loaded: LoadedVersion | None) -> ScoredRecords:
    """Score with these versions, which share the buckets evenly; None is quarantined."""
    width = BUCKETS // len(loaded)
    served = tuple(
        ServedVersion(
            version=str(index), bundle="b", arm="", buckets=(BucketRange(start=index * width, end=(index + 1) * width),)
        )
        for index in range(len(loaded))
    )
    serving = Serving(
        state=DeploymentState(
            model="m",
            generation=3,
            salt=7,
            versions=served,
            previous_version=None,
            request_schema_id=1,
            prediction_schema_id=2,
            accepted_losses=(),
            command_id="c",
            decided_at=0,
        ),
        versions=loaded,
        quarantined={str(index): "hung" for index, each in enumerate(loaded) if each is None},
        decoder=NumberDecoder(),
        encoder=PredictionEncoder("fastavro", schema_id=2, schema=prediction_schema("m", [FEATURE])),
    )
    rows = len(values)
    records = RecordColumns(
        topic="m.requests",
        keys=[f"e{row}".encode() for row in range(rows)],
        values=list(values),
        headers=[None] * rows,
        partitions=[row % 3 for row in range(rows)],
        offsets=list(range(rows)),
        append_times=[5] * rows,
    )
    seconds = count()
    return score_records(
        records, serving, bounds=EventTimeBounds(), now=9, guard=unguarded, timer=lambda: float(next(seconds))
    )


@contextmanager
def unguarded(_model: str, _version: str) -> Iterator[None]:
    yield


def test_a_version_s_rows_are_all_that_it_was_asked_to_score() -> None:
    """Rows that got no score are among them, with the reason and without a number; others are no version's."""
    scored = score([b"1", b"junk", b"-", b"77", b"99", b"3"], version("1"))
    (rows,) = scored.versions

    assert rows.rows.tolist() == [0, 2, 3, 4, 5]
    assert rows.features.column("a").to_pylist() == [1.0, None, RAISES, NOT_FINITE, 3.0]
    assert rows.event_times.tolist() == [1_000, 1_002, 1_003, 1_004, 1_005]
    np.testing.assert_array_equal(rows.scores, [2.0, np.nan, np.nan, np.nan, 6.0])
    assert sorted(rows.rejected) == [
        (1, Reason.MISSING_VALUE),
        (2, Reason.ESTIMATOR_ERROR),
        (3, Reason.SCORE_NOT_FINITE),
    ]
    assert sorted((each.row, each.reason) for each in scored.rejections) == [
        (1, Reason.MALFORMED),
        (2, Reason.MISSING_VALUE),
        (3, Reason.ESTIMATOR_ERROR),
        (4, Reason.SCORE_NOT_FINITE),
    ]
    assert scored.predictions.requests.rows.tolist() == [0, 5]


def test_a_rejection_names_the_request_and_the_version_where_they_are_known() -> None:
    """For whoever looks for one request in the log: bytes that are no request have no id."""
    junk, raised = sorted(score([b"junk", b"77"], version("1")).rejections, key=lambda rejection: rejection.row)
    (quarantined,) = score([b"1"], None).rejections

    assert (junk.request_id, junk.version) == (None, None)
    assert (raised.request_id, raised.version) == ("r1", "1")
    assert (quarantined.request_id, quarantined.version) == ("r0", "0")


def test_the_stages_of_a_version_are_timed() -> None:
    """Each reading of this timer is a second later; decoding is shared by the rows of the batch."""
    scored = score([b"1", b"junk", b"2", b"3"], version("1"))

    assert scored.versions[0].durations_us == {"decode": 750_000, "fit": 1_000_000, "score": 1_000_000}


def test_rows_of_two_versions_are_told_apart() -> None:
    """Together they are all rows that were routed, and each has its own scores and rejections."""
    values = [str(number).encode() for number in range(200)]
    scored = score(values, version("1"), None)
    first, second = scored.versions

    assert sorted([*first.rows.tolist(), *second.rows.tolist()]) == list(range(200))
    good = [row for row in first.rows.tolist() if row not in (RAISES, NOT_FINITE)]
    assert good == scored.predictions.requests.rows.tolist()
    assert {reason for _, reason in second.rejected} == {Reason.VERSION_QUARANTINED}
    assert len(second.rejected) == len(second.rows)
    assert np.isnan(second.scores).all()
    assert second.durations_us.keys() == {"decode"}
