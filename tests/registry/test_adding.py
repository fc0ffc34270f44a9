"""Adding models of every task and shape, and what is known of them afterwards."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
from river import datasets
from sklearn.base import BaseEstimator, clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import make_column_transformer
from sklearn.ensemble import (
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    StackingClassifier,
    VotingRegressor,
)
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import FixedThresholdClassifier, GridSearchCV
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OrdinalEncoder, StandardScaler
from sklearn.svm import LinearSVC
from sklearn.tree import DecisionTreeClassifier

from registry.catalogue import VersionState
from registry.sampling import as_features
from registry.shelf import Shelf
from registry.skops_file import dump_estimator
from schemas.request_schema import features_of
from schemas.signature import Container, FeatureKind, Task
from tests.registry.samples import COLUMNS, doubles, flights, halves, late_model, preprocessing


def images() -> tuple[pd.DataFrame, npt.NDArray[np.generic]]:
    """River's bundled ImageSegments: 18 numbers and integers, seven classes with names."""
    pairs = list(datasets.ImageSegments())  # type: ignore[no-untyped-call]  # river has no types
    sample = pd.DataFrame([x for x, _ in pairs]).rename(columns=lambda name: name.replace("-", "_"))
    return sample, np.array([y for _, y in pairs])


def test_a_binary_pipeline_with_gaps_and_text(shelf: Shelf) -> None:
    """The usual pipeline is validated, and scores bit for bit as the estimator itself."""
    sample = flights()
    model = late_model(sample)

    record = shelf.add("late", model, sample, target="late", registered_by="ann")
    version = shelf.open("late", record.version, bundle=record.bundle)
    frame, rejections = version.fit(as_features(sample, version.signature))
    scores = version.score(frame)

    assert (record.version, record.state, record.registered_by) == ("1", VersionState.VALIDATED, "ann")
    assert (record.task, rejections, scores.probabilities) == (Task.BINARY, [], None)
    assert np.array_equal(scores.scores, model.predict_proba(sample[COLUMNS])[:, 1])
    assert scores.labels == [str(label) for label in model.predict(sample[COLUMNS])]


def test_a_multiclass_model(shelf: Shelf) -> None:
    """Probabilities come in the order of the classes; the score is that of the likeliest."""
    sample, classes = images()
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=500)).fit(sample, classes)

    record = shelf.add("images", model, sample.assign(truth=classes), target="truth")
    version = shelf.open("images", record.version, bundle=record.bundle)
    frame, _ = version.fit(as_features(sample, version.signature))
    scores = version.score(frame)
    expected = model.predict_proba(sample)

    assert version.signature.task is Task.MULTICLASS
    assert version.signature.classes == ("brickface", "cement", "foliage", "grass", "path", "sky", "window")
    assert scores.probabilities is not None
    assert np.array_equal(scores.probabilities, expected)
    assert np.array_equal(scores.scores, expected.max(axis=1))
    assert scores.labels == model.predict(sample).tolist()
    assert record.metrics["accuracy"] > 0.9


def test_the_shuttle(shelf: Shelf) -> None:
    """River's Shuttle, 49,097 rows of nine integers, has blocks in time order."""
    pairs = list(datasets.Shuttle())
    sample, classes = pd.DataFrame([x for x, _ in pairs]), np.array([y for _, y in pairs])
    model = RandomForestClassifier(10, random_state=0).fit(sample, classes)

    record = shelf.add(
        "shuttle", model, sample.assign(anomaly=classes, row=range(len(sample))), target="anomaly", time="row"
    )
    version = shelf.open("shuttle", record.version, bundle=record.bundle)
    frame, _ = version.fit(as_features(sample, version.signature))
    profile = shelf.manifest("shuttle", record.version).profile

    assert np.array_equal(version.score(frame).scores, model.predict_proba(sample)[:, 1])
    assert (profile.block_rows, profile.blocks, profile.scores, profile.spans) == (250, 196, "out of fold", ())
    assert record.metrics["auc"] > 0.99


def test_a_regression(shelf: Shelf) -> None:
    """The score is the predicted value; there is no label."""
    sample = flights()
    truth = sample["delay"] * 2
    model = make_pipeline(preprocessing(), HistGradientBoostingRegressor(max_iter=20)).fit(sample[COLUMNS], truth)

    record = shelf.add("delay", model, sample.assign(arrival=truth), target="arrival", task=Task.REGRESSION)
    version = shelf.open("delay", record.version, bundle=record.bundle)
    frame, _ = version.fit(as_features(sample, version.signature))
    scores = version.score(frame)

    assert np.array_equal(scores.scores, model.predict(sample[COLUMNS]))
    assert (scores.labels, scores.probabilities) == (None, None)
    assert set(record.metrics) == {"rows", "mae", "rmse"}


