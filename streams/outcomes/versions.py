"""What judging needs to know of a model's versions, taken from the shelf and kept."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from schemas.signature import Task
from streams.outcomes.judging import VersionTraits

READ_AGAIN_MS = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelTraits:
    """A model's versions in the order they were added; `classes` are of all of them."""

    task: Task
    classes: frozenset[str]
    versions: Mapping[str, VersionTraits]

    def of(self, version: str) -> VersionTraits:
        """The version's traits; one that is not on the shelf any more knows no classes."""
        found = self.versions.get(version)
        if found is not None:
            return found
        any_other = next(iter(self.versions.values()))
        return replace(any_other, classes=())


def model_traits(versions: Mapping[str, VersionTraits]) -> ModelTraits:
    """What a model's versions have in common, with one loss scale for all: that of the oldest that has one.

    Divided by a scale of its own, a version with larger errors would seem no worse than the others.

    >>> first = VersionTraits(task=Task.REGRESSION, classes=(), loss_scale=None)
    >>> traits = model_traits({"1": first, "2": replace(first, loss_scale=5.0), "3": replace(first, loss_scale=9.0)})
    >>> [traits.of(version).loss_scale for version in "123"]
    [5.0, 5.0, 5.0]
    """
    assert versions, "a model has versions"
    scale = next((each.loss_scale for each in versions.values() if each.loss_scale), None)
    first = next(iter(versions.values()))
    return ModelTraits(
        task=first.task,
        classes=frozenset(name for each in versions.values() for name in each.classes),
        versions={
            name: replace(each, loss_scale=(scale or 1.0) if each.task is Task.REGRESSION else None)
            for name, each in versions.items()
        },
    )


class Versions:
    """Traits by model, read from the shelf when they are first needed and when something is not known."""

    def __init__(self, read: Callable[[str], Mapping[str, VersionTraits]], *, now_ms: Callable[[], int]) -> None:
        self._read = read
        self._now_ms = now_ms
        self._known: dict[str, ModelTraits] = {}
        self._read_at: dict[str, int] = {}

    def of(self, model: str, *, versions: Sequence[str] = (), classes: Sequence[str] = ()) -> ModelTraits | None:
        """The model's traits; None while it has no version. Read again, once a second, where one of these is new."""
        known = self._known.get(model)
        is_new = known is None or not (known.versions.keys() >= set(versions) and known.classes >= set(classes))
        if is_new and self._now_ms() - self._read_at.get(model, -READ_AGAIN_MS) >= READ_AGAIN_MS:
            self._read_at[model] = self._now_ms()
            found = self._read(model)
            if found:
                self._known[model] = model_traits(found)
        return self._known.get(model)
