"""What the policy asks of a version's metrics, and which of it does not hold. Pure.

Metrics and bounds come in; findings go out, one for each bound, with the figure and the bound.
A bound on what a task does not have (an error in minutes of a classifier) is not asked of it.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from registry.manifest import Baseline
from runtime.settings import CriteriaSettings
from schemas.signature import Task

_AT_LEAST: Mapping[str, str] = {
    "accuracy_min": "accuracy",
    "precision_min": "precision",
    "recall_min": "recall",
    "f1_min": "f1",
    "auc_min": "auc",
}
_AT_MOST: Mapping[str, str] = {"log_loss_max": "log_loss", "mae_max": "mae", "rmse_max": "rmse"}
_MULTICLASS = frozenset({"accuracy", "precision", "recall", "f1", "log_loss"})
_METRICS: Mapping[Task, frozenset[str]] = {
    Task.BINARY: _MULTICLASS | {"auc"},
    Task.MULTICLASS: _MULTICLASS,
    Task.REGRESSION: frozenset({"mae", "rmse"}),
}
_FIRST: Mapping[Task, str] = {Task.BINARY: "accuracy", Task.MULTICLASS: "accuracy", Task.REGRESSION: "mae"}
_GREATER_IS_BETTER = frozenset(_AT_LEAST.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One bound of the policy: does it hold, and in which words."""

    holds: bool
    words: str


def findings(
    metrics: Mapping[str, float], baseline: Baseline | None, *, criteria: CriteriaSettings, task: Task
) -> list[Finding]:
    """One for each bound that applies to the task, in the order of the settings; none where nothing is asked."""
    bounds = dict(_bounds(criteria, task))
    found = [_against_bound(setting, metric, bound, metrics) for setting, (metric, bound) in bounds.items()]
    if criteria.worse_by_max is not None and baseline is not None:
        compared = [metric for metric, _bound in bounds.values()] or [_FIRST[task]]
        found += _against_active(compared, baseline, criteria.worse_by_max)
    rows = metrics.get("rows", 0.0)
    if found and rows < criteria.rows_min:
        words = f"{rows:.0f} rows with a known truth are fewer than {criteria.rows_min} (policy.criteria.rows_min)"
        found.append(Finding(holds=False, words=words))
    return found


def _bounds(criteria: CriteriaSettings, task: Task) -> Iterator[tuple[str, tuple[str, float]]]:
    for setting, metric in {**_AT_LEAST, **_AT_MOST}.items():
        bound: float | None = getattr(criteria, setting)
        if bound is not None and metric in _METRICS[task]:
            yield setting, (metric, bound)


def _against_bound(setting: str, metric: str, bound: float, metrics: Mapping[str, float]) -> Finding:
    figure = metrics.get(metric)
    if figure is None:
        return Finding(holds=False, words=f"{metric} is not known, and policy.criteria.{setting} is {bound:.6g}")
    holds = figure >= bound if setting in _AT_LEAST else figure <= bound
    if holds:
        return Finding(holds=True, words=f"{metric} {figure:.6g} is within {bound:.6g}")
    side = "below" if setting in _AT_LEAST else "above"
    return Finding(holds=False, words=f"{metric} {figure:.6g} is {side} {bound:.6g} (policy.criteria.{setting})")


def _against_active(compared: list[str], baseline: Baseline, worse_by_max: float) -> Iterator[Finding]:
    if baseline.failure:
        words = f"it can't be compared with version {baseline.version}: {baseline.failure}"
        yield Finding(holds=False, words=words)
        return
    for metric in compared:
        ours, theirs = baseline.candidate_metrics.get(metric), baseline.metrics.get(metric)
        if ours is None or theirs is None:
            words = f"{metric} is not known on the rows that version {baseline.version} can score"
            yield Finding(holds=False, words=words)
            continue
        worse_by = theirs - ours if metric in _GREATER_IS_BETTER else ours - theirs
        beside = f"{metric} {ours:.6g} beside {theirs:.6g} of version {baseline.version}"
        if worse_by <= worse_by_max:
            yield Finding(holds=True, words=beside)
        else:
            bound = f"worse by more than {worse_by_max:.6g} (policy.criteria.worse_by_max)"
            yield Finding(holds=False, words=f"{beside}, {bound}")
