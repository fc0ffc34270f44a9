"""Everything that is asked of a model before it gets a number: signature, round trips, metrics, profile.

A fitted estimator and a sample come in; the parts of a bundle go out, or a `VersionRefusedError`
that says what to change. Nothing is written.
"""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from registry.errors import BundleRefusedError, EstimatorError, EstimatorRefusedError, SampleError
from registry.estimators import EstimatorFacts, estimator_facts
from registry.fitting import Frame, fit_rows
from registry.golden import ROWS_MAX as GOLDEN_ROWS_MAX
from registry.golden import TOLERANCE, GoldenVectors, encode_golden, largest_difference, spread
from registry.judging import SAMPLE, Candidate, Judged, Judgment, judge
from registry.loaded import Estimator, LabelRule, LoadedVersion, Scores, score_frame
from registry.manifest import Baseline, SampleFacts, TrainingFacts
from registry.personal import without_personal
from registry.reference import reference_of
from registry.reference_profile import ReferenceProfile
from registry.sample_scores import facts_of_rows, refuse_scores_not_finite, score_once, score_rows
from registry.sampling import as_features, signature_of
from registry.skops_file import LoadLimits, dump_estimator, load_estimator
from schemas.signature import Container, Signature, Task

ROUND_TRIP_ROWS_MAX = 5_000


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleOptions:
    """How a sample is to be read: its target, what the task must be, the column of time, personal features.

    `holdout`: rows that the estimator was not fitted on, by which it is judged.
    """

    target: str | None = None
    task: Task | None = None
    time: str | None = None
    personal: Sequence[str] = ()
    holdout: pd.DataFrame | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """A version but for its name, number and place."""

    signature: Signature
    label_rule: LabelRule
    estimator: str
    estimator_file: bytes
    golden_file: bytes
    golden_rows: int
    sample: SampleFacts
    judgment: Judgment
    profile: ReferenceProfile
    training: TrainingFacts | None = None


def prepare(
    estimator: Estimator,
    sample: pd.DataFrame,
    options: SampleOptions,
    *,
    limits: LoadLimits,
    active: LoadedVersion | Baseline | None = None,
) -> Prepared:
    """Judge against `active` where there is one. Raises `VersionRefusedError`."""
    facts = estimator_facts(estimator, task=options.task)
    ordered = _in_time_order(sample, options)
    signature = signature_of(ordered, facts, target=options.target, personal=options.personal)
    features = as_features(ordered, signature)
    label_rule = _label_rule(estimator, ordered, signature, facts)
    kept = without_personal(features, signature, key=secrets.token_bytes(32))
    _require_travel(estimator, ordered, features, signature=signature, label_rule=label_rule)
    scores = score_rows(estimator, features, signature, label_rule, of=SAMPLE)
    candidate = Candidate(estimator=estimator, signature=signature, label_rule=label_rule)
    judged = Judged(sample=ordered, scores=scores, holdout=options.holdout, target=options.target)
    content = saved_file(estimator, kept, signature=signature, label_rule=label_rule, limits=limits)
    golden = golden_vectors(estimator, kept, signature, label_rule)
    return Prepared(
        signature=signature,
        label_rule=label_rule,
        estimator=type(estimator).__name__,
        estimator_file=content,
        golden_file=encode_golden(golden),
        golden_rows=golden.features.num_rows,
        sample=facts_of_rows(ordered, features, options.target),
        judgment=judge(candidate, judged, active=active),
        profile=reference_of(
            estimator,
            ordered,
            features,
            scores,
            signature=signature,
            label_rule=label_rule,
            target=options.target,
            time=options.time,
        ),
    )


def _in_time_order(sample: pd.DataFrame, options: SampleOptions) -> pd.DataFrame:
    """The sample by its column of time; that column is a feature only where the estimator asks for it by name."""
    if not isinstance(sample, pd.DataFrame):
        raise EstimatorRefusedError(f"the sample is a {type(sample).__name__}: give a pandas DataFrame")
    if options.time is None:
        return sample.reset_index(drop=True)
    if options.time not in sample.columns:
        raise SampleError(options.time, "is named as the time and is not in the sample", "name a column of the sample")
    return sample.sort_values(options.time, kind="stable").reset_index(drop=True)


