"""A version's own pipeline fitted anew: every task and container, its classes and signature kept."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pytest
from sklearn.compose import make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestRegressor
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from registry.bundles import read_bundle
from registry.catalogue import VersionState
from registry.checks import load_version
from registry.errors import BundleRefusedError, EstimatorRefusedError
from registry.labeled_rows import LabeledRows, read_rows, rows_schema, write_rows
from registry.loaded import Estimator
from registry.prepared_files import read_prepared, write_prepared
from registry.preparing import Prepared
from registry.refitting import refit
from registry.sampling import as_features
from registry.shelf import Shelf
from registry.skops_file import LoadLimits
from schemas.signature import Task
from tests.registry.samples import doubles, flights, halves, late_model, names

HOUR_MS = 3_600_000
LIMITS = LoadLimits()


def refitted(
    shelf: Shelf, folder: Path, estimator: Estimator, sample: pd.DataFrame, later: pd.DataFrame, *, held_back: int = 100
) -> Prepared:
    """Add the estimator with a sample, and refit it on later rows; both have the target `truth`."""
    record = shelf.add("m", estimator, sample, target="truth")
    version = load_version(read_bundle(folder / "registry" / "bundles", record.bundle, bytes_max=1 << 28), LIMITS)
    return refit(version, rows_of(shelf, later, held_back=held_back), cause="asked", limits=LIMITS)


def rows_of(shelf: Shelf, sample: pd.DataFrame, *, held_back: int) -> LabeledRows:
    signature = shelf.manifest("m", "1").signature
    schema = rows_schema(signature)
    truths: Sequence[object] = sample["truth"].tolist()
    if signature.task is not Task.REGRESSION:
        truths = [str(truth) for truth in truths]
    features = as_features(sample, signature)
    batch = pa.RecordBatch.from_arrays(
        [
            pa.array([f"r{number}" for number in range(len(sample))], pa.string()),
            pa.array([number * HOUR_MS for number in range(len(sample))], pa.int64()),
            pa.array(truths, schema.field("truth").type),
            pa.array(features.to_pylist(), schema.field("features").type),
        ],
        schema=schema,
    )
    return LabeledRows(batch=batch, judged_from=len(sample) - held_back)


def reversed_halves(sample: pd.DataFrame, labels: Sequence[object]) -> npt.NDArray[np.generic]:
    return halves(-sample, labels)


@pytest.mark.parametrize(
    "labels", [(0, 1), (False, True), ("late", "punctual"), (1.0, 2.0)], ids=["int", "bool", "text", "float"]
)
def test_classes_stay_what_they_were(shelf: Shelf, tmp_path: Path, labels: Sequence[object]) -> None:
    """Truths travel as text, and the clone learns them as the estimator's own classes."""
    sample, later = doubles(300), doubles(600, seed=8)
    model = make_pipeline(StandardScaler(), LogisticRegression()).fit(sample, halves(sample, labels))

    prepared = refitted(
        shelf,
        tmp_path,
        model,
        sample.assign(truth=halves(sample, labels)),
        later.assign(truth=reversed_halves(later, labels)),
    )
    record = shelf.add_refit("m", prepared, parent="1", registered_by="trainer")
    served = shelf.open("m", record.version)

    assert prepared.training is not None
    assert prepared.training.parent_loss > 0.9
    assert prepared.training.loss < 0.1
    assert (record.state, record.version) == (VersionState.VALIDATED, "2")
    assert served.signature.classes == tuple(str(label) for label in labels)
    assert getattr(served.estimator, "classes_").tolist() == list(labels)  # noqa: B009  not in the protocol


def test_an_array_stays_an_array(shelf: Shelf, tmp_path: Path) -> None:
    """A version that was fitted on an array is refitted on one."""
    sample, later = doubles(300), doubles(600, seed=8)
    model = LogisticRegression().fit(sample.to_numpy(), halves(sample))

    prepared = refitted(
        shelf, tmp_path, model, sample.assign(truth=halves(sample)), later.assign(truth=reversed_halves(later, (0, 1)))
    )

    assert shelf.add_refit("m", prepared, parent="1", registered_by="trainer").state is VersionState.VALIDATED


