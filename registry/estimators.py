"""What a fitted estimator says of itself: task, classes, column names; and which kinds can't be served.

An estimator and a sample's frame come in, facts or an `EstimatorRefusedError` with the remedy
go out. Nothing is fitted here.
"""

from dataclasses import dataclass

import numpy as np
from sklearn.base import is_classifier, is_regressor
from sklearn.exceptions import NotFittedError
from sklearn.utils.validation import check_is_fitted

from registry.errors import EstimatorRefusedError
from registry.loaded import Estimator, texts
from schemas.signature import Container, Task

_OWN_DECISION = frozenset({"SVC", "NuSVC", "FixedThresholdClassifier", "TunedThresholdClassifierCV"})


@dataclass(frozen=True, slots=True, kw_only=True)
class EstimatorFacts:
    """`columns`: names it was fitted on, in order; None when fitted on an array.

    `features`: their number, None where the estimator does not say. `own_decision`: its
    `predict` is known to be another thing than its most likely class.
    """

    task: Task
    classes: tuple[str, ...]
    container: Container
    columns: tuple[str, ...] | None
    features: int | None
    own_decision: bool


def estimator_facts(estimator: Estimator, *, task: Task | None) -> EstimatorFacts:
    """Raises `EstimatorRefusedError` when it can't be served, or its task is not the one that was named."""
    _refuse_unfitted(estimator)
    actual, classes = _task(estimator)
    if task is not None and task is not actual:
        raise EstimatorRefusedError(f"the task was given as {task.value}, and the estimator's is {actual.value}")
    names = getattr(estimator, "feature_names_in_", None)
    features = getattr(estimator, "n_features_in_", None)
    return EstimatorFacts(
        task=actual,
        classes=classes,
        container=Container.ARRAY if names is None else Container.DATAFRAME,
        columns=None if names is None else tuple(str(name) for name in names),
        features=None if features is None else int(features),
        own_decision=type(_last_step(estimator)).__name__ in _OWN_DECISION,
    )


def _refuse_unfitted(estimator: Estimator) -> None:
    kind = type(estimator).__name__
    if isinstance(estimator, type) or not hasattr(estimator, "predict") or not hasattr(estimator, "fit"):
        raise EstimatorRefusedError(f"{kind} is no fitted scikit-learn classifier or regressor: pass one that predicts")
    try:
        check_is_fitted(estimator)
    except NotFittedError as error:
        raise EstimatorRefusedError(f"{kind} is not fitted: call fit before adding it") from error
    except TypeError as error:
        raise EstimatorRefusedError(f"{kind} is no scikit-learn estimator: {error}") from error


def _task(estimator: Estimator) -> tuple[Task, tuple[str, ...]]:
    kind = type(estimator).__name__
    if is_regressor(estimator):
        return Task.REGRESSION, ()
    if not is_classifier(estimator):
        raise EstimatorRefusedError(f"{kind} is neither a classifier nor a regressor: only these can be served")
    known = getattr(estimator, "classes_", None)
    if known is None or isinstance(known, list) or np.ndim(known) != 1:
        raise EstimatorRefusedError(f"{kind} has several outputs: fit and add one version for each of them")
    classes = tuple(texts(known))
    if len(classes) < 2:
        raise EstimatorRefusedError(f"{kind} knows the one class {classes[0]!r}: fit it on rows of two classes or more")
    if not hasattr(estimator, "predict_proba"):
        remedy = "wrap it in sklearn.calibration.CalibratedClassifierCV and fit that"
        raise EstimatorRefusedError(f"{kind} gives no probabilities (it has no predict_proba): {remedy}")
    return Task.BINARY if len(classes) == 2 else Task.MULTICLASS, classes


def _last_step(estimator: object) -> object:
    """The estimator that decides: inside pipelines and searches."""
    while True:
        steps = getattr(estimator, "steps", None)
        inner = steps[-1][1] if steps else getattr(estimator, "best_estimator_", None)
        if inner is None:
            return estimator
        estimator = inner
