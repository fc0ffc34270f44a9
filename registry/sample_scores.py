"""Scores of a whole sample, some rows at a time, or an `EstimatorRefusedError` that says why there are none.

What a person gives to register a version is scored here before there is a version; a worker
scores by `registry/loaded.py` alone.
"""

import numpy as np
import pandas as pd
import pyarrow as pa

from registry.errors import EstimatorError, EstimatorRefusedError
from registry.fitting import Frame, fit_rows
from registry.loaded import Estimator, LabelRule, Scores, score_frame, texts
from registry.manifest import SampleFacts, sha256
from schemas.signature import Signature, Task

SCORE_ROWS = 20_000


def score_rows(
    estimator: Estimator, features: pa.RecordBatch, signature: Signature, label_rule: LabelRule, *, of: str
) -> Scores:
    """Scores of all rows, all of them finite; `of` names the rows in messages ("the sample").

    Raises `EstimatorRefusedError` when a row does not fit the signature or has no score.
    """
    parts = []
    for start in range(0, features.num_rows, SCORE_ROWS):
        frame, rejections = fit_rows(features.slice(start, SCORE_ROWS), signature)
        if rejections:
            row, detail = start + rejections[0].row, rejections[0].detail
            raise EstimatorRefusedError(f"row {row} of {of} does not fit: {detail}; give a sample with such rows")
        parts.append(score_once(estimator, frame, signature, label_rule, of=of))
    probabilities = [part.probabilities for part in parts if part.probabilities is not None]
    scores = Scores(
        scores=np.concatenate([part.scores for part in parts]),
        labels=None if signature.task is Task.REGRESSION else [label for part in parts for label in part.labels or ()],
        probabilities=np.concatenate(probabilities) if probabilities else None,
    )
    refuse_scores_not_finite(scores, of=of)
    return scores


def score_once(
    estimator: Estimator, frame: Frame, signature: Signature, label_rule: LabelRule, *, of: str = "the sample"
) -> Scores:
    """One call of the estimator. Raises `EstimatorRefusedError` with its words when it raises."""
    try:
        return score_frame(estimator, frame, signature=signature, label_rule=label_rule)
    except EstimatorError as error:
        raise EstimatorRefusedError(f"the estimator raised on {of}: {error.detail}") from error


def refuse_scores_not_finite(scores: Scores, *, of: str = "the sample") -> None:
    bad = np.flatnonzero(~np.isfinite(scores.scores))
    if len(bad):
        raise EstimatorRefusedError(
            f"the estimator answers {scores.scores[bad[0]]} for {len(bad)} rows of {of}: "
            "leave such rows out, or let the estimator impute what it can't use"
        )


def facts_of_rows(rows: pd.DataFrame, features: pa.RecordBatch, target: str | None) -> SampleFacts:
    """What a manifest keeps of rows instead of the rows themselves."""
    truth = None if target is None else sha256("\n".join(texts(rows[target].to_numpy())).encode())
    return SampleFacts(rows=len(rows), sha256=_fingerprint(features), target=target, truth_sha256=truth)


def _fingerprint(features: pa.RecordBatch) -> str:
    """The hash of typed features, the same for the same rows in the same order."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, features.schema) as writer:
        writer.write_batch(features)
    return sha256(sink.getvalue().to_pybytes())
