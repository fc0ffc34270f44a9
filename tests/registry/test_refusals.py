"""What can't be added, and the sentence that says what to change."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.cluster import KMeans
from sklearn.compose import make_column_transformer
from sklearn.ensemble import IsolationForest
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler
from sklearn.svm import LinearSVC

from registry.errors import EstimatorRefusedError, SampleError, VersionExistsError, VersionRefusedError
from registry.loaded import Estimator
from registry.shelf import Shelf
from schemas.signature import Task
from tests.registry.samples import doubles, flights, halves, late_model, shouting


def fitted(sample: pd.DataFrame) -> Estimator:
    model: Estimator = LogisticRegression().fit(sample, halves(sample))
    return model


def test_an_estimator_that_is_not_fitted(shelf: Shelf) -> None:
    """The sentence says to call fit."""
    with pytest.raises(EstimatorRefusedError, match="LogisticRegression is not fitted: call fit"):
        shelf.add("model", LogisticRegression(), doubles())


def test_a_column_that_is_missing(shelf: Shelf) -> None:
    """The columns that the estimator was fitted on are named."""
    sample = doubles()

    with pytest.raises(SampleError, match="column 'f2, f3' is missing from the sample"):
        shelf.add("model", fitted(sample), sample[["f0", "f1"]])


def test_a_date_as_a_feature(shelf: Shelf) -> None:
    """A date is refused with what to make of it."""
    sample = doubles()
    sample["when"] = pd.date_range("2013-01-01", periods=len(sample))
    model = make_pipeline(make_column_transformer((StandardScaler(), ["f0"]), remainder="drop"), LogisticRegression())
    model.fit(sample[["f0", "when"]], halves(sample))

    with pytest.raises(SampleError, match=r"'when' is of dtype datetime64.*hour or day of the year"):
        shelf.add("model", model, sample)


@pytest.mark.parametrize(
    "values,words",
    [
        (pd.Series([[1]] * 200), "holds mixed values as objects"),
        (pd.Series([1, "x"] * 100, dtype=object), "as objects"),
        (pd.Series([None] * 200, dtype=object), "has no value in any row"),
        (pd.Series([1, None] * 100, dtype=object), "holds numbers as objects.*astype"),
        (pd.Series([1, 2] * 100, dtype="category"), "categories that are no text"),
        (pd.Series(pd.to_timedelta([1] * 200, unit="s")), "total_seconds"),
        (pd.Series([2**63 + 1] * 200, dtype="uint64"), "beyond 64 bits"),
    ],
    ids=["lists", "mixed", "empty", "objects", "categories", "durations", "unsigned"],
)
def test_columns_that_can_not_travel(shelf: Shelf, values: "pd.Series[str]", words: str) -> None:
    """Each odd kind of column is named with its remedy."""
    sample = doubles()
    sample["odd"] = values
    model = make_pipeline(make_column_transformer((StandardScaler(), ["f0"]), remainder="drop"), LogisticRegression())
    model.fit(sample, halves(sample))

    with pytest.raises(SampleError, match=f"column 'odd'.*{words}"):
        shelf.add("model", model, sample)


def test_the_wrong_task(shelf: Shelf) -> None:
    """A task that is not the estimator's is refused."""
    sample = doubles()

    with pytest.raises(EstimatorRefusedError, match="task was given as regression, and the estimator's is binary"):
        shelf.add("model", fitted(sample), sample, task=Task.REGRESSION)


def test_estimators_that_can_not_be_served(shelf: Shelf) -> None:
    """Clusterers, outlier detectors, several outputs, margins without probabilities: each with a sentence."""
    sample = doubles()
    several = LinearRegression().fit(sample, np.column_stack([sample["f0"], sample["f1"]]))

    with pytest.raises(EstimatorRefusedError, match="neither a classifier nor a regressor"):
        shelf.add("model", KMeans(2, n_init=1).fit(sample), sample)
    with pytest.raises(EstimatorRefusedError, match="neither a classifier nor a regressor"):
        shelf.add("model", IsolationForest(n_estimators=5).fit(sample), sample)
    with pytest.raises(EstimatorRefusedError, match="2 outputs a row"):
        shelf.add("model", several, sample)
    with pytest.raises(EstimatorRefusedError, match="CalibratedClassifierCV"):
        shelf.add("model", LinearSVC().fit(sample, halves(sample)), sample)
    with pytest.raises(EstimatorRefusedError, match="no fitted scikit-learn"):
        shelf.add("model", "model.pkl", sample)  # type: ignore[arg-type]  # what a user may try


def test_types_outside_the_allow_list(shelf: Shelf, tmp_path: Path) -> None:
    """A function of one's own is named, whether it comes from Python or in a file."""
    sample = doubles()
    model = make_pipeline(FunctionTransformer(shouting), LogisticRegression()).fit(sample, halves(sample))

    with pytest.raises(EstimatorRefusedError, match=r"outside the allow-list: .*samples\.shouting"):
        shelf.add("model", model, sample)