SVC_REMEDY = CalibratedClassifierCV(LinearSVC(), cv=2)


@pytest.mark.parametrize(
    "estimator",
    [
        LogisticRegression(),
        RandomForestClassifier(10, random_state=0),
        HistGradientBoostingClassifier(max_iter=10),
        GradientBoostingRegressor(n_estimators=10),
        KNeighborsClassifier(),
        DecisionTreeClassifier(max_depth=4),
        GridSearchCV(LogisticRegression(), {"C": [0.1, 1.0]}, cv=2),
        SVC_REMEDY,
        StackingClassifier([("a", LogisticRegression()), ("b", DecisionTreeClassifier(max_depth=3))], cv=2),
        VotingRegressor([("a", Ridge()), ("b", GradientBoostingRegressor(n_estimators=5))]),
    ],
    ids=lambda estimator: type(estimator).__name__,
)
@pytest.mark.parametrize("container", list(Container))
def test_common_estimators(shelf: Shelf, estimator: BaseEstimator, container: Container) -> None:
    """Estimators without a pipeline, fitted on a DataFrame or an array, are validated and bit-equal."""
    sample = doubles()
    seen = sample if container is Container.DATAFRAME else sample.to_numpy().copy()
    model = clone(estimator).fit(seen, halves(sample))

    record = shelf.add("model", model, sample)
    version = shelf.open("model", record.version, bundle=record.bundle)
    frame, _ = version.fit(as_features(sample, version.signature))
    expected = model.predict_proba(seen)[:, 1] if record.task is Task.BINARY else model.predict(seen)

    assert (record.state, record.failure) == (VersionState.VALIDATED, "")
    assert version.signature.container is container
    assert np.array_equal(version.score(frame).scores, expected)


def test_categories_from_their_dtype(shelf: Shelf) -> None:
    """HistGradientBoosting on columns of pandas categories, the unknown and the missing included."""
    sample = flights().astype({"carrier": "category", "origin": "category"})
    model = HistGradientBoostingClassifier(categorical_features="from_dtype", max_iter=10)
    model.fit(sample[COLUMNS], sample["late"])
    asked = sample.assign(carrier=sample["carrier"].cat.add_categories("ZZ").fillna("ZZ"))

    record = shelf.add("late", model, sample, target="late")
    version = shelf.open("late", record.version, bundle=record.bundle)
    frame, rejections = version.fit(as_features(asked, version.signature))

    assert rejections == []
    assert np.array_equal(version.score(frame).scores, model.predict_proba(asked[COLUMNS])[:, 1])


def test_pandas_extension_types(shelf: Shelf) -> None:
    """Int64, boolean and string columns with gaps travel, and arrive as what scikit-learn makes of them."""
    base = flights()
    sample = pd.DataFrame(
        {
            "count": base["distance"].astype("Int64").mask(base.index % 5 == 0),
            "flag": (base["delay"] > 0).astype("boolean").mask(base.index % 9 == 0),
            "late": base["late"],
        }
    )
    model = HistGradientBoostingClassifier(max_iter=10).fit(sample[["count", "flag"]], sample["late"])

    record = shelf.add("late", model, sample, target="late")
    features = shelf.manifest("late", record.version).signature.features

    assert record.state is VersionState.VALIDATED
    assert [(each.kind, each.nullable) for each in features] == [
        (FeatureKind.INTEGER, True),
        (FeatureKind.BOOLEAN, True),
    ]


def test_a_decision_of_its_own(shelf: Shelf) -> None:
    """An estimator that does not predict its likeliest class keeps its own answer as the label."""
    sample = doubles()
    model = FixedThresholdClassifier(LogisticRegression(), threshold=0.9).fit(sample, halves(sample))

    record = shelf.add("strict", model, sample)
    version = shelf.open("strict", record.version, bundle=record.bundle)
    frame, _ = version.fit(as_features(sample, version.signature))

    assert version.score(frame).labels == [str(label) for label in model.predict(sample)]


def test_text_classes(shelf: Shelf) -> None:
    """Classes are known by their text."""
    sample = doubles()
    model = LogisticRegression().fit(sample, halves(sample, ["no", "yes"]))

    record = shelf.add("answer", model, sample.assign(truth=halves(sample, ["no", "yes"])), target="truth")

    assert shelf.manifest("answer", record.version).signature.classes == ("no", "yes")
    assert record.metrics["auc"] > 0.99


