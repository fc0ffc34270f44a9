"""What the policy asks of metrics: which bounds hold, and how a failure is told."""

import pytest

from registry.criteria import findings
from registry.manifest import Baseline
from runtime.settings import CriteriaSettings
from schemas.signature import Task

METRICS = {"rows": 500.0, "accuracy": 0.87, "precision": 0.79, "recall": 0.75, "f1": 0.77, "log_loss": 0.3, "auc": 0.9}
ASKED = CriteriaSettings(accuracy_min=0.85, precision_min=0.80, recall_min=0.75)


def failed(criteria: CriteriaSettings, *, baseline: Baseline | None = None, task: Task = Task.BINARY) -> list[str]:
    return [each.words for each in findings(METRICS, baseline, criteria=criteria, task=task) if not each.holds]


def against(ours: float, theirs: float) -> Baseline:
    return Baseline(version="3", bundle="b", metrics={"accuracy": theirs}, candidate_metrics={"accuracy": ours})


def test_only_what_fails_is_named_with_figure_and_bound() -> None:
    """A figure on the bound holds; one below it is named with the setting."""
    assert failed(ASKED) == ["precision 0.79 is below 0.8 (policy.criteria.precision_min)"]


def test_nothing_is_asked_by_default() -> None:
    """Without criteria there is nothing to find, whatever the metrics are."""
    assert findings({}, None, criteria=CriteriaSettings(), task=Task.BINARY) == []


@pytest.mark.parametrize("task", [Task.BINARY, Task.MULTICLASS])
def test_errors_are_bounded_from_above(task: Task) -> None:
    """Log loss is better when it is less."""
    found = failed(CriteriaSettings(log_loss_max=0.25), task=task)

    assert found == ["log_loss 0.3 is above 0.25 (policy.criteria.log_loss_max)"]


def test_a_task_is_not_asked_for_what_it_does_not_have() -> None:
    """One policy serves classifiers and regressions: each is held to its own bounds."""
    criteria = CriteriaSettings(accuracy_min=0.99, auc_min=0.99, mae_max=5.0, rows_min=1)

    assert [
        each.words for each in findings({"rows": 9.0, "mae": 4.0}, None, criteria=criteria, task=Task.REGRESSION)
    ] == ["mae 4 is within 5"]
    assert [words.split()[0] for words in failed(criteria, task=Task.MULTICLASS)] == ["accuracy"]


def test_a_metric_that_was_not_measured_fails() -> None:
    """Without true values no promise is kept."""
    found = findings({}, None, criteria=CriteriaSettings(recall_min=0.5), task=Task.BINARY)

    assert [each.words for each in found] == [
        "recall is not known, and policy.criteria.recall_min is 0.5",
        "0 rows with a known truth are fewer than 100 (policy.criteria.rows_min)",
    ]


def test_a_few_rows_prove_nothing() -> None:
    """A judgment on fewer rows than the policy wants does not count, however good it looks."""
    found = failed(CriteriaSettings(accuracy_min=0.5, rows_min=501))

    assert found == ["500 rows with a known truth are fewer than 501 (policy.criteria.rows_min)"]


@pytest.mark.parametrize(("ours", "theirs", "holds"), [(0.87, 0.88, True), (0.87, 0.885, False), (0.9, 0.8, True)])
def test_worse_than_the_active_version_by_more_than_allowed(
    ours: float,
    theirs: float,
    holds: bool,  # noqa: FBT001  a parameter of the test
) -> None:
    """Both figures and the bound are told; better is never worse."""
    found = failed(CriteriaSettings(worse_by_max=0.0101), baseline=against(ours, theirs))

    told = "accuracy 0.87 beside 0.885 of version 3, worse by more than 0.0101"
    assert found == ([] if holds else [f"{told} (policy.criteria.worse_by_max)"])


def test_an_error_that_grows_is_worse() -> None:
    """For a regression a smaller error is better."""
    baseline = Baseline(version="1", bundle="b", metrics={"mae": 5.0}, candidate_metrics={"mae": 5.5})
    criteria = CriteriaSettings(worse_by_max=0.1)
    found = findings({"rows": 200.0}, baseline, criteria=criteria, task=Task.REGRESSION)

    assert [each.holds for each in found] == [False]


def test_a_comparison_that_can_not_be_made_fails() -> None:
    """No worse than something unknown is not known to be no worse."""
    baseline = Baseline(version="1", bundle="b", failure="column 'x' is missing")

    assert failed(CriteriaSettings(worse_by_max=0.0), baseline=baseline) == [
        "it can't be compared with version 1: column 'x' is missing"
    ]


def test_the_first_version_has_nothing_to_be_compared_with() -> None:
    """Where no version is active, nothing is worse than it."""
    assert failed(CriteriaSettings(worse_by_max=0.0)) == []
