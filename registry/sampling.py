"""Reads a signature off a sample: kinds, dtypes and what may be missing, by column.

A DataFrame and the facts of an estimator come in; a signature goes out, or a `SampleError`
that names the column and the remedy. `as_features` makes of the sample what would travel.
"""

from collections.abc import Callable, Collection, Mapping
from typing import cast

import numpy as np
import pandas as pd
import pyarrow as pa
from pandas.api import types as dtypes

from registry.errors import EstimatorRefusedError, SampleError
from registry.estimators import EstimatorFacts
from registry.fitting import ARROW_TYPES
from schemas.signature import Container, Feature, FeatureKind, Signature

INT64_MAX = (1 << 63) - 1


def signature_of(
    sample: pd.DataFrame, facts: EstimatorFacts, *, target: str | None, personal: Collection[str]
) -> Signature:
    """The signature of an estimator whose inputs look like the sample's.

    Raises `SampleError`, and `EstimatorRefusedError` when sample and estimator don't go together.
    """
    if not len(sample):
        raise EstimatorRefusedError("the sample has no rows: give some that the estimator could be asked")
    _refuse_odd_names(sample)
    columns = _columns(sample, facts, target=target)
    _refuse_unknown_personal(personal, columns)
    features = tuple(_feature(name, sample[name], personal=name in personal) for name in columns)
    if facts.container is Container.ARRAY:
        _refuse_text_in_array(features)
    return Signature(features=features, task=facts.task, container=facts.container, classes=facts.classes)


def as_features(sample: pd.DataFrame, signature: Signature) -> pa.RecordBatch:
    """The sample's rows as the typed features of requests: null where a value is missing."""
    arrays = [_travelling(sample[feature.name], feature) for feature in signature.features]
    return pa.RecordBatch.from_arrays(arrays, names=list(signature.names))


def _refuse_odd_names(sample: pd.DataFrame) -> None:
    for name in sample.columns:
        if not isinstance(name, str):
            raise SampleError(str(name), "has a name that is no text", "name the sample's columns with strings")
    repeated = sample.columns[sample.columns.duplicated()]
    if len(repeated):
        raise SampleError(str(repeated[0]), "is there twice", "give each column a name of its own")


def _columns(sample: pd.DataFrame, facts: EstimatorFacts, *, target: str | None) -> tuple[str, ...]:
    if target is not None and target not in sample.columns:
        raise SampleError(target, "is named as the target and is not in the sample", "name the column of true values")
    if facts.columns is not None:
        missing = [name for name in facts.columns if name not in sample.columns]
        if missing:
            raise SampleError(
                ", ".join(missing), "is missing from the sample", "the estimator was fitted on it: add it to the sample"
            )
        return facts.columns
    columns = tuple(name for name in sample.columns if name != target)
    if facts.features is not None and len(columns) != facts.features:
        raise EstimatorRefusedError(
            f"the estimator was fitted on an array of {facts.features} columns and the sample has {len(columns)} "
            f"({', '.join(columns[:10])}): give it those columns in their order, and name the target"
        )
    return columns


def _refuse_unknown_personal(personal: Collection[str], columns: Collection[str]) -> None:
    unknown = sorted(set(personal) - set(columns))
    if unknown:
        raise SampleError(unknown[0], "is named as personal and is no feature", "name columns that the estimator uses")


def _refuse_text_in_array(features: tuple[Feature, ...]) -> None:
    for feature in features:
        if feature.kind is FeatureKind.STRING:
            raise SampleError(
                feature.name, "is text, and the estimator was fitted on an array", "fit it on a DataFrame instead"
            )


def _feature(name: str, column: "pd.Series[str]", *, personal: bool) -> Feature:
    if personal and _kind(name, column) is not FeatureKind.STRING:
        raise SampleError(
            name, "is named as personal and is no text", "tokens are text: fit the estimator on text there"
        )
    kind = _kind(name, column)
    nullable = bool(column.isna().any())
    return Feature(
        name=name,
        kind=kind,
        dtype=_dtype(column, kind, nullable=nullable),
        nullable=nullable,
        infinity_allowed=kind is FeatureKind.NUMBER and _has_infinity(column),
        personal=personal,
        categories=_categories(name, column),
    )


