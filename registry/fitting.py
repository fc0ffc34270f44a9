"""Typed request columns become the frame that an estimator was fitted on; unfit rows are named.

A record batch and a signature come in; a pandas DataFrame with the signature's dtypes and order,
or a two-dimensional array, goes out, with the rows that the signature forbids left out. Pure.

Missing values are NaN, in text columns too, as scikit-learn's imputers and encoders expect.
"""

from collections.abc import Mapping, Sequence
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from schemas.columns import Rejection
from schemas.reasons import Reason
from schemas.signature import Container, Feature, FeatureKind, Signature

Values: TypeAlias = npt.NDArray[np.generic]
Frame: TypeAlias = pd.DataFrame | npt.NDArray[np.floating]
Faults: TypeAlias = list[tuple[npt.NDArray[np.int64], Feature, Reason]]

ARROW_TYPES: Mapping[FeatureKind, pa.DataType] = {
    FeatureKind.NUMBER: pa.float64(),
    FeatureKind.INTEGER: pa.int64(),
    FeatureKind.BOOLEAN: pa.bool_(),
    FeatureKind.STRING: pa.string(),
}
DTYPES: frozenset[str] = frozenset({"float64", "float32", "int64", "bool", "object", "category"})


def fit_rows(features: pa.RecordBatch, signature: Signature) -> tuple[Frame, list[Rejection]]:
    """The frame of all rows that fit the signature, in order, and a rejection for each other one.

    A column that the batch lacks is missing in every row; columns that the signature does not
    know are left out. Rejections index into the batch.
    """
    rows = features.num_rows
    columns = [_travelled(features, feature) for feature in signature.features]
    faults: Faults = []
    values = [
        _values(column, feature, faults=faults) for column, feature in zip(columns, signature.features, strict=True)
    ]
    if not faults:
        return _assembled(values, signature, rows), []
    rejections = _rejections(faults)
    kept = np.ones(rows, dtype=np.bool_)
    kept[[rejection.row for rejection in rejections]] = False
    return _assembled([column[kept] for column in values], signature, int(kept.sum())), rejections


def _travelled(features: pa.RecordBatch, feature: Feature) -> pa.Array:
    wanted = ARROW_TYPES[feature.kind]
    index = features.schema.get_field_index(feature.name)
    if index < 0:
        return pa.nulls(features.num_rows, wanted)
    column = features.column(index)
    return column if column.type.equals(wanted) else column.cast(wanted)


def _values(column: pa.Array, feature: Feature, *, faults: Faults) -> Values:
    """The column as the estimator gets it; rows that don't fit are added to `faults`, with any value in their place."""
    missing = column.null_count > 0
    if missing and not feature.nullable:
        faults.append((np.flatnonzero(column.is_null().to_numpy(zero_copy_only=False)), feature, Reason.MISSING_VALUE))
        column = column.fill_null(_FILLERS[feature.kind])
        missing = False
    if feature.kind is FeatureKind.NUMBER:
        return _numbers(column, feature, faults=faults)
    if feature.kind is FeatureKind.STRING:
        return _texts(column)
    if not missing and feature.dtype in ("int64", "bool"):
        values: Values = column.to_numpy(zero_copy_only=False)
        return values
    return _with_gaps(column, feature)


def _numbers(column: pa.Array, feature: Feature, *, faults: Faults) -> Values:
    values: npt.NDArray[np.float64] = column.to_numpy(zero_copy_only=False)
    if not (feature.nullable and feature.infinity_allowed) and not np.isfinite(values).all():
        forbidden = np.zeros(len(values), dtype=np.bool_)
        if not feature.nullable:
            forbidden |= np.isnan(values)
        if not feature.infinity_allowed:
            forbidden |= np.isinf(values)
        if forbidden.any():
            faults.append((np.flatnonzero(forbidden), feature, Reason.NOT_FINITE))
    return values


