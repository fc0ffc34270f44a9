"""A version's own pipeline fitted anew on later rows, and judged beside the old one on the newest of them.

A loaded version and labeled rows come in; the parts of a bundle come out, with both versions'
losses on the rows that were held back. Nothing is written.
"""

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
from sklearn.base import clone

from registry.errors import EstimatorRefusedError
from registry.estimators import EstimatorFacts, estimator_facts
from registry.fitting import fit_rows
from registry.golden import encode_golden
from registry.judging import Judgment
from registry.labeled_rows import LabeledRows
from registry.loaded import Estimator, LoadedVersion, Scores
from registry.manifest import Baseline, SampleFacts, TrainingFacts
from registry.metrics import row_losses, sample_metrics
from registry.preparing import Prepared, golden_vectors, saved_file
from registry.reference import reference_of
from registry.sample_scores import facts_of_rows, score_rows
from registry.skops_file import LoadLimits
from schemas.signature import Feature, Signature, Task

_LABEL, _TIME, _ROWS = "label", "event_time", "the outcomes"
_Z_95 = 1.959963984540054


def refit(version: LoadedVersion, rows: LabeledRows, *, cause: str, limits: LoadLimits) -> Prepared:
    """Fit a clone of the version's estimator on the older rows and judge both on the newer ones.

    `cause` is the id of the event that asked for it. Raises `EstimatorRefusedError` when the clone
    can't be fitted on these rows, or can't be served.
    """
    signature = _widened(version.signature, rows.features)
    candidate = _fitted(version, rows, signature)
    _require_same_answers(estimator_facts(candidate, task=None), signature)
    rule, features = version.label_rule, rows.features
    scores = score_rows(candidate, features, signature, rule, of=_ROWS)
    judged = _judged(version, scores.of_rows(np.arange(len(rows)) >= rows.judged_from), rows)
    golden = golden_vectors(candidate, features, signature, rule)
    return Prepared(
        signature=signature,
        label_rule=rule,
        estimator=type(candidate).__name__,
        estimator_file=saved_file(candidate, features, signature=signature, label_rule=rule, limits=limits),
        golden_file=encode_golden(golden),
        golden_rows=golden.features.num_rows,
        sample=SampleFacts(rows=len(rows), sha256=rows.sha256, target=_LABEL),
        judgment=judged.judgment,
        profile=reference_of(
            candidate,
            _with_time(rows),
            features,
            scores,
            signature=signature,
            label_rule=rule,
            target=_LABEL,
            time=_TIME,
        ),
        training=replace(judged.training, cause=cause),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Judged:
    """What the held-back rows say of both versions."""

    judgment: Judgment
    training: TrainingFacts


def _with_time(rows: LabeledRows) -> pd.DataFrame:
    """What was true and when, as a sample has it."""
    truths = pd.Series(rows.truths.to_pylist(), dtype=None if pa.types.is_floating(rows.truths.type) else object)
    return pd.DataFrame({_LABEL: truths, _TIME: pd.to_datetime(rows.event_times, unit="ms", utc=True)})


def _widened(signature: Signature, features: pa.RecordBatch) -> Signature:
    """The version's signature, with the categories that have come since: a clone learns them with the others."""
    return replace(signature, features=tuple(_with_categories(each, features) for each in signature.features))


def _with_categories(feature: Feature, features: pa.RecordBatch) -> Feature:
    if feature.categories is None:
        return feature
    found = features.column(feature.name).drop_null().unique().to_pylist()
    return replace(feature, categories=(*feature.categories, *sorted(set(found) - set(feature.categories))))


def _fitted(version: LoadedVersion, rows: LabeledRows, signature: Signature) -> Estimator:
    frame, rejections = fit_rows(rows.features.slice(0, rows.judged_from), signature)
    if rejections:
        raise EstimatorRefusedError(f"row {rejections[0].row} does not fit the version: {rejections[0].detail}")
    candidate: Estimator = clone(version.estimator)
    assert hasattr(candidate, "fit"), "what can't be fitted is refused when it is added"
    try:
        candidate.fit(frame, _targets(version, rows.truths.slice(0, rows.judged_from)))
    except MemoryError:
        raise
    except Exception as error:
        words = " ".join(str(error).split())[:500]
        raise EstimatorRefusedError(f"the fit raised {type(error).__name__}: {words}") from error
    return candidate


def _targets(version: LoadedVersion, truths: pa.Array) -> npt.NDArray[np.generic]:
    """What was true in the estimator's own terms: its classes may be integers or booleans."""
    if version.signature.task is Task.REGRESSION:
        numbers: npt.NDArray[np.generic] = truths.to_numpy(zero_copy_only=False)
        return numbers
    codes = [version.signature.classes.index(truth) for truth in truths.to_pylist()]
    classes: npt.NDArray[np.generic] = np.asarray(getattr(version.estimator, "classes_", None))
    return classes[codes]


def _require_same_answers(facts: EstimatorFacts, signature: Signature) -> None:
    if facts.classes != signature.classes:
        ours, theirs = ", ".join(facts.classes), ", ".join(signature.classes)
        raise EstimatorRefusedError(f"refitted, the estimator knows the classes {ours}, and the version {theirs}")


def _judged(version: LoadedVersion, ours: Scores, rows: LabeledRows) -> _Judged:
    """Both versions on the same rows; the interval is of the mean difference, row by row."""
    features = rows.features.slice(rows.judged_from)
    theirs = score_rows(version.estimator, features, version.signature, version.label_rule, of=_ROWS)
    truth = pd.Series(rows.truths.slice(rows.judged_from).to_pylist(), name=_LABEL)
    losses, parent_losses = row_losses(truth, ours), row_losses(truth, theirs)
    difference = losses - parent_losses
    assert len(difference) > 1, "a window holds rows enough back"
    margin = _Z_95 * float(difference.std(ddof=1)) / len(difference) ** 0.5
    times = rows.event_times
    training = TrainingFacts(
        cause="",
        since=int(times[0]),
        until=int(times[-1]) + 1,
        judged_from=int(times[rows.judged_from]),
        rows=len(rows),
        rows_judged=len(losses),
        sha256=rows.sha256,
        loss=float(losses.mean()),
        parent_loss=float(parent_losses.mean()),
        difference_low=float(difference.mean()) - margin,
        difference_high=float(difference.mean()) + margin,
    )
    metrics = dict(sample_metrics(truth, ours, version.signature))
    parent_metrics = dict(sample_metrics(truth, theirs, version.signature))
    judgment = Judgment(
        metrics=metrics,
        metrics_of=f"the newest {len(losses)} of {len(rows)} outcomes, held back from the fit",
        holdout=facts_of_rows(truth.to_frame(), features, _LABEL),
        baseline=Baseline(
            version=version.version, bundle=version.bundle, metrics=parent_metrics, candidate_metrics=metrics
        ),
    )
    return _Judged(judgment=judgment, training=training)
