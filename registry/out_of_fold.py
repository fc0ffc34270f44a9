"""Scores that a version's like would give rows it has not seen: clones of it, each fitted without one fold.

What an estimator says of its own training rows looks better than it will ever be, and drift that
is judged against that would be seen at once. An estimator, typed rows and their true values come
in; a score for each row goes out, or the reason why there are none, which is no refusal.
"""

import time
import warnings
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from sklearn.base import clone

from registry.errors import EstimatorError
from registry.fitting import fit_rows
from registry.loaded import Estimator, LabelRule, Scores, score_frame, texts
from schemas.signature import Signature, Task

FOLDS = 5
FIT_ROWS_MAX = 20_000
"""Rows that a clone is fitted on: enough for the shape of its scores, and soon done."""
SPENT_S_MAX = 120.0
_SEED = 20_130_101
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Unseen:
    """Scores of all rows by clones that had not seen them; None for the reason in `note`."""

    scores: Scores | None
    note: str


def out_of_fold(
    estimator: Estimator,
    features: pa.RecordBatch,
    truth: npt.NDArray[np.generic],
    known: npt.NDArray[np.bool_],
    *,
    signature: Signature,
    label_rule: LabelRule,
    in_time_order: bool,
) -> Unseen:
    """Score each of the folds with a clone that was fitted on the others.

    `truth` (n,): values as the estimator was fitted on, of which those `known` count. Folds are
    stretches of time where the rows are in time order, else drawn at random.
    """
    rows = features.num_rows
    if int(known.sum()) < 2 * FOLDS:
        return Unseen(scores=None, note=f"{int(known.sum())} rows have a true value, and {2 * FOLDS} are needed")
    folds = np.arange(rows) * FOLDS // rows
    random = np.random.default_rng(_SEED)
    if not in_time_order:
        random.shuffle(folds)
    clones = _Clones(estimator, features, truth, signature=signature, label_rule=label_rule)
    parts: list[tuple[Ints, Scores]] = []
    started = time.perf_counter()
    for fold in range(FOLDS):
        fitting = np.flatnonzero((folds != fold) & known)
        if len(fitting) > FIT_ROWS_MAX:
            fitting = np.sort(random.choice(fitting, FIT_ROWS_MAX, replace=False))
        held = np.flatnonzero(folds == fold)
        try:
            parts.append((held, clones.score(held, fitted_on=fitting)))
        except _NoCloneError as error:
            return Unseen(scores=None, note=str(error))
        spent_s = time.perf_counter() - started
        if fold + 1 < FOLDS and spent_s / (fold + 1) * FOLDS > SPENT_S_MAX:
            return Unseen(scores=None, note=f"fitting {FOLDS} clones would take longer than {SPENT_S_MAX:.0f} s")
    return Unseen(scores=_in_row_order(parts, rows, signature), note="")


class _NoCloneError(Exception):
    """Why a clone gave no scores."""


class _Clones:
    """Clones of one estimator, each fitted on some of its rows."""

    def __init__(
        self,
        estimator: Estimator,
        features: pa.RecordBatch,
        truth: npt.NDArray[np.generic],
        *,
        signature: Signature,
        label_rule: LabelRule,
    ) -> None:
        self._estimator = getattr(estimator, "best_estimator_", estimator)
        self._features = features
        self._truth = truth
        self._signature = signature
        self._label_rule = label_rule

    def score(self, rows: Ints, *, fitted_on: Ints) -> Scores:
        """Scores of some rows by a clone that was fitted on others. Raises `_NoCloneError`."""
        frame, _ = fit_rows(self._features.take(fitted_on), self._signature)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                twin = clone(self._estimator).fit(frame, self._truth[fitted_on])
            except Exception as error:
                # The verdict on whatever a user's estimator raises: the sample's own scores must do.
                raise _NoCloneError(f"a clone of the estimator could not be fitted: {type(error).__name__}") from error
        if self._signature.task is not Task.REGRESSION and tuple(texts(twin.classes_)) != self._signature.classes:
            raise _NoCloneError("a class is missing from some fold")
        held, _ = fit_rows(self._features.take(rows), self._signature)
        try:
            scores = score_frame(twin, held, signature=self._signature, label_rule=self._label_rule)
        except EstimatorError as error:
            raise _NoCloneError(f"a clone of the estimator could not score: {error.detail}") from error
        if not np.isfinite(scores.scores).all():
            raise _NoCloneError("a clone of the estimator gave scores that are no numbers")
        return scores


def _in_row_order(parts: list[tuple[Ints, Scores]], rows: int, signature: Signature) -> Scores:
    scores = np.empty(rows)
    labels = np.empty(rows, dtype=np.object_)
    for held, part in parts:
        scores[held] = part.scores
        if part.labels is not None:
            labels[held] = part.labels
    return Scores(
        scores=scores,
        labels=None if signature.task is Task.REGRESSION else labels.tolist(),
        probabilities=None,
    )