def _texts(column: pa.Array) -> Values:
    """Python strings, NaN where missing; each distinct string is made once."""
    encoded = column.dictionary_encode()
    distinct = np.empty(len(encoded.dictionary) + 1, dtype=np.object_)
    distinct[:-1] = encoded.dictionary.to_numpy(zero_copy_only=False)
    distinct[-1] = np.nan
    indices = encoded.indices.fill_null(len(encoded.dictionary)) if column.null_count else encoded.indices
    values: Values = distinct[indices.to_numpy()]
    return values


def _with_gaps(column: pa.Array, feature: Feature) -> Values:
    """Integers or booleans that may be missing: floats with NaN, or objects with NaN, as the signature says."""
    if feature.dtype == "object":
        missing = column.is_null().to_numpy(zero_copy_only=False)
        values: Values = column.to_numpy(zero_copy_only=False).astype(np.object_)
        values[missing] = np.nan
        return values
    numbers: Values = pc.cast(column, pa.float64(), safe=False).to_numpy(zero_copy_only=False)
    return numbers


def _rejections(faults: Faults) -> list[Rejection]:
    """One rejection a row: the first fault in the signature's order."""
    first: dict[int, Rejection] = {}
    for rows, feature, reason in faults:
        detail = f"feature {feature.name!r} {_WORDS[reason]}"
        for row in rows.tolist():
            first.setdefault(row, Rejection(row=row, reason=reason, detail=detail))
    return [first[row] for row in sorted(first)]


def _assembled(values: Sequence[Values], signature: Signature, rows: int) -> Frame:
    if signature.container is Container.ARRAY:
        dtype = np.float32 if all(feature.dtype == "float32" for feature in signature.features) else np.float64
        array = np.empty((rows, len(values)), dtype=dtype)
        for index, column in enumerate(values):
            array[:, index] = column
        return array
    dtypes = {feature.dtype for feature in signature.features}
    if len(dtypes) == 1 and "category" not in dtypes:
        return _block(values, signature, dtype=dtypes.pop(), rows=rows)
    columns = {
        feature.name: _column(column, feature) for column, feature in zip(values, signature.features, strict=True)
    }
    return pd.DataFrame(columns, index=range(rows), copy=False)


def _block(values: Sequence[Values], signature: Signature, *, dtype: str, rows: int) -> pd.DataFrame:
    """All columns of one dtype: one block of memory, a column after the other."""
    block = np.empty((len(values), rows), dtype=np.dtype(dtype))
    for index, column in enumerate(values):
        block[index] = column
    return pd.DataFrame(block.T, columns=pd.Index(signature.names, dtype=object), dtype=np.dtype(dtype), copy=False)


def _column(values: Values, feature: Feature) -> "Values | pd.Categorical | pd.Series[str]":
    if feature.dtype == "category":
        return _categories(values, feature)
    if feature.dtype == "object":  # as a series, since pandas would make text of its own kind of it
        return pd.Series(values, dtype=np.dtype(object), copy=False)
    return np.array(values, dtype=np.dtype(feature.dtype))  # a copy: Arrow's memory can't be written to


def _categories(values: Values, feature: Feature) -> pd.Categorical:
    """Values as categories; unknown ones are added, so that the estimator itself judges them."""
    known = feature.categories or ()
    codes = pd.Index(known, dtype=object).get_indexer(pd.Index(values, dtype=object))
    strangers = (codes < 0) & ~pd.isna(values)
    if strangers.any():
        known = (*known, *sorted(set(values[strangers].tolist())))
        codes = pd.Index(known, dtype=object).get_indexer(pd.Index(values, dtype=object))
    return pd.Categorical.from_codes(codes.tolist(), categories=pd.Index(known, dtype="str"))


_FILLERS: Mapping[FeatureKind, float | int | bool | str] = {
    FeatureKind.NUMBER: 0.0,
    FeatureKind.INTEGER: 0,
    FeatureKind.BOOLEAN: False,
    FeatureKind.STRING: "",
}
_WORDS: Mapping[Reason, str] = {
    Reason.MISSING_VALUE: "is missing, and the version was trained without missing values there",
    Reason.NOT_FINITE: "is NaN or infinite, which the version's signature forbids",
}