def test_a_regression_is_judged_by_its_errors(shelf: Shelf, tmp_path: Path) -> None:
    """Losses are absolute errors, and the metrics those of a regression."""
    sample, later = doubles(300), doubles(600, seed=8)
    model = make_pipeline(StandardScaler(), Ridge(alpha=1e-6)).fit(sample, sample["f0"] * 2)

    prepared = refitted(
        shelf, tmp_path, model, sample.assign(truth=sample["f0"] * 2), later.assign(truth=later["f0"] * 2 + 10)
    )

    assert prepared.training is not None
    assert prepared.training.parent_loss == pytest.approx(10, abs=1e-3)
    assert prepared.training.loss == pytest.approx(0, abs=1e-3)
    assert prepared.judgment.metrics["mae"] == pytest.approx(prepared.training.loss)
    assert prepared.judgment.baseline is not None
    assert prepared.judgment.baseline.metrics["mae"] == pytest.approx(prepared.training.parent_loss)


def test_many_classes(shelf: Shelf, tmp_path: Path) -> None:
    """A multiclass version keeps the order of its classes."""
    sample, later = doubles(300), doubles(600, seed=8)
    classes = np.array(["a", "b", "c"])
    model = LogisticRegression().fit(sample, classes[np.arange(300) % 3])

    prepared = refitted(
        shelf,
        tmp_path,
        model,
        sample.assign(truth=classes[np.arange(300) % 3]),
        later.assign(truth=classes[np.digitize(later["f0"], [-0.5, 0.5])]),
    )

    assert prepared.signature.classes == ("a", "b", "c")
    assert prepared.training is not None
    assert prepared.training.loss < 0.1


def test_gaps_that_were_allowed_stay_allowed(shelf: Shelf, tmp_path: Path) -> None:
    """Later rows without a gap do not make a signature that refuses gaps: it is the version's own."""
    later = flights(900, seed=9).assign(temperature=4.0, carrier="UA")
    sample = flights()

    prepared = refitted(
        shelf,
        tmp_path,
        late_model(),
        sample.rename(columns={"late": "truth"}),
        later.rename(columns={"late": "truth"}),
    )

    assert prepared.signature == shelf.manifest("m", "1").signature
    assert [each.name for each in prepared.signature.features if each.nullable] == ["temperature", "carrier"]


def test_categories_that_have_come_since_are_learned(shelf: Shelf, tmp_path: Path) -> None:
    """A column of pandas categories grows by those that the version did not know."""
    sample = doubles(300).assign(kind=pd.Categorical(["a", "b"] * 150))
    later = doubles(600, seed=8).assign(kind=["a", "c", "b"] * 200)
    columns = make_column_transformer(("passthrough", names(4)), (OneHotEncoder(handle_unknown="ignore"), ["kind"]))
    model = make_pipeline(columns, LogisticRegression()).fit(sample, halves(sample[names(4)]))
    truth = np.where(later["kind"] == "c", 1, 0)

    prepared = refitted(
        shelf, tmp_path, model, sample.assign(truth=halves(sample[names(4)])), later.assign(truth=truth)
    )
    record = shelf.add_refit("m", prepared, parent="1", registered_by="trainer")

    assert prepared.signature.features[-1].categories == ("a", "b", "c")
    assert prepared.training is not None
    assert prepared.training.loss == 0
    assert record.state is VersionState.VALIDATED


def test_a_fold_without_a_class_is_refused(shelf: Shelf, tmp_path: Path) -> None:
    """Rows to learn from that lack a class would make a version of other answers."""
    sample, later = doubles(300), doubles(600, seed=8)
    model = LogisticRegression().fit(sample, np.arange(300) % 3)
    truth = np.where(np.arange(600) < 500, np.arange(600) % 2, 2)

    with pytest.raises(EstimatorRefusedError, match="refitted, the estimator knows the classes 0, 1, and the version"):
        refitted(shelf, tmp_path, model, sample.assign(truth=np.arange(300) % 3), later.assign(truth=truth))


