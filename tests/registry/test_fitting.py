"""Typed columns to frames: what fits, what is rejected and why."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from registry.estimators import EstimatorFacts
from registry.fitting import fit_rows
from registry.sampling import as_features, signature_of
from schemas.columns import Rejection
from schemas.reasons import Reason
from schemas.signature import Container, Feature, FeatureKind, Signature, Task


def signature(*features: Feature, container: Container = Container.DATAFRAME) -> Signature:
    return Signature(features=features, task=Task.REGRESSION, container=container)


def number(name: str, **more: object) -> Feature:
    return Feature(name=name, kind=FeatureKind.NUMBER, **{"dtype": "float64", **more})  # type: ignore[arg-type]  # options


def text(name: str, **more: object) -> Feature:
    return Feature(name=name, kind=FeatureKind.STRING, **{"dtype": "object", **more})  # type: ignore[arg-type]  # options


def reasons(rejections: list[Rejection]) -> dict[int, Reason]:
    return {rejection.row: rejection.reason for rejection in rejections}


def test_columns_come_in_the_signatures_order() -> None:
    """A version selects the columns that it knows, in its own order, and leaves the others."""
    batch = pa.record_batch({"b": [1.0, 2.0], "new": ["x", "y"], "a": [3.0, 4.0]})

    frame, rejections = fit_rows(batch, signature(number("a"), number("b")))

    assert isinstance(frame, pd.DataFrame)
    assert frame.columns.tolist() == ["a", "b"]
    assert frame.to_numpy().tolist() == [[3.0, 1.0], [4.0, 2.0]]
    assert rejections == []


def test_rows_that_do_not_fit_are_rejected_alone() -> None:
    """Null, NaN and infinity are rejected where the signature forbids them, with the row of the batch."""
    batch = pa.record_batch(
        {"a": [1.0, None, float("nan"), 4.0, float("inf"), 6.0], "t": pa.array(["x", "y", "z", None, "v", "w"])}
    )

    frame, rejections = fit_rows(batch, signature(number("a"), text("t")))

    assert reasons(rejections) == {
        1: Reason.MISSING_VALUE,
        2: Reason.NOT_FINITE,
        3: Reason.MISSING_VALUE,
        4: Reason.NOT_FINITE,
    }
    assert isinstance(frame, pd.DataFrame)
    assert frame["a"].tolist() == [1.0, 6.0]
    assert frame["t"].tolist() == ["x", "w"]
    assert frame[1:2]["t"].tolist() == ["w"]


def test_the_first_feature_at_fault_is_named() -> None:
    """A row with several faults has one rejection: the first in the signature's order."""
    batch = pa.record_batch({"a": pa.array([None], type=pa.float64()), "b": [float("inf")]})

    _, rejections = fit_rows(batch, signature(number("b"), number("a")))

    assert [(each.row, each.reason) for each in rejections] == [(0, Reason.NOT_FINITE)]
    assert "'b'" in rejections[0].detail


def test_what_the_sample_had_is_allowed() -> None:
    """A nullable feature takes null and NaN; infinity passes where the sample had some."""
    batch = pa.record_batch({"a": [None, float("nan"), 1.0], "b": [float("inf"), 1.0, 2.0]})

    frame, rejections = fit_rows(batch, signature(number("a", nullable=True), number("b", infinity_allowed=True)))

    assert rejections == []
    assert isinstance(frame, pd.DataFrame)
    assert frame["a"].isna().tolist() == [True, True, False]
    assert frame["b"].tolist() == [float("inf"), 1.0, 2.0]


def test_a_column_that_is_absent_is_missing_in_every_row() -> None:
    """A batch from before a feature existed has nulls there."""
    batch = pa.record_batch({"a": [1.0, 2.0]})

    frame, rejections = fit_rows(batch, signature(number("a"), text("t", nullable=True)))
    _, refused = fit_rows(batch, signature(number("a"), text("t")))

    assert isinstance(frame, pd.DataFrame)
    assert frame["t"].isna().all()
    assert rejections == []
    assert reasons(refused) == {0: Reason.MISSING_VALUE, 1: Reason.MISSING_VALUE}


def test_dtypes_are_those_of_the_signature() -> None:
    """Each column has the dtype that the estimator was fitted on."""
    batch = pa.record_batch(
        {"n": [1.5], "f": [0.25], "i": [7], "g": [7], "b": [True], "t": ["x"], "c": ["low"]},
    )
    wanted = signature(
        number("n"),
        number("f", dtype="float32"),
        Feature(name="i", kind=FeatureKind.INTEGER, dtype="int64"),
        Feature(name="g", kind=FeatureKind.INTEGER, dtype="float64", nullable=True),
        Feature(name="b", kind=FeatureKind.BOOLEAN, dtype="bool"),
        text("t"),
        text("c", dtype="category", categories=("low", "high")),
    )

    frame, _ = fit_rows(batch, wanted)

    assert isinstance(frame, pd.DataFrame)
    assert [str(dtype) for dtype in frame.dtypes] == [feature.dtype for feature in wanted.features]
    assert frame["c"].cat.categories.tolist() == ["low", "high"]


