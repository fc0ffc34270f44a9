"""The answer to a search as rows with columns, as a table would give them. Pure.

A hit is a row. Of aggregations every innermost bucket is a row: the keys of the buckets around it
under the names of their aggregations, its number of documents as `doc_count`, and its figures.
"""

from collections.abc import Iterator, Mapping
from typing import Any

Columns = dict[str, Any]

_COUNT = "doc_count"


def rows_of(answer: Mapping[str, Any]) -> Iterator[Columns]:
    """Rows of the aggregations, if there are any, else of the hits."""
    aggregations = answer.get("aggregations")
    if aggregations is not None:
        return bucket_rows(aggregations)
    return (hit_row(hit) for hit in answer["hits"]["hits"])


def hit_row(hit: Mapping[str, Any]) -> Columns:
    """A document with its id, and what else was asked for of it; `fields` are lists, mostly of one value.

    >>> hit_row({"_id": "one", "_source": {"score": 0.5}, "fields": {"features.origin": ["EWR"]}})
    {'id': 'one', 'score': 0.5, 'features.origin': 'EWR'}
    """
    fields = {name: values[0] if len(values) == 1 else values for name, values in hit.get("fields", {}).items()}
    return {"id": hit["_id"], **hit.get("_source", {}), **fields}


def bucket_rows(aggregations: Mapping[str, Any]) -> Iterator[Columns]:
    """Every innermost bucket as a row.

    >>> day = {"key": 0, "key_as_string": "2013-04-01", "doc_count": 2, "mean": {"value": 0.5}}
    >>> list(bucket_rows({"version": {"buckets": [{"key": "1", "doc_count": 2, "day": {"buckets": [day]}}]}}))
    [{'version': '1', 'day': '2013-04-01', 'doc_count': 2, 'mean': 0.5}]
    >>> list(bucket_rows({"p50_ms": {"values": {"50.0": 3.0}}, "late": {"doc_count": 1}}))
    [{'p50_ms': 3.0, 'late': 1}]
    """
    return _rows(aggregations, keys={}, figures={})


def _rows(parts: Mapping[str, Any], *, keys: Columns, figures: Columns) -> Iterator[Columns]:
    aggregations = {name: part for name, part in parts.items() if isinstance(part, Mapping) and name != "key"}
    for name, part in aggregations.items():
        if not _has_buckets(part):
            figures = {**figures, **_figures(name, part)}
    inner = {name: part for name, part in aggregations.items() if _has_buckets(part)}
    if not inner:
        count = {_COUNT: parts[_COUNT]} if _COUNT in parts else {}
        yield {**keys, **count, **figures}
    for name, part in inner.items():
        if "buckets" not in part:
            yield from _rows(part, keys={**keys, name: part[_COUNT]}, figures=figures)
            continue
        for key, bucket in _keyed(name, part["buckets"]):
            yield from _rows(bucket, keys={**keys, **key}, figures=figures)


def _has_buckets(part: Mapping[str, Any]) -> bool:
    """Whether there are buckets in an aggregation, or in one that it keeps to some documents for."""
    if "buckets" in part:
        return True
    return _COUNT in part and any(_has_buckets(each) for each in part.values() if isinstance(each, Mapping))


def _keyed(name: str, buckets: Any) -> Iterator[tuple[Columns, Mapping[str, Any]]]:
    """Each bucket with its key as columns; composite buckets have several, those of filters are named."""
    if isinstance(buckets, Mapping):
        yield from (({name: key}, bucket) for key, bucket in buckets.items())
        return
    for bucket in buckets:
        key = bucket["key"]
        yield (dict(key) if isinstance(key, Mapping) else {name: bucket.get("key_as_string", key)}), bucket


def _figures(name: str, part: Mapping[str, Any]) -> Columns:
    """What one aggregation without buckets says: a value, several, the best hits, or documents of one kind."""
    if "value" in part:
        return {name: part.get("value_as_string", part["value"])}
    if "values" in part:
        values = part["values"]
        pairs = list(
            values.items() if isinstance(values, Mapping) else ((each["key"], each["value"]) for each in values)
        )
        return {name if len(pairs) == 1 else f"{name}.{key}": value for key, value in pairs}
    if "hits" in part:
        best = part["hits"]["hits"][:1]
        return {f"{name}.{key}": value for hit in best for key, value in hit_row(hit).items()}
    if _COUNT in part:
        (row,) = _rows({key: each for key, each in part.items() if key != _COUNT}, keys={}, figures={})
        return {name: part[_COUNT], **{f"{name}.{key}": value for key, value in row.items()}}
    return {f"{name}.{key}": value for key, value in part.items() if not isinstance(value, Mapping)}
