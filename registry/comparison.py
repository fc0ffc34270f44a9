"""Two versions side by side: metrics, features, libraries, data and size, as their manifests say. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from registry.manifest import Manifest, SampleFacts
from schemas.signature import Feature

Value = str | int | float | None
SAME_ROWS = "metrics on the same rows"


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One thing that both have, or one of them (None: it has not)."""

    aspect: str
    item: str
    first: Value
    second: Value

    @property
    def same(self) -> bool:
        return self.first == self.second


def compare(first: Manifest, second: Manifest) -> list[Difference]:
    """Everything that can be compared, what is the same included, in an order for reading."""
    aspects: list[tuple[str, Mapping[str, Value], Mapping[str, Value]]] = [
        ("metrics", _metrics(first), _metrics(second)),
        *_on_the_same_rows(first, second),
        ("model", _model(first), _model(second)),
        ("features", _features(first), _features(second)),
        ("libraries", dict(first.libraries), dict(second.libraries)),
        ("data", _data(first), _data(second)),
        ("size", _size(first), _size(second)),
    ]
    return [
        Difference(aspect=aspect, item=item, first=ours.get(item), second=theirs.get(item))
        for aspect, ours, theirs in aspects
        for item in dict.fromkeys([*ours, *theirs])
    ]


def measured_alike(first: Manifest, second: Manifest) -> bool:
    """Whether the metrics of both are of the very same rows, so that they can be compared at all.

    Rows are told by their true values, since versions of other features see other parts of them.
    """
    ours, theirs = first.holdout or first.sample, second.holdout or second.sample
    return ours.truth_sha256 is not None and ours.truth_sha256 == theirs.truth_sha256


def _metrics(manifest: Manifest) -> dict[str, Value]:
    return {"of": manifest.metrics_of, **manifest.metrics}


def _on_the_same_rows(
    first: Manifest, second: Manifest
) -> Iterator[tuple[str, Mapping[str, Value], Mapping[str, Value]]]:
    """What either of them was compared with when it was registered, if that was the other."""
    if second.baseline is not None and second.baseline.version == first.version and not second.baseline.failure:
        yield SAME_ROWS, dict(second.baseline.metrics), dict(second.baseline.candidate_metrics)
    elif first.baseline is not None and first.baseline.version == second.version and not first.baseline.failure:
        yield SAME_ROWS, dict(first.baseline.candidate_metrics), dict(first.baseline.metrics)


def _model(manifest: Manifest) -> dict[str, Value]:
    signature = manifest.signature
    return {
        "estimator": manifest.estimator,
        "task": signature.task.value,
        "classes": ", ".join(signature.classes) or None,
        "label": manifest.label_rule.value,
        "parent": manifest.parent,
        "registered by": manifest.registered_by,
    }


def _features(manifest: Manifest) -> dict[str, Value]:
    return {feature.name: _in_words(feature) for feature in manifest.signature.features}


def _in_words(feature: Feature) -> str:
    """A feature's type with what it allows.

    >>> from schemas.signature import FeatureKind
    >>> _in_words(Feature(name="delay", kind=FeatureKind.NUMBER, dtype="float64", nullable=True))
    'number, may be missing'
    """
    words = [feature.kind.value]
    if feature.dtype not in _USUAL_DTYPES.get(feature.kind.value, ()):
        words.append(f"as {feature.dtype}")
    if feature.nullable:
        words.append("may be missing")
    if feature.infinity_allowed:
        words.append("may be infinite")
    if feature.personal:
        words.append("personal")
    if feature.categories is not None:
        words.append(f"{len(feature.categories)} categories")
    return ", ".join(words)


_USUAL_DTYPES: Mapping[str, tuple[str, ...]] = {
    "number": ("float64",),
    "integer": ("int64",),
    "boolean": ("bool",),
    "string": ("object", "category"),
}


def _data(manifest: Manifest) -> dict[str, Value]:
    return {
        "target": manifest.sample.target,
        **_rows("sample", manifest.sample),
        **({} if manifest.holdout is None else _rows("holdout", manifest.holdout)),
        "reference": manifest.profile.summary,
    }


def _rows(what: str, facts: SampleFacts) -> dict[str, Value]:
    return {f"{what} rows": facts.rows, f"{what} fingerprint": facts.sha256[:16]}


def _size(manifest: Manifest) -> dict[str, Value]:
    files = {f"{entry.name} bytes": entry.bytes for entry in manifest.files}
    return {
        **files,
        "bytes": sum(entry.bytes for entry in manifest.files),
        "unpacked bytes": sum(entry.unpacked_bytes for entry in manifest.files),
    }