def test_the_held_back_rows_are_never_learned_from(shelf: Shelf, tmp_path: Path) -> None:
    """A forest that knows its training rows by heart does no better than chance on noise that was held back."""
    sample, later = doubles(300), doubles(1_000, seed=8)
    noise = np.random.default_rng(1).normal(size=1_000)
    model = RandomForestRegressor(n_estimators=20, random_state=1).fit(sample, sample["f0"])

    prepared = refitted(
        shelf, tmp_path, model, sample.assign(truth=sample["f0"]), later.assign(truth=noise), held_back=300
    )

    assert prepared.training is not None
    assert prepared.training.rows_judged == 300
    assert prepared.training.loss > 0.75


def test_the_reference_is_of_the_outcomes(shelf: Shelf, tmp_path: Path) -> None:
    """Drift of the candidate is judged against what it was refitted on, in time order and out of fold."""
    sample, later = doubles(300), doubles(25_000, seed=8)
    model = HistGradientBoostingClassifier(max_iter=5).fit(sample, halves(sample))

    prepared = refitted(
        shelf, tmp_path, model, sample.assign(truth=halves(sample)), later.assign(truth=halves(later)), held_back=5_000
    )

    assert prepared.profile.in_time_order
    assert (prepared.profile.rows, prepared.profile.block_rows) == (25_000, 250)
    assert prepared.profile.scores == "out of fold"
    assert prepared.profile.spans[0][0] == 0
    assert prepared.profile.loss is not None


def test_a_prepared_version_travels_through_a_folder(shelf: Shelf, tmp_path: Path) -> None:
    """What one process wrote another reads whole; what is damaged is refused."""
    sample, later = doubles(300), doubles(600, seed=8)
    model = LogisticRegression().fit(sample, halves(sample))
    prepared = refitted(shelf, tmp_path, model, sample.assign(truth=halves(sample)), later.assign(truth=halves(later)))

    write_prepared(tmp_path, prepared)

    assert read_prepared(tmp_path) == prepared
    (tmp_path / "prepared.json").write_bytes(b'{"signature": 3}')
    with pytest.raises(BundleRefusedError, match="what the refit left can't be read"):
        read_prepared(tmp_path)


def test_rows_travel_through_a_file(shelf: Shelf, tmp_path: Path) -> None:
    """Rows come back as they were, to the fingerprint, which any other value changes."""
    sample = doubles(300)
    shelf.add("m", LogisticRegression().fit(sample, halves(sample)), sample.assign(truth=halves(sample)))
    rows = rows_of(shelf, sample.assign(truth=halves(sample)), held_back=50)
    other = rows_of(shelf, (sample + 1e-9).assign(truth=halves(sample)), held_back=50)

    write_rows(tmp_path / "rows.arrow", rows)
    again = read_rows(tmp_path / "rows.arrow", judged_from=rows.judged_from)

    assert again.sha256 == rows.sha256 != other.sha256
    assert again.batch.equals(rows.batch)


def test_one_cause_makes_one_version(shelf: Shelf, tmp_path: Path) -> None:
    """Added twice for the same cause, the first version is the answer."""
    sample, later = doubles(300), doubles(600, seed=8)
    model = LogisticRegression().fit(sample, halves(sample))
    prepared = refitted(shelf, tmp_path, model, sample.assign(truth=halves(sample)), later.assign(truth=halves(later)))

    first = shelf.add_refit("m", prepared, parent="1", registered_by="trainer")
    again = shelf.add_refit("m", prepared, parent="1", registered_by="trainer")

    assert shelf.refit_of("m", "asked") == first == again
    assert shelf.refit_of("m", "another") is None
    assert [record.version for record in shelf.records("m")] == ["1", "2"]
