"""How good a version is on rows whose truth is known, beside the version that it would replace.

Rows with a target come in; metrics go out, for the comparison of both versions on the very same
rows. Rows that the older version can't score are left out of the comparison, for both.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from registry.errors import EstimatorError, SampleError
from registry.fitting import fit_rows
from registry.loaded import Estimator, LabelRule, LoadedVersion, Scores
from registry.manifest import Baseline, SampleFacts
from registry.metrics import Metrics, sample_metrics
from registry.sample_scores import facts_of_rows, score_rows
from registry.sampling import as_features
from schemas.signature import Signature

SAMPLE, HOLDOUT = "the sample", "the holdout"


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A fitted estimator that is to become a version."""

    estimator: Estimator
    signature: Signature
    label_rule: LabelRule


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """The rows at hand: the sample with the candidate's scores, and rows that it was not fitted on, if any."""

    sample: pd.DataFrame
    scores: Scores
    holdout: pd.DataFrame | None
    target: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgment:
    """How good it is, on which rows, beside the version that is active."""

    metrics: Metrics
    metrics_of: str = SAMPLE
    holdout: SampleFacts | None = None
    baseline: Baseline | None = None


def judge(candidate: Candidate, judged: Judged, *, active: LoadedVersion | Baseline | None) -> Judgment:
    """Judge on the holdout, else on the sample, else not at all.

    `active`: the version to compare with, or the word why it can't be. Raises `VersionRefusedError`.
    """
    if judged.holdout is not None:
        return _by_holdout(candidate, judged.holdout, judged.target, active=active)
    if judged.target is None:
        return Judgment(metrics={})
    return Judgment(
        metrics=sample_metrics(judged.sample[judged.target], judged.scores, candidate.signature),
        baseline=_beside(active, judged.sample, judged.target, scores=judged.scores, signature=candidate.signature),
    )


def _by_holdout(
    candidate: Candidate, holdout: pd.DataFrame, target: str | None, *, active: LoadedVersion | Baseline | None
) -> Judgment:
    rows = holdout.reset_index(drop=True)
    if target is None or target not in rows.columns:
        raise SampleError(str(target), "is not in the holdout", "name as the target the column of true values in it")
    missing = [name for name in candidate.signature.names if name not in rows.columns]
    if missing:
        raise SampleError(", ".join(missing), "is missing from the holdout", "add it: the estimator was fitted on it")
    features = as_features(rows, candidate.signature)
    scores = score_rows(candidate.estimator, features, candidate.signature, candidate.label_rule, of=HOLDOUT)
    return Judgment(
        metrics=sample_metrics(rows[target], scores, candidate.signature),
        metrics_of=HOLDOUT,
        holdout=facts_of_rows(rows, features, target),
        baseline=_beside(active, rows, target, scores=scores, signature=candidate.signature),
    )


def _beside(
    active: LoadedVersion | Baseline | None, rows: pd.DataFrame, target: str, *, scores: Scores, signature: Signature
) -> Baseline | None:
    """Both versions on the rows that both can score; a comparison that can't be made says why."""
    if not isinstance(active, LoadedVersion):
        return active
    try:
        theirs, fitting = _scores_of(active, rows)
        truth = rows[target][fitting]
        return Baseline(
            version=active.version,
            bundle=active.bundle,
            metrics=sample_metrics(truth, theirs, active.signature),
            candidate_metrics=sample_metrics(truth, scores.of_rows(fitting), signature),
        )
    except (SampleError, EstimatorError, TypeError, ValueError) as error:
        return Baseline(version=active.version, bundle=active.bundle, failure=str(error))


def _scores_of(
    active: LoadedVersion, rows: pd.DataFrame
) -> tuple[Scores, "np.ndarray[tuple[int], np.dtype[np.bool_]]"]:
    """The version's scores, and which rows have one. Raises `SampleError`, `EstimatorError`, `ValueError`."""
    missing = [name for name in active.signature.names if name not in rows.columns]
    if missing:
        raise SampleError(", ".join(missing), f"is missing, and version {active.version} needs it", "add it")
    features = as_features(rows, active.signature)
    frame, rejections = fit_rows(features, active.signature)
    fitting = np.ones(len(rows), dtype=np.bool_)
    fitting[[rejection.row for rejection in rejections]] = False
    if not fitting.any():
        raise ValueError(f"no row fits version {active.version}: {rejections[0].detail}")
    return active.score(frame), fitting