def _raw_frame(sample: pd.DataFrame, signature: Signature, rows: pa.Array) -> Frame:
    """Rows of the sample as a user would pass them to the estimator."""
    frame = sample[list(signature.names)].iloc[rows.to_numpy()]
    if signature.container is Container.ARRAY:
        array: npt.NDArray[np.float64] = frame.to_numpy(dtype=np.float64, na_value=np.nan)
        return array
    return pd.DataFrame(frame)


def _label_rule(estimator: Estimator, sample: pd.DataFrame, signature: Signature, facts: EstimatorFacts) -> LabelRule:
    """Whether the likeliest class is what the estimator itself would answer, as far as the sample shows."""
    if signature.task is Task.REGRESSION:
        return LabelRule.ARGMAX
    if facts.own_decision:
        return LabelRule.PREDICT
    frame = _raw_frame(sample, signature, spread(len(sample), ROUND_TRIP_ROWS_MAX))
    likeliest = score_once(estimator, frame, signature, LabelRule.ARGMAX).labels
    return (
        LabelRule.ARGMAX
        if likeliest == score_once(estimator, frame, signature, LabelRule.PREDICT).labels
        else LabelRule.PREDICT
    )


def _require_travel(
    estimator: Estimator, sample: pd.DataFrame, features: pa.RecordBatch, *, signature: Signature, label_rule: LabelRule
) -> None:
    """The sample must score the same after its features have travelled as typed values."""
    rows = spread(len(sample), ROUND_TRIP_ROWS_MAX)
    raw = _raw_frame(sample, signature, rows)
    arrived, rejections = fit_rows(features.take(rows), signature)
    assert not rejections, f"the sample made the signature: {rejections[:1]}"
    before = score_once(estimator, raw, signature, label_rule)
    after = score_once(estimator, arrived, signature, label_rule)
    if largest_difference(before, after) <= TOLERANCE:
        return
    if not np.isfinite(before.scores).all():
        refuse_scores_not_finite(before)
    guilty = _columns_at_fault(estimator, raw, arrived, signature=signature, before=before)
    raise SampleError(
        ", ".join(guilty) or "unknown",
        "scores differently once it has travelled as a typed feature",
        "fit the estimator on plain float64, int64, bool or text columns",
    )


def _columns_at_fault(
    estimator: Estimator, raw: Frame, arrived: Frame, *, signature: Signature, before: Scores
) -> list[str]:
    """Columns that change the scores when they alone are as they arrive."""
    if not isinstance(raw, pd.DataFrame) or not isinstance(arrived, pd.DataFrame):
        return []
    guilty = []
    for name in signature.names:
        mixed = raw.reset_index(drop=True)
        mixed[name] = arrived[name]
        try:
            scores = score_frame(estimator, mixed, signature=signature, label_rule=LabelRule.ARGMAX)
        except EstimatorError:
            guilty.append(name)
            continue
        if not largest_difference(before, scores) <= TOLERANCE:
            guilty.append(name)
    return guilty


def saved_file(
    estimator: Estimator,
    features: pa.RecordBatch,
    *,
    signature: Signature,
    label_rule: LabelRule,
    limits: LoadLimits,
) -> bytes:
    """The .skops bytes, read back as a worker would and found to score the same. Raises `EstimatorRefusedError`."""
    content = dump_estimator(estimator)
    try:
        again = load_estimator(content, limits)
    except BundleRefusedError as error:
        raise EstimatorRefusedError(f"the estimator can't be served: {error.detail}") from error
    frame = fit_rows(features.take(spread(features.num_rows, GOLDEN_ROWS_MAX)), signature)[0]
    before = score_once(estimator, frame, signature, label_rule)
    after = score_once(again, frame, signature, label_rule)
    if not largest_difference(before, after) <= TOLERANCE:
        raise EstimatorRefusedError("the estimator scores differently once it is saved in skops format and read back")
    return content


def golden_vectors(
    estimator: Estimator, features: pa.RecordBatch, signature: Signature, label_rule: LabelRule
) -> GoldenVectors:
    """Some of the rows, evenly spread, with the scores of all their features."""
    chosen = features.take(spread(features.num_rows, GOLDEN_ROWS_MAX))
    frame, _ = fit_rows(chosen, signature)
    return GoldenVectors(features=chosen, scores=score_once(estimator, frame, signature, label_rule))
