"""Index templates and mappings as they should be: made where they are missing, and compared.

A family is one kind of document, or one kind of one model. Only what differs is written, so that
a sink that starts again changes nothing.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from elasticsearch import ApiError, Elasticsearch

from consumers.errors import StoreMismatchError
from consumers.sinks.elasticsearch_client import words_of
from consumers.sinks.elasticsearch_mappings import model_template_of, template_of
from consumers.sinks.elasticsearch_names import IndexNames
from consumers.stored_collections import COLLECTIONS, REPEATED_REQUESTS, Collection
from consumers.upkeep import NOTHING, Difference
from runtime.settings import StoreSettings
from schemas.signature import Feature

PATTERNS_MAX = 30
"""Of one request: they travel in its first line, which Elasticsearch takes up to 4 KiB of."""
Leaves = dict[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """The indices of one collection, or, with its features, of one model in it."""

    collection: Collection
    model: str | None = None
    features: Sequence[Feature] = ()


BASE_FAMILIES = tuple(Family(collection=collection) for collection in (*COLLECTIONS, REPEATED_REQUESTS))


def model_families(model: str, features: Sequence[Feature]) -> list[Family]:
    """The families of a model in every collection whose documents carry features."""
    return [
        Family(collection=collection, model=model, features=features)
        for collection in COLLECTIONS
        if collection.per_model
    ]


class IndexSetup:
    """Sees to the templates and indices of one deployment."""

    def __init__(self, client: Elasticsearch, settings: StoreSettings) -> None:
        self._client = client
        self._settings = settings
        self._names = IndexNames(settings.index_prefix)

    def ensure(self, families: Sequence[Family]) -> list[str]:
        """Write what differs and say what was written. Raises `StoreMismatchError` when an index can't be changed."""
        written = []
        templates, indices = self._templates(), self._indices(families)
        for family in families:
            name, wanted = self._template(family)
            if list(_template_differences(name, templates.get(name), wanted)):
                self._client.indices.put_index_template(name=name, body=wanted)
                written.append(f"template {name}")
            written += self._ensure_indices(_of_family(indices, name), wanted)
        return written

    def differences(self, families: Sequence[Family]) -> list[Difference]:
        """What is not as it should be, template by template and index by index."""
        found: list[Difference] = []
        templates, indices = self._templates(), self._indices(families)
        for family in families:
            name, wanted = self._template(family)
            found += _template_differences(name, templates.get(name), wanted)
            for index, present in _of_family(indices, name).items():
                found += _index_differences(index, present, wanted)
        return found

    def _ensure_indices(self, indices: Mapping[str, Any], wanted: Mapping[str, Any]) -> Iterator[str]:
        for index, present in indices.items():
            fields = [each for each in _mapping_differences(index, present, wanted) if each.wanted != NOTHING]
            settings = list(_setting_differences(index, present, wanted))
            try:
                if fields:
                    self._client.indices.put_mapping(index=index, **wanted["template"]["mappings"])
                if settings:
                    self._client.indices.put_settings(index=index, settings=_changeable(wanted))
            except ApiError as error:
                raise StoreMismatchError(f"index {index}", words_of(error)) from error
            if fields or settings:
                yield f"index {index}"

    def _template(self, family: Family) -> tuple[str, dict[str, Any]]:
        name = self._names.family(family.collection, family.model)
        if family.model is None:
            return name, template_of(family.collection, self._names, self._settings)
        return name, model_template_of(
            family.collection, family.model, self._names, self._settings, features=family.features
        )

    def _templates(self) -> dict[str, Mapping[str, Any]]:
        # A pattern that matches nothing is answered with 404 and an empty list.
        found = self._client.options(ignore_status=404).indices.get_index_template(name=self._names.everything)
        return {each["name"]: each["index_template"] for each in found["index_templates"]}

    def _indices(self, families: Sequence[Family]) -> dict[str, Mapping[str, Any]]:
        """The indices of these families that are there and open, by name."""
        patterns = [f"{self._names.family(family.collection, family.model)}.*" for family in families]
        found: dict[str, Mapping[str, Any]] = {}
        for start in range(0, len(patterns), PATTERNS_MAX):
            some = ",".join(patterns[start : start + PATTERNS_MAX])
            found |= self._client.indices.get(index=some, expand_wildcards="open").body
        return dict(sorted(found.items()))


def _of_family(indices: Mapping[str, Mapping[str, Any]], family: str) -> dict[str, Mapping[str, Any]]:
    return {name: index for name, index in indices.items() if name.startswith(f"{family}.")}


def leaves(mapping: Mapping[str, Any], path: str = "") -> Leaves:
    """Every field of a mapping by its whole name, with its type and what else is said of it as one text.

    >>> leaves({"properties": {"a": {"type": "long"}, "b": {"dynamic": "strict", "properties": {}}}})
    {'a': 'long', 'b': 'object, dynamic strict'}
    """
    found: Leaves = {}
    for name, each in mapping.get("properties", {}).items():
        more = [f"{key} {each[key]}" for key in sorted(each) if key not in ("type", "properties")]
        found[f"{path}{name}"] = ", ".join([each.get("type", "object"), *more])
        found |= leaves(each, f"{path}{name}.")
    return found


def _template_differences(
    name: str, present: Mapping[str, Any] | None, wanted: Mapping[str, Any]
) -> Iterator[Difference]:
    where = f"template {name}"
    if present is None:
        yield Difference(where=where, what="template", found=NOTHING, wanted="a template")
        return
    for key in ("index_patterns", "priority"):
        if present.get(key) != wanted[key]:
            yield Difference(where=where, what=key, found=str(present.get(key)), wanted=str(wanted[key]))
    body = {"mappings": {}, "settings": {}, **present.get("template", {})}
    yield from _mapping_differences(where, body, wanted)
    yield from _differences(where, _flat(body["settings"]), _flat(wanted["template"]["settings"]))


def _index_differences(index: str, present: Mapping[str, Any], wanted: Mapping[str, Any]) -> Iterator[Difference]:
    yield from _mapping_differences(f"index {index}", present, wanted)
    yield from _setting_differences(f"index {index}", present, wanted)


def _mapping_differences(where: str, present: Mapping[str, Any], wanted: Mapping[str, Any]) -> Iterator[Difference]:
    found, needed = (
        {"dynamic": str(each.get("dynamic", NOTHING)), **leaves(each)}
        for each in (present["mappings"], wanted["template"]["mappings"])
    )
    yield from _differences(where, found, {**dict.fromkeys(found, NOTHING), **needed})


def _setting_differences(where: str, present: Mapping[str, Any], wanted: Mapping[str, Any]) -> Iterator[Difference]:
    """What was settled when the index was made, as its shards, is left out: it was right at its time."""
    yield from _differences(where, _flat(present["settings"]), _flat({"index": _changeable(wanted)}))


def _changeable(wanted: Mapping[str, Any]) -> dict[str, Any]:
    settings = wanted["template"]["settings"]["index"]
    return {key: value for key, value in settings.items() if key != "number_of_shards"}


def _differences(where: str, found: Mapping[str, str], wanted: Mapping[str, str]) -> Iterator[Difference]:
    for what in sorted(wanted):
        present = found.get(what, NOTHING)
        if present != wanted[what]:
            yield Difference(where=where, what=what, found=present, wanted=wanted[what])


def _flat(settings: Mapping[str, Any], path: str = "") -> dict[str, str]:
    found: dict[str, str] = {}
    for key, value in settings.items():
        if isinstance(value, Mapping):
            found |= _flat(value, f"{path}{key}.")
        else:
            found[f"{path}{key}"] = str(value)
    return found
