"""Golden vectors: rows with the scores that a version gave when it was added, kept in its bundle.

Whoever loads the version scores them again; a difference beyond 1e-9 means that it is not what
was added. They are stored as an Arrow file, in the types in which features travel.
"""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from registry.errors import BundleRefusedError, EstimatorError
from registry.fitting import fit_rows
from registry.loaded import Estimator, LabelRule, Scores, score_frame
from schemas.signature import Signature

ROWS_MAX = 200
TOLERANCE = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class GoldenVectors:
    """`features` and the answers to them, row by row."""

    features: pa.RecordBatch
    scores: Scores


def spread(rows: int, most: int) -> pa.Array:
    """At most `most` row numbers, evenly over all rows.

    >>> spread(5, 3).to_pylist(), spread(2, 3).to_pylist()
    ([0, 2, 4], [0, 1])
    """
    return pa.array(np.unique(np.linspace(0, rows - 1, num=min(rows, most)).round().astype(np.int64)))


def encode_golden(golden: GoldenVectors) -> bytes:
    """The vectors as an Arrow file."""
    columns: dict[str, pa.Array] = {
        "features": pa.StructArray.from_arrays(golden.features.columns, fields=list(golden.features.schema)),
        "score": pa.array(golden.scores.scores),
        "label": pa.nulls(len(golden.scores.scores), pa.string())
        if golden.scores.labels is None
        else pa.array(golden.scores.labels, type=pa.string()),
        "probabilities": pa.array(
            [None] * len(golden.scores.scores)
            if golden.scores.probabilities is None
            else golden.scores.probabilities.tolist(),
            type=pa.list_(pa.float64()),
        ),
    }
    table = pa.table(columns)
    sink = pa.BufferOutputStream()
    with pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)
    content: bytes = sink.getvalue().to_pybytes()
    return content


def decode_golden(content: bytes, signature: Signature) -> GoldenVectors:
    """Read what `encode_golden` wrote. Raises `BundleRefusedError`."""
    try:
        table = pa.ipc.open_file(pa.BufferReader(content)).read_all().combine_chunks()
        table.validate(full=True)
        features = pa.RecordBatch.from_struct_array(table.column("features").combine_chunks())
        scores = table.column("score").to_numpy()
        labels = table.column("label").to_pylist()
        probabilities = table.column("probabilities").to_pylist()
    except (pa.ArrowException, KeyError, ValueError, OSError) as error:
        raise BundleRefusedError("golden", f"the golden vectors can't be read: {error}") from error
    if tuple(features.schema.names) != signature.names or not len(scores):
        raise BundleRefusedError("golden", "the golden vectors are not of the signature's features")
    return GoldenVectors(
        features=features,
        scores=Scores(
            scores=scores,
            labels=None if None in labels else labels,
            probabilities=None if None in probabilities else np.array(probabilities, dtype=np.float64),
        ),
    )


def check_golden(golden: GoldenVectors, estimator: Estimator, signature: Signature, label_rule: LabelRule) -> str:
    """Score the vectors again and say how near they came. Raises `BundleRefusedError` when not near enough."""
    frame, rejections = fit_rows(golden.features, signature)
    if rejections:
        raise BundleRefusedError("golden", f"row {rejections[0].row} does not fit: {rejections[0].detail}")
    try:
        scores = score_frame(estimator, frame, signature=signature, label_rule=label_rule)
    except EstimatorError as error:
        raise BundleRefusedError("golden", f"the estimator raised: {error.detail}") from error
    difference = largest_difference(scores, golden.scores)
    if not difference <= TOLERANCE:
        detail = f"scores differ by {difference:.3g} from when the version was added, and {TOLERANCE:g} is allowed"
        raise BundleRefusedError("golden", detail)
    if not _same_labels(scores, golden.scores):
        raise BundleRefusedError("golden", "labels differ from when the version was added")
    return f"{len(scores.scores)} vectors, largest difference {difference:.3g}"


def _same_labels(ours: Scores, theirs: Scores) -> bool:
    """Labels agree, but where two classes are as likely as each other within the tolerance."""
    if ours.labels is None or theirs.labels is None:
        return ours.labels is theirs.labels
    disagreeing = [row for row, pair in enumerate(zip(ours.labels, theirs.labels, strict=True)) if pair[0] != pair[1]]
    return all(_tied(ours, row) for row in disagreeing)


def _tied(scores: Scores, row: int) -> bool:
    if scores.probabilities is None:
        return bool(abs(scores.scores[row] - 0.5) <= TOLERANCE)
    first, second = np.sort(scores.probabilities[row])[-2:]
    return bool(second - first <= TOLERANCE)


def largest_difference(ours: Scores, theirs: Scores) -> float:
    """The largest absolute difference between scores or probabilities; infinite when shapes differ."""
    pairs = [(ours.scores, theirs.scores)]
    if ours.probabilities is not None and theirs.probabilities is not None:
        pairs.append((ours.probabilities, theirs.probabilities))
    elif ours.probabilities is not theirs.probabilities:
        return float("inf")
    if any(mine.shape != other.shape for mine, other in pairs):
        return float("inf")
    return max((float(np.max(np.abs(mine - other), initial=0.0)) for mine, other in pairs), default=0.0)
