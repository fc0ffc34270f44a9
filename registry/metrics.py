"""How well a version does on rows, where they say what was true.

On the sample these are no promise: it may be what the version was fitted on, and they say so.
"""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn import metrics

from registry.errors import SampleError
from registry.loaded import Scores, texts
from schemas.signature import Signature, Task

Floats = npt.NDArray[np.float64]
Metrics = Mapping[str, float]


def sample_metrics(truth: "pd.Series[str]", scores: Scores, signature: Signature) -> Metrics:
    """Metrics over the rows whose true value is known; empty when none is.

    Raises `SampleError` when the target holds what the estimator can't answer.
    """
    known = truth.notna().to_numpy(dtype=np.bool_)
    rows = int(known.sum())
    if not rows:
        return {}
    if signature.task is Task.REGRESSION:
        measured = _regression(true_numbers(truth[known]), scores.scores[known])
    else:
        measured = _classification(true_labels(truth[known], signature), known, scores, signature)
    return {"rows": float(rows), **{name: value for name, value in measured.items() if np.isfinite(value)}}


def row_losses(truth: "pd.Series[str]", scores: Scores) -> Floats:
    """The loss of each row: 0 or 1 for a class that is right or wrong, the absolute error of a value.

    Every truth is known, and spelled as the estimator's classes are.
    """
    if scores.labels is None:
        errors: Floats = np.abs(true_numbers(truth) - scores.scores)
        return errors
    pairs = zip(truth.tolist(), scores.labels, strict=True)
    return np.fromiter((float(actual != predicted) for actual, predicted in pairs), dtype=np.float64)


def _regression(truth: Floats, predicted: Floats) -> dict[str, float]:
    return {
        "mae": float(metrics.mean_absolute_error(truth, predicted)),
        "rmse": float(metrics.root_mean_squared_error(truth, predicted)),
    }


def _classification(
    truth: list[str], known: npt.NDArray[np.bool_], scores: Scores, signature: Signature
) -> dict[str, float]:
    assert scores.labels is not None, "classifiers give labels"
    predicted = [label for label, kept in zip(scores.labels, known, strict=True) if kept]
    codes = np.array([signature.classes.index(label) for label in truth])
    answers = np.array([signature.classes.index(label) for label in predicted])
    average = "binary" if signature.task is Task.BINARY else "macro"
    probabilities = _probabilities(scores, known)
    measured = {
        "accuracy": float(metrics.accuracy_score(codes, answers)),
        "precision": float(metrics.precision_score(codes, answers, average=average, zero_division=0)),
        "recall": float(metrics.recall_score(codes, answers, average=average, zero_division=0)),
        "f1": float(metrics.f1_score(codes, answers, average=average, zero_division=0)),
        "log_loss": _log_loss(codes, probabilities),
    }
    if signature.task is Task.BINARY and len(set(truth)) == 2:
        measured["auc"] = float(metrics.roc_auc_score(codes, probabilities[:, 1]))
    return measured


def _probabilities(scores: Scores, known: npt.NDArray[np.bool_]) -> Floats:
    if scores.probabilities is not None:
        return scores.probabilities[known]
    second = scores.scores[known]
    return np.column_stack([1 - second, second])


def _log_loss(codes: npt.NDArray[np.int64], probabilities: Floats) -> float:
    likelihood = probabilities[np.arange(len(codes)), codes]
    return float(-np.log(np.clip(likelihood, np.finfo(np.float64).eps, 1.0)).mean())


def true_numbers(truth: "pd.Series[str]") -> Floats:
    try:
        return truth.to_numpy(dtype=np.float64)
    except (TypeError, ValueError) as error:
        remedy = "a regressor is judged by numbers: name another target"
        raise SampleError(str(truth.name), "holds values that are no numbers", remedy) from error


def true_labels(truth: "pd.Series[str]", signature: Signature) -> list[str]:
    """True classes as text; a number that is whole is also known without its fraction, and 1 as True."""
    found = texts(truth.to_numpy())
    spelled = {name: name for name in signature.classes}
    for name in signature.classes:
        for other in _spellings(name):
            spelled.setdefault(other, name)
    strangers = sorted(set(found) - set(spelled))
    if strangers:
        remedy = f"the estimator knows the classes {', '.join(signature.classes[:10])}: name another target"
        raise SampleError(str(truth.name), f"holds the class {strangers[0]!r}", remedy)
    return [spelled[label] for label in found]


def _spellings(name: str) -> tuple[str, ...]:
    if name in ("True", "False"):
        return ("1", "1.0", "true") if name == "True" else ("0", "0.0", "false")
    if name in ("0", "1"):
        return (f"{name}.0", "True" if name == "1" else "False")
    return (f"{name}.0",) if name.lstrip("-").isdecimal() else (name.removesuffix(".0"),)
