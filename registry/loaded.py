"""A version in memory, checked, ready to score: one estimator call a batch.

Frames come in, scores go out, bit-equal to the estimator's own answers on the same frame.
What the estimator raises becomes an `EstimatorError` with the reason for a dead letter.
"""

import re
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from registry.binning import Binning
from registry.errors import EstimatorError
from registry.fitting import Frame, fit_rows
from schemas.columns import Rejection
from schemas.reasons import Reason
from schemas.signature import Signature, Task

DETAIL_CHARACTERS_MAX = 500
_UNKNOWN_CATEGORY = re.compile(r"[Ff]ound unknown categor|y contains previously unseen labels")
Floats = npt.NDArray[np.float64]


class Estimator(Protocol):
    """What is used of a fitted scikit-learn estimator."""

    def predict(self, X: Frame) -> npt.NDArray[np.generic]: ...  # noqa: N803  scikit-learn's name


class Classifier(Estimator, Protocol):
    """What is used of a fitted classifier besides."""

    def predict_proba(self, X: Frame) -> Floats: ...  # noqa: N803  scikit-learn's name


class LabelRule(StrEnum):
    """Where a label comes from: the most likely class, or the estimator's own `predict` where that differs."""

    ARGMAX = "argmax"
    PREDICT = "predict"


@dataclass(frozen=True, slots=True, kw_only=True)
class Scores:
    """Answers for n rows.

    `scores` (n,): see `Task`. `labels`: the predicted class as text, None for regression.
    `probabilities` (n, k) in the order of the signature's classes, None but for multiclass.
    """

    scores: Floats
    labels: list[str] | None
    probabilities: Floats | None

    def of_rows(self, kept: npt.NDArray[np.bool_]) -> "Scores":
        """The answers for some of the rows, chosen by a mask of shape (n,)."""
        labels = None if self.labels is None else [label for label, keep in zip(self.labels, kept, strict=True) if keep]
        probabilities = None if self.probabilities is None else self.probabilities[kept]
        return Scores(scores=self.scores[kept], labels=labels, probabilities=probabilities)


class LoadedVersion:
    """One version, held by the worker that serves it.

    `binning` counts rows in the bins of its reference; `block_rows` of them are judged together.
    """

    def __init__(
        self,
        *,
        name: str,
        version: str,
        bundle: str,
        signature: Signature,
        estimator: Estimator,
        label_rule: LabelRule,
        binning: Binning,
        block_rows: int,
    ) -> None:
        self.name = name
        self.version = version
        self.bundle = bundle
        self.signature = signature
        self.estimator = estimator
        self.binning = binning
        self.block_rows = block_rows
        self.label_rule = label_rule
        self._classes = np.array(signature.classes, dtype=np.object_)

    def fit(self, features: pa.RecordBatch) -> tuple[Frame, list[Rejection]]:
        """The rows that fit the signature as the estimator's frame, and a rejection for each other row."""
        return fit_rows(features, self.signature)

    def score(self, frame: Frame) -> Scores:
        """Score all rows in one call. Raises `EstimatorError` when the estimator does."""
        return score_frame(self.estimator, frame, signature=self.signature, label_rule=self.label_rule)


def score_frame(estimator: Estimator, frame: Frame, *, signature: Signature, label_rule: LabelRule) -> Scores:
    """What `LoadedVersion.score` does, for an estimator that is not a version yet."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return _answers(estimator, frame, signature, label_rule)
        except Exception as error:
            raise EstimatorError(*_verdict(error)) from error


def _answers(estimator: Estimator, frame: Frame, signature: Signature, label_rule: LabelRule) -> Scores:
    if signature.task is Task.REGRESSION:
        values = np.asarray(estimator.predict(frame), dtype=np.float64)
        if values.size != len(frame):
            raise ValueError(f"{values.size // max(len(frame), 1)} outputs a row, and a version has one")
        return Scores(scores=values.reshape(len(frame)), labels=None, probabilities=None)
    assert hasattr(estimator, "predict_proba"), "classifiers without probabilities are refused when they are added"
    probabilities: Floats = np.asarray(estimator.predict_proba(frame), dtype=np.float64)
    classes = np.array(signature.classes, dtype=np.object_)
    likeliest = probabilities.argmax(axis=1)
    labels = classes[likeliest].tolist() if label_rule is LabelRule.ARGMAX else texts(estimator.predict(frame))
    if signature.task is Task.BINARY:
        return Scores(scores=probabilities[:, 1], labels=labels, probabilities=None)
    return Scores(
        scores=np.take_along_axis(probabilities, likeliest[:, np.newaxis], axis=1)[:, 0],
        labels=labels,
        probabilities=probabilities,
    )


def texts(classes: npt.NDArray[np.generic] | Sequence[object]) -> list[str]:
    """Class labels as the text in which they travel.

    >>> texts(np.array([0, 1])), texts(np.array([True])), texts(["late"])
    (['0', '1'], ['True'], ['late'])
    """
    return [str(label) for label in (classes.tolist() if isinstance(classes, np.ndarray) else classes)]


def _verdict(error: Exception) -> tuple[Reason, str]:
    words = " ".join(str(error).split())[:DETAIL_CHARACTERS_MAX]
    if isinstance(error, ValueError) and _UNKNOWN_CATEGORY.search(words):
        return Reason.UNKNOWN_CATEGORY, words
    return Reason.ESTIMATOR_ERROR, f"{type(error).__name__}: {words}"