def test_unknown_categories_are_left_to_the_estimator() -> None:
    """A category that the version does not know is not made missing on the way."""
    batch = pa.record_batch({"c": ["low", "new", None]})

    frame, _ = fit_rows(batch, signature(text("c", dtype="category", nullable=True, categories=("low", "high"))))

    assert isinstance(frame, pd.DataFrame)
    assert frame["c"].tolist()[:2] == ["low", "new"]
    assert frame["c"].isna().tolist() == [False, False, True]


def test_an_array_is_made_for_who_was_fitted_on_one() -> None:
    """Booleans and integers become numbers in it, row after row in memory."""
    batch = pa.record_batch({"a": [1.0, 2.0], "b": [True, False], "i": [5, None]})
    features = (
        number("a"),
        Feature(name="b", kind=FeatureKind.BOOLEAN, dtype="bool"),
        Feature(name="i", kind=FeatureKind.INTEGER, dtype="float64", nullable=True),
    )

    frame, _ = fit_rows(batch, signature(*features, container=Container.ARRAY))

    assert isinstance(frame, np.ndarray)
    assert frame.flags.c_contiguous
    assert np.array_equal(frame, [[1.0, 1.0, 5.0], [2.0, 0.0, np.nan]], equal_nan=True)


def test_frames_can_be_written_to() -> None:
    """Arrow's memory is read-only, which some estimators can't bear."""
    batch = pa.record_batch({"a": [1.0, 2.0], "i": [1, 2]})

    frame, _ = fit_rows(batch, signature(number("a"), Feature(name="i", kind=FeatureKind.INTEGER, dtype="int64")))

    assert isinstance(frame, pd.DataFrame)
    assert [np.shares_memory(frame[name], batch.column(name).to_numpy()) for name in ("a", "i")] == [False, False]


@pytest.mark.parametrize("container", list(Container))
def test_a_batch_without_rows_is_a_frame_without_rows(container: Container) -> None:
    """Nothing in, nothing out."""
    batch = pa.record_batch({"a": pa.array([], type=pa.float64())})

    frame, rejections = fit_rows(batch, signature(number("a"), container=container))

    assert (len(frame), rejections) == (0, [])


COLUMNS = st.one_of(
    st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=5, max_size=5).map(
        lambda values: pd.Series(values, dtype="float64")
    ),
    st.lists(st.floats(width=32, allow_nan=True), min_size=5, max_size=5).map(
        lambda values: pd.Series(values, dtype="float32")
    ),
    st.lists(st.integers(-(2**63), 2**63 - 1), min_size=5, max_size=5).map(
        lambda values: pd.Series(values, dtype="int64")
    ),
    st.lists(st.booleans(), min_size=5, max_size=5).map(lambda values: pd.Series(values, dtype="bool")),
    st.lists(st.none() | st.text(max_size=3), min_size=5, max_size=5)
    .filter(lambda values: any(value is not None for value in values))
    .map(lambda values: pd.Series(values, dtype="str")),
    st.lists(st.none() | st.sampled_from(["a", "b"]), min_size=5, max_size=5)
    .filter(lambda values: any(value is not None for value in values))
    .map(lambda values: pd.Series(values, dtype="category")),
)


@settings(deadline=None, max_examples=60)
@given(columns=st.lists(COLUMNS, min_size=1, max_size=4))
def test_a_sample_arrives_as_it_was(columns: list["pd.Series[str]"]) -> None:
    """Whatever a sample holds, its own signature takes every row, and the values are the same."""
    sample = pd.DataFrame({f"c{index}": column for index, column in enumerate(columns)})
    facts = EstimatorFacts(
        task=Task.REGRESSION,
        classes=(),
        container=Container.DATAFRAME,
        columns=tuple(sample.columns),
        features=len(columns),
        own_decision=False,
    )
    read = signature_of(sample, facts, target=None, personal=())

    frame, rejections = fit_rows(as_features(sample, read), read)

    assert rejections == []
    assert isinstance(frame, pd.DataFrame)
    for name in sample.columns:
        pd.testing.assert_series_equal(frame[name].astype(object), sample[name].astype(object), check_dtype=False)
