"""Keeps personal values out of bundles: what is stored of a sample has tokens in their place.

Typed features come in, the same rows without a personal value go out. Values that are tokens
already stay, so that a model fitted on tokens is judged by what it knows.
"""

import hashlib
import hmac
import re

import pyarrow as pa

from schemas.signature import Signature

TOKEN = re.compile(r"[0-9a-f]{32}")


def without_personal(features: pa.RecordBatch, signature: Signature, *, key: bytes) -> pa.RecordBatch:
    """Personal values that are no tokens are replaced by tokens of `key`, which is thrown away after use."""
    columns = [
        pa.array([_token(value, key) for value in column.to_pylist()], type=pa.string()) if feature.personal else column
        for feature, column in zip(signature.features, features.columns, strict=True)
    ]
    return pa.RecordBatch.from_arrays(columns, schema=features.schema)


def _token(value: str | None, key: bytes) -> str | None:
    if value is None or TOKEN.fullmatch(value):
        return value
    return hmac.new(key, value.encode("utf-8"), hashlib.sha256).hexdigest()[:32]