def test_a_target_with_gaps_and_floats(shelf: Shelf) -> None:
    """True values may be missing, and whole numbers may have become floats by that."""
    sample = flights()
    model = late_model(sample)

    record = shelf.add(
        "late", model, sample.assign(late=sample["late"].astype(float).mask(sample.index < 10)), target="late"
    )

    assert record.metrics["rows"] == len(sample) - 10
    assert record.metrics["accuracy"] > 0.7


def test_versions_are_numbered_and_never_replaced(shelf: Shelf) -> None:
    """Adding the same model again makes another version, whose parent is the one before."""
    sample = flights()
    model = late_model(sample)

    first = shelf.add("late", model, sample)
    second = shelf.add("late", model, sample, version="2024-spring")
    third = shelf.add("late", model, sample)

    assert [each.version for each in shelf.records("late")] == ["1", "2024-spring", "2"]
    assert len({first.bundle, second.bundle, third.bundle}) == 3
    assert shelf.manifest("late", "2").parent == "2024-spring"
    assert shelf.records("other") == []


def test_the_request_schema_grows(shelf: Shelf) -> None:
    """A version with a new feature makes it nullable for everyone, and drops none."""
    sample = doubles(columns=3)
    narrow, wide = sample[["f0", "f1"]], sample[["f0", "f2"]]

    first = shelf.add("model", LogisticRegression().fit(narrow, halves(sample)), narrow)
    second = shelf.add("model", LogisticRegression().fit(wide, halves(sample)), wide)
    grown = features_of(shelf._schemas._schemas.schema(second.request_schema_id))

    assert first.request_schema_id != second.request_schema_id
    assert [(each.name, each.nullable) for each in grown] == [("f0", False), ("f1", False), ("f2", True)]


def test_verify_reports_every_check(shelf: Shelf) -> None:
    """Each check is there by name with what it found."""
    shelf.add("late", late_model(), flights())

    report = shelf.verify("late", "1")

    assert report.passed
    assert [check.name for check in report.checks] == [
        "hash",
        "size",
        "types",
        "load",
        "signature",
        "libraries",
        "golden",
        "load_time",
        "latency",
        "memory",
        "request_schema",
        "policy",
    ]


def test_golden_vectors_and_profile_are_in_the_bundle(shelf: Shelf) -> None:
    """A bundle says what the sample looked like, and keeps 200 of its rows with their scores."""
    shelf.add("late", late_model(), flights(), target="late")

    manifest = shelf.manifest("late", "1")

    assert (manifest.golden_rows, manifest.sample.rows, manifest.metrics_of) == (200, 400, "the sample")
    assert [column.name for column in manifest.profile.columns] == [*COLUMNS, "(score)"]
    assert all(sum(column.counts) == 400 for column in manifest.profile.columns)
    assert manifest.profile.note.startswith("no time-ordered reference")


def test_personal_values_stay_out_of_the_bundle(shelf: Shelf) -> None:
    """What is stored of a personal feature is tokens, though the sample had the values."""
    sample = flights().assign(owner=[f"person {index}" for index in range(400)])
    encode = make_column_transformer(
        (OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1, min_frequency=2), ["owner"]),
        (StandardScaler(), ["delay"]),
    )
    sample.loc[:1, "owner"] = "person 0"
    model = make_pipeline(encode, LogisticRegression()).fit(sample[["owner", "delay"]], sample["late"])

    record = shelf.add("late", model, sample, personal=["owner"])
    manifest = shelf.manifest("late", record.version)
    bundle = shelf._read(record)

    assert record.state is VersionState.VALIDATED
    assert manifest.signature.features[0].personal
    assert b"person " not in bundle.files["golden.arrow"] + bundle.manifest_bytes


def test_from_a_file(shelf: Shelf, tmp_path: Path) -> None:
    """A .skops file is added as its estimator would be."""
    path = tmp_path / "late.skops"
    path.write_bytes(dump_estimator(late_model()))

    record = shelf.add("late", shelf.estimator_in(path), flights(), target="late", task=Task.BINARY)

    assert record.state is VersionState.VALIDATED


def test_time_orders_the_sample(shelf: Shelf) -> None:
    """The column of time orders the profile's blocks and is no feature."""
    sample = doubles(26_000, 2)
    model = LogisticRegression().fit(sample, halves(sample))
    moments = pd.date_range("2013-01-01", periods=len(sample), freq="min")[::-1]

    record = shelf.add("model", model, sample.assign(at=moments), time="at")
    profile = shelf.manifest("model", record.version).profile

    assert (profile.block_rows, profile.blocks, profile.order) == (250, 104, "at")
    assert {len(column.blocks) for column in profile.columns} == {104}
    assert profile.spans[-1][1] == moments[0].value // 1_000_000
    assert profile.scores == "of the sample itself: no target was named"
