"""Measures from sums are those of scikit-learn on the rows, and their intervals hold what they promise."""

from functools import cache

import numpy as np
import numpy.typing as npt
import pytest
from sklearn import metrics

from consumers.measures import MEASURES, measures_of
from schemas.performance_sums import Judged, PerformanceSums
from schemas.signature import Task

TWO, THREE = ("no", "yes"), ("a", "b", "c")


def judged(
    label: str, score: float, truth: str, *, probability: float, probabilities: list[float] | None = None
) -> Judged:
    return Judged(label, score, probabilities, truth, None, probability, float(label != truth), None, None, 0)


@cache
def of_two(rows: int, seed: int = 1) -> tuple[PerformanceSums, list[str], list[str], npt.NDArray[np.float64]]:
    random = np.random.default_rng(seed)
    scores = 1 / (1 + np.exp(-random.normal(-1, 1.5, rows)))
    truths = [
        "yes" if chance < score * 0.9 else "no" for chance, score in zip(random.random(rows), scores, strict=True)
    ]
    labels = ["yes" if score > 0.5 else "no" for score in scores]
    sums = PerformanceSums()
    for label, score, truth in zip(labels, scores.tolist(), truths, strict=True):
        probability = score if truth == "yes" else 1 - score
        sums.judge(judged(label, score, truth, probability=probability), 1, task=Task.BINARY, classes=TWO)
    return sums, truths, labels, scores


def test_two_classes_are_measured_as_scikit_learn_does() -> None:
    """Ranks are told by bins, and are right to the fourth digit all the same."""
    sums, truths, labels, scores = of_two(20_000)
    found = {name: measure.value for name, measure in measures_of(sums, Task.BINARY, TWO).items()}
    positives = np.array([truth == "yes" for truth in truths])

    assert found["accuracy"] == pytest.approx(metrics.accuracy_score(truths, labels))
    assert found["precision"] == pytest.approx(metrics.precision_score(truths, labels, pos_label="yes"))
    assert found["recall"] == pytest.approx(metrics.recall_score(truths, labels, pos_label="yes"))
    assert found["f1"] == pytest.approx(metrics.f1_score(truths, labels, pos_label="yes"))
    assert found["log_loss"] == pytest.approx(metrics.log_loss(positives, scores))
    assert found["brier"] == pytest.approx(metrics.brier_score_loss(positives, scores))
    assert found["auc"] == pytest.approx(metrics.roc_auc_score(positives, scores), abs=1e-4)
    assert found["loss"] == pytest.approx(1 - found["accuracy"])


def test_calibration_is_how_far_scores_lie_from_shares() -> None:
    """One in ten fewer than the scores say, in each tenth, is the mean of a tenth of the scores."""
    sums, truths, _, scores = of_two(50_000)
    tenths = np.minimum((scores * 10).astype(int), 9)
    positives = np.array([truth == "yes" for truth in truths])
    expected = sum(
        (tenths == tenth).mean() * abs(positives[tenths == tenth].mean() - scores[tenths == tenth].mean())
        for tenth in range(10)
    )

    assert measures_of(sums, Task.BINARY, TWO)["calibration_error"].value == pytest.approx(expected)
    assert expected > 0.02


