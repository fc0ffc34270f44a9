"""Makes the reference of a version that is being added: with scores and losses of rows it had not seen.

The estimator and its sample come in, the reference profile goes out. Where there is no target, or
clones can't be fitted, the estimator's scores of the sample itself have to do, and the reference
says so.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
from pandas.api import types as dtypes

from registry.importance import ROWS_MAX as IMPORTANCE_ROWS_MAX
from registry.importance import importances
from registry.loaded import Estimator, LabelRule, Scores
from registry.metrics import true_labels, true_numbers
from registry.out_of_fold import out_of_fold
from registry.reference_profile import (
    OUT_OF_FOLD,
    ProfileOrder,
    ReferenceLoss,
    ReferenceProfile,
    reference_loss,
    reference_profile,
)
from schemas.signature import Signature, Task

OF_ITSELF = "of the sample itself"


def reference_of(
    estimator: Estimator,
    sample: pd.DataFrame,
    features: pa.RecordBatch,
    scores: Scores,
    *,
    signature: Signature,
    label_rule: LabelRule,
    target: str | None,
    time: str | None,
) -> ReferenceProfile:
    """The reference of a sample in time order, if `time` names its column of time; `scores`: the estimator's own.

    Raises `SampleError` when the target holds what the estimator can't answer.
    """
    order = ProfileOrder(time=time, moments=None if time is None else _moments(sample[time]))
    judged, scores_of, loss = scores, f"{OF_ITSELF}: no target was named", None
    rests_on: Mapping[str, float] = {}
    if target is not None:
        truth = _truth(sample[target], signature)
        unseen = out_of_fold(
            estimator,
            features,
            truth.of(estimator, signature),
            truth.known,
            signature=signature,
            label_rule=label_rule,
            in_time_order=time is not None,
        )
        judged = unseen.scores or scores
        scores_of = f"{OF_ITSELF}: {unseen.note}" if unseen.scores is None else OUT_OF_FOLD
        loss = _loss(judged, truth)
        rests_on = _importances(estimator, features, truth, signature=signature, label_rule=label_rule)
    return reference_profile(
        features,
        judged.scores,
        order=order,
        keep_text_of=[each.name for each in signature.features if not each.personal],
        scores_of=scores_of,
        loss=loss,
        importance=rests_on,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Truth:
    """True values of n rows, of which those `known` count: classes as text, or numbers."""

    known: npt.NDArray[np.bool_]
    labels: Sequence[str] | None
    numbers: npt.NDArray[np.float64] | None

    def of(self, estimator: Estimator, signature: Signature) -> npt.NDArray[np.generic]:
        """The values as the estimator was fitted on: its own classes, any of them where unknown."""
        if self.labels is None:
            assert self.numbers is not None, "a regression has numbers"
            return self.numbers
        own: npt.NDArray[np.generic] = np.asarray(getattr(estimator, "classes_", signature.classes))
        places = {name: index for index, name in enumerate(signature.classes)}
        return own[[places.get(label, 0) for label in self.labels]]

    def losses(self, scores: Scores, rows: npt.NDArray[np.int64], signature: Signature) -> npt.NDArray[np.float64]:
        """How wrong scores of these rows are: squared error of the probability, or absolute error of the number."""
        if self.labels is None:
            assert self.numbers is not None, "a regression has numbers"
            wrong: npt.NDArray[np.float64] = np.abs(scores.scores - self.numbers[rows])
            return wrong
        places = {name: index for index, name in enumerate(signature.classes)}
        codes = np.array([places[self.labels[row]] for row in rows.tolist()])
        probability = scores.scores if scores.probabilities is None else scores.probabilities[range(len(codes)), codes]
        short: npt.NDArray[np.float64] = (codes if scores.probabilities is None else 1.0) - probability
        return short**2


def _truth(values: "pd.Series[str]", signature: Signature) -> _Truth:
    known = values.notna().to_numpy(dtype=np.bool_)
    if signature.task is Task.REGRESSION:
        return _Truth(known=known, labels=None, numbers=true_numbers(values))
    labels = np.full(len(values), "", dtype=np.object_)
    labels[known] = true_labels(values[known], signature)
    return _Truth(known=known, labels=labels.tolist(), numbers=None)


def _loss(judged: Scores, truth: _Truth) -> ReferenceLoss | None:
    if not truth.known.any():
        return None
    if truth.labels is not None:
        assert judged.labels is not None, "classifiers give labels"
        return reference_loss(
            np.array([label != true for label, true in zip(judged.labels, truth.labels, strict=True)])[truth.known]
        )
    assert truth.numbers is not None, "a regression has numbers"
    return reference_loss(np.abs(judged.scores - truth.numbers)[truth.known])


def _importances(
    estimator: Estimator, features: pa.RecordBatch, truth: _Truth, *, signature: Signature, label_rule: LabelRule
) -> Mapping[str, float]:
    known = np.flatnonzero(truth.known)
    chosen = known[:: max(len(known) // IMPORTANCE_ROWS_MAX, 1)][:IMPORTANCE_ROWS_MAX]
    if not len(chosen):
        return {}
    return importances(
        estimator,
        features.take(chosen),
        lambda scores: truth.losses(scores, chosen, signature),
        signature=signature,
        label_rule=label_rule,
    )


def _moments(times: "pd.Series[str]") -> npt.NDArray[np.int64] | None:
    """The column of time in ms, where it holds dates or text in ISO 8601; None where its unit can't be known."""
    if dtypes.is_numeric_dtype(times.dtype) or times.isna().any():
        return None
    try:
        dates = pd.to_datetime(
            times, format=None if dtypes.is_datetime64_any_dtype(times.dtype) else "ISO8601", utc=True
        )
    except (ValueError, TypeError):
        return None
    return np.array(dates.astype("datetime64[ms, UTC]").astype("int64"), dtype=np.int64)