def _kind(name: str, column: "pd.Series[str]") -> FeatureKind:
    dtype = column.dtype
    if isinstance(dtype, (pd.CategoricalDtype, pd.StringDtype)):
        return FeatureKind.STRING
    if dtypes.is_bool_dtype(dtype):
        return FeatureKind.BOOLEAN
    if dtypes.is_integer_dtype(dtype):
        if len(column.dropna()) and int(cast("int", column.dropna().max())) > INT64_MAX:
            raise SampleError(name, "has integers beyond 64 bits with a sign", "turn it into float64 before fitting")
        return FeatureKind.INTEGER
    if dtypes.is_float_dtype(dtype):
        return FeatureKind.NUMBER
    if dtypes.is_object_dtype(dtype):
        return _kind_of_objects(name, column)
    raise SampleError(name, f"is of dtype {dtype}", _REMEDIES.get(dtype.kind, _REMEDY))


def _kind_of_objects(name: str, column: "pd.Series[str]") -> FeatureKind:
    found = dtypes.infer_dtype(column, skipna=True)
    kinds: Mapping[str, FeatureKind] = {"string": FeatureKind.STRING, "boolean": FeatureKind.BOOLEAN}
    if found in kinds:
        return kinds[found]
    if found in ("integer", "floating", "mixed-integer-float"):
        raise SampleError(name, "holds numbers as objects", "turn it into float64 before fitting: .astype(float)")
    if found == "empty":
        raise SampleError(name, "has no value in any row", "give a sample that has some, or leave the column out")
    raise SampleError(name, f"holds {found} values as objects", _REMEDY)


def _dtype(column: "pd.Series[str]", kind: FeatureKind, *, nullable: bool) -> str:
    if isinstance(column.dtype, pd.CategoricalDtype):
        return "category"
    if kind is FeatureKind.STRING:
        return "object"
    if kind is FeatureKind.NUMBER:
        return "float32" if str(column.dtype).lower() in ("float32", "float16") else "float64"
    if kind is FeatureKind.INTEGER:
        return "float64" if nullable else "int64"
    if not nullable:
        return "bool"
    return "object" if dtypes.is_object_dtype(column.dtype) else "float64"


def _has_infinity(column: "pd.Series[str]") -> bool:
    return bool(np.isinf(column.to_numpy(dtype=np.float64, na_value=np.nan)).any())


def _categories(name: str, column: "pd.Series[str]") -> tuple[str, ...] | None:
    if not isinstance(column.dtype, pd.CategoricalDtype):
        return None
    categories = column.dtype.categories.tolist()
    if not all(isinstance(category, str) for category in categories):
        remedy = "turn them into text before fitting: .astype(str).astype('category')"
        raise SampleError(name, "has categories that are no text", remedy)
    return tuple(categories)


def _travelling(column: "pd.Series[str]", feature: Feature) -> pa.Array:
    missing = column.isna().to_numpy(dtype=np.bool_)
    if feature.kind is FeatureKind.NUMBER:
        return pa.array(column.to_numpy(dtype=np.float64, na_value=np.nan), mask=missing)
    return pa.array(
        [None if gone else _PYTHON[feature.kind](value) for value, gone in zip(column.tolist(), missing, strict=True)],
        type=ARROW_TYPES[feature.kind],
    )


_PYTHON: Mapping[FeatureKind, Callable[[object], int | bool | str]] = {
    FeatureKind.INTEGER: lambda value: int(cast("int", value)),
    FeatureKind.BOOLEAN: bool,
    FeatureKind.STRING: str,
}
_REMEDY = "features are numbers, integers, booleans or text: turn it into one of these, or leave it out of the fit"
_REMEDIES: Mapping[str, str] = {
    "M": "dates don't travel as features: turn it into numbers before fitting, such as hour or day of the year",
    "m": "durations don't travel as features: turn it into seconds before fitting: .dt.total_seconds()",
    "c": "complex numbers don't travel: give the real and the imaginary part as two columns",
}