def test_more_classes_are_measured_as_scikit_learn_does() -> None:
    """Precision, recall and F1 are means over classes, and the Brier score sums over them."""
    random = np.random.default_rng(2)
    probabilities = random.dirichlet([1.0, 1.0, 1.0], 5_000)
    truths = [THREE[random.choice(3, p=row)] for row in probabilities]
    labels = [THREE[int(row.argmax())] for row in probabilities]
    sums = PerformanceSums()
    for label, truth, row in zip(labels, truths, probabilities.tolist(), strict=True):
        each = judged(label, max(row), truth, probability=row[THREE.index(truth)], probabilities=row)
        sums.judge(each, 1, task=Task.MULTICLASS, classes=THREE)
    found = {name: measure.value for name, measure in measures_of(sums, Task.MULTICLASS, THREE).items()}
    one_hot = np.array([[truth == name for name in THREE] for truth in truths])

    assert found["precision"] == pytest.approx(metrics.precision_score(truths, labels, average="macro"))
    assert found["recall"] == pytest.approx(metrics.recall_score(truths, labels, average="macro"))
    assert found["f1"] == pytest.approx(metrics.f1_score(truths, labels, average="macro"))
    assert found["log_loss"] == pytest.approx(metrics.log_loss(truths, probabilities, labels=list(THREE)))
    assert found["brier"] == pytest.approx(((probabilities - one_hot) ** 2).sum(axis=1).mean())
    assert "auc" not in found
    assert {(truth, label): weight for (truth, label), weight in sums.confusion.items()} == {
        (THREE[row], THREE[column]): float(count)
        for row, counts in enumerate(metrics.confusion_matrix(truths, labels, labels=list(THREE)))
        for column, count in enumerate(counts)
        if count
    }


def test_values_are_measured_as_scikit_learn_does() -> None:
    """Weights count, and the loss is on its scale."""
    random = np.random.default_rng(3)
    truths, errors, weights = random.normal(10, 5, 4_000), random.normal(1, 2, 4_000), random.integers(1, 4, 4_000)
    sums = PerformanceSums()
    for truth, error, weight in zip(truths.tolist(), errors.tolist(), weights.tolist(), strict=True):
        loss = min(abs(error) / 4.0, 1.0)
        each = Judged(None, truth + error, None, None, truth, None, loss, float(weight), error * 2, 0)
        sums.judge(each, 1, task=Task.REGRESSION, classes=())
    found = {name: measure.value for name, measure in measures_of(sums, Task.REGRESSION, ()).items()}
    predicted = truths + errors

    assert found["mae"] == pytest.approx(metrics.mean_absolute_error(truths, predicted, sample_weight=weights))
    assert found["rmse"] == pytest.approx(metrics.root_mean_squared_error(truths, predicted, sample_weight=weights))
    assert found["bias"] == pytest.approx(np.average(errors, weights=weights))
    assert found["loss"] == pytest.approx(np.average(np.minimum(np.abs(errors) / 4, 1), weights=weights))
    assert found["value_mean"] == pytest.approx(errors.mean() * 2)


@pytest.mark.parametrize("name", ["accuracy", "precision", "recall", "f1", "log_loss", "brier", "auc"])
def test_intervals_hold_the_truth_nineteen_times_in_twenty(name: str) -> None:
    """Of two hundred samples of 400 labels, about 95 % have the figure of a very large one within their bounds."""
    truth = measures_of(of_two(200_000, seed=99)[0], Task.BINARY, TWO)[name].value
    held = 0
    for seed in range(200):
        measure = measures_of(of_two(400, seed=seed)[0], Task.BINARY, TWO)[name]
        assert measure.low is not None
        assert measure.high is not None
        held += measure.low <= truth <= measure.high

    assert 180 <= held <= 200


def test_few_labels_promise_little() -> None:
    """One label has a figure and hardly a bound; none has no figure."""
    sums = PerformanceSums()
    assert measures_of(sums, Task.BINARY, TWO) == {}
    sums.judge(judged("yes", 0.9, "yes", probability=0.9), 1, task=Task.BINARY, classes=TWO)
    found = measures_of(sums, Task.BINARY, TWO)

    assert (found["accuracy"].value, found["accuracy"].high) == (1.0, 1.0)
    assert found["accuracy"].low is not None
    assert found["accuracy"].low < 0.25
    assert found["log_loss"].low is None


def test_every_measure_is_explained() -> None:
    """What can be told is named for the people who read it."""
    two = measures_of(of_two(100)[0], Task.BINARY, TWO)

    assert two.keys() <= MEASURES.keys()
    assert {"mae", "rmse", "bias", "value_mean"} <= MEASURES.keys()
