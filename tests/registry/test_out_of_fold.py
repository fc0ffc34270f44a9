"""Scores of rows that were not seen: what the reference of a version is made of."""

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.ensemble import RandomForestRegressor
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.tree import DecisionTreeClassifier

from registry.estimators import estimator_facts
from registry.fitting import fit_rows
from registry.loaded import Estimator, LabelRule, Scores, score_frame
from registry.reference import reference_of
from registry.reference_profile import OUT_OF_FOLD, ReferenceProfile
from registry.sampling import as_features, signature_of
from tests.registry.samples import doubles, halves


def noise(rows: int = 2_000) -> pd.DataFrame:
    """Features that say nothing of the target, which a deep tree learns by heart."""
    sample = doubles(rows)
    return sample.assign(late=np.random.default_rng(1).choice(["no", "yes"], rows))


def referenced(estimator: Estimator, sample: pd.DataFrame, target: str | None = "late") -> ReferenceProfile:
    """The reference of an estimator that was fitted on this sample."""
    signature = signature_of(sample, estimator_facts(estimator, task=None), target=target, personal=())
    features = as_features(sample, signature)
    frame, _ = fit_rows(features, signature)
    scores: Scores = score_frame(estimator, frame, signature=signature, label_rule=LabelRule.ARGMAX)
    return reference_of(
        estimator,
        sample,
        features,
        scores,
        signature=signature,
        label_rule=LabelRule.ARGMAX,
        target=target,
        time=None,
    )


def tree(sample: pd.DataFrame) -> DecisionTreeClassifier:
    return DecisionTreeClassifier(random_state=0).fit(sample.drop(columns="late"), sample["late"])


def test_losses_are_those_of_rows_that_were_not_seen() -> None:
    """What a tree knows by heart it does not know of others: half of its answers are wrong, not none."""
    sample = noise()
    reference = referenced(tree(sample), sample)

    assert reference.scores == OUT_OF_FOLD
    assert reference.loss is not None
    assert 0.45 < reference.loss.mean < 0.55


def test_rows_of_unknown_truth_are_scored_and_not_judged() -> None:
    """Half of the sample has labels, all of it has a score."""
    sample = noise()
    sample.loc[::2, "late"] = None
    fitted = DecisionTreeClassifier(random_state=0).fit(sample[1::2].drop(columns="late"), sample["late"][1::2])
    reference = referenced(fitted, sample)

    assert reference.scores == OUT_OF_FOLD
    assert reference.loss is not None
    assert reference.loss.rows == 1_000
    assert reference.columns[-1].counts[-1] == 0


def test_a_regression_is_judged_by_its_own_errors() -> None:
    """The scale is the 99th percentile of the errors on rows that were not seen."""
    sample = doubles(1_000)
    truth = pd.Series(np.random.default_rng(2).normal(size=1_000))
    forest = RandomForestRegressor(5, random_state=0).fit(sample, truth)
    reference = referenced(forest, sample.assign(late=truth))

    assert reference.loss is not None
    assert 2.0 < reference.loss.scale < 4.5
    assert 0.2 < reference.loss.mean < 0.5


@pytest.mark.parametrize("labels", [(0, 1), (False, True), ("in time", "late"), (1.0, 2.0)])
def test_classes_of_any_kind(labels: tuple[object, object]) -> None:
    """Clones are fitted on the classes as the estimator knows them."""
    sample = doubles(400)
    target = halves(sample, labels)
    reference = referenced(LogisticRegression().fit(sample, target), sample.assign(late=target))

    assert reference.scores == OUT_OF_FOLD
    assert reference.loss is not None
    assert reference.loss.mean < 0.1


def test_of_a_search_the_best_is_cloned() -> None:
    """The search itself is not done again."""
    sample = doubles(300)
    target = halves(sample)
    search = GridSearchCV(LogisticRegression(), {"C": [0.1, 1.0]}, cv=2).fit(sample, target)

    assert referenced(search, sample.assign(late=target)).scores == OUT_OF_FOLD


class OnlyOnce(ClassifierMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """Can't be fitted again, as if its data were gone."""

    def __init__(self) -> None:
        self.classes_ = np.array([0, 1])

    def fit(self, X: object, y: object) -> None:  # noqa: N803  scikit-learn's name
        raise OSError("the data are gone")

    def predict(self, X: pd.DataFrame) -> npt.NDArray[np.int64]:  # noqa: N803  scikit-learn's name
        return np.zeros(len(X), dtype=np.int64)

    def predict_proba(self, X: pd.DataFrame) -> npt.NDArray[np.float64]:  # noqa: N803  scikit-learn's name
        return np.tile([0.9, 0.1], (len(X), 1))


@pytest.mark.parametrize(
    "rows,why", [(300, "a clone of the estimator could not be fitted: OSError"), (8, "8 rows have a true value")]
)
def test_where_there_are_no_clones_the_sample_s_own_scores_must_do(rows: int, why: str) -> None:
    """The reference says so, and why."""
    sample = doubles(rows)
    reference = referenced(OnlyOnce(), sample.assign(late=halves(sample)))

    assert reference.scores.startswith(f"of the sample itself: {why}")
    assert reference.loss is not None
    assert reference.loss.mean == 0.5


def test_a_class_that_some_fold_lacks_is_told() -> None:
    """One row of a class is in one fold, and the clone that is fitted without it can't know it."""
    sample = doubles(300)
    target = halves(sample)
    target[0] = 2
    fitted = DecisionTreeClassifier().fit(sample, target)

    assert referenced(fitted, sample.assign(late=target)).scores.endswith("a class is missing from some fold")


def test_without_a_target_nothing_is_fitted() -> None:
    """There is no loss then."""
    sample = doubles(300)
    reference = referenced(LogisticRegression().fit(sample, halves(sample)), sample, target=None)

    assert (reference.scores, reference.loss) == ("of the sample itself: no target was named", None)


def test_the_reference_says_which_features_the_performance_rests_on() -> None:
    """Shares of what shuffling costs: all of it for the one feature that decides, none for others."""
    sample = doubles(1_000)
    target = halves(sample)
    reference = referenced(DecisionTreeClassifier(max_depth=1).fit(sample, target), sample.assign(late=target))

    assert [column.importance for column in reference.columns] == [1.0, 0.0, 0.0, 0.0, None]


def test_where_no_feature_matters_no_shares_are_made_up() -> None:
    """An estimator that ignores its features has none to name."""
    sample = doubles(100)
    reference = referenced(OnlyOnce(), sample.assign(late=halves(sample)))

    assert {column.importance for column in reference.columns} == {None}