def test_a_file_that_is_no_model(shelf: Shelf, tmp_path: Path) -> None:
    """Another file is refused by name, and so is one that is not there."""
    (tmp_path / "model.pkl").write_bytes(b"\x80\x04K\x01.")

    with pytest.raises(EstimatorRefusedError, match=r"model\.pkl is refused: not a \.skops archive"):
        shelf.estimator_in(tmp_path / "model.pkl")
    with pytest.raises(EstimatorRefusedError, match="can't be read"):
        shelf.estimator_in(tmp_path / "nothing.skops")


def test_a_sample_without_rows(shelf: Shelf) -> None:
    """A sample needs rows."""
    sample = doubles()

    with pytest.raises(EstimatorRefusedError, match="no rows"):
        shelf.add("model", fitted(sample), sample.iloc[:0])


def test_an_array_of_another_width(shelf: Shelf) -> None:
    """An estimator that knows no names needs as many columns as it was fitted on."""
    sample = doubles()
    model = LogisticRegression().fit(sample.to_numpy(), halves(sample))

    with pytest.raises(EstimatorRefusedError, match=r"4 columns and the sample has 5 \(f0, f1, f2, f3, late\)"):
        shelf.add("model", model, sample.assign(late=halves(sample)))

    assert shelf.add("model", model, sample.assign(late=halves(sample)), target="late").version == "1"


def test_rows_that_the_estimator_can_not_score(shelf: Shelf) -> None:
    """A sample on which the estimator raises is refused with its words."""
    sample = doubles()
    model = fitted(sample)
    sample.loc[5, "f1"] = np.nan

    with pytest.raises(EstimatorRefusedError, match=r"raised on the sample.*NaN"):
        shelf.add("model", model, sample)


def test_targets_that_do_not_match(shelf: Shelf) -> None:
    """A target that is not there, or holds other classes, is named."""
    sample = flights()
    model = late_model(sample)

    with pytest.raises(SampleError, match="'arrival' is named as the target and is not in the sample"):
        shelf.add("model", model, sample, target="arrival")
    with pytest.raises(SampleError, match="'distance' holds the class"):
        shelf.add("model", model, sample, target="distance")


def test_a_feature_that_changes_its_kind(shelf: Shelf) -> None:
    """A second version whose feature is another kind is refused before anything is written."""
    sample = doubles(columns=2)
    text = sample.assign(f1=np.where(sample["f1"] > 0, "up", "down"))
    encode = make_column_transformer((OneHotEncoder(sparse_output=False), ["f1"]), remainder="passthrough")
    other = make_pipeline(encode, LogisticRegression()).fit(text, halves(sample))
    shelf.add("model", fitted(sample), sample)

    with pytest.raises(VersionRefusedError, match="feature 'f1' is number in the model's request schema and string"):
        shelf.add("model", other, text)

    assert [record.version for record in shelf.records("model")] == ["1"]


def test_names_that_can_not_be(shelf: Shelf) -> None:
    """Models, versions and columns have names that topics and schemas can carry."""
    sample = doubles()
    spaced = sample.rename(columns={"f0": "sepal length (cm)"})

    with pytest.raises(VersionRefusedError, match="can't name a model"):
        shelf.add("My Model", fitted(sample), sample)
    with pytest.raises(VersionRefusedError, match="can't name a version"):
        shelf.add("model", fitted(sample), sample, version="a/b")
    with pytest.raises(VersionRefusedError, match="sepal_length_cm"):
        shelf.add("model", fitted(spaced), spaced)


def test_a_version_that_is_taken(shelf: Shelf) -> None:
    """Versions never change."""
    sample = doubles()
    shelf.add("model", fitted(sample), sample, version="1")

    with pytest.raises(VersionExistsError, match="versions never change"):
        shelf.add("model", fitted(sample), sample, version="1")


def test_columns_named_as_personal(shelf: Shelf) -> None:
    """Personal features exist and are text."""
    sample = doubles()

    with pytest.raises(SampleError, match="'name' is named as personal and is no feature"):
        shelf.add("model", fitted(sample), sample, personal=["name"])
    with pytest.raises(SampleError, match="'f0' is named as personal and is no text"):
        shelf.add("model", fitted(sample), sample, personal=["f0"])


def test_columns_that_score_differently_after_travelling(shelf: Shelf) -> None:
    """A column whose meaning is lost on the way is found and named."""
    sample = doubles(columns=2)
    sample["f1"] = pd.Series(np.array([3] * 100 + [250] * 100, dtype=np.uint8))
    wrapping = FunctionTransformer(np.negative)  # unsigned integers wrap, signed ones don't
    model = make_pipeline(make_column_transformer((wrapping, ["f1"]), remainder="passthrough"), LogisticRegression())
    model.fit(sample, halves(sample))

    with pytest.raises(SampleError, match="column 'f1' scores differently once it has travelled"):
        shelf.add("model", model, sample)
