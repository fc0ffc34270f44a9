"""What a model version takes and gives: named, typed features in, a score of one task out.

A signature is made from a sample at registration, frozen in the bundle's manifest, and
is what request schemas are generated from. It knows Avro kinds and column dtypes, no client.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from schemas.errors import SignatureError


class FeatureKind(StrEnum):
    """How a feature travels: `double`, `long`, `boolean` or `string` in Avro."""

    NUMBER = "number"
    INTEGER = "integer"
    BOOLEAN = "boolean"
    STRING = "string"

    @property
    def avro_type(self) -> str:
        return {"number": "double", "integer": "long", "boolean": "boolean", "string": "string"}[self.value]


class Task(StrEnum):
    """What a score means.

    binary: probability of the second class. multiclass: probability of the most likely
    class. regression: the predicted value.
    """

    BINARY = "binary"
    MULTICLASS = "multiclass"
    REGRESSION = "regression"


class Container(StrEnum):
    """What the estimator was fitted on, and so is called with."""

    DATAFRAME = "dataframe"
    ARRAY = "array"


@dataclass(frozen=True, slots=True, kw_only=True)
class Feature:
    """One named input of a version.

    `nullable`: missing values (null, NaN) were seen in the sample and so are allowed.
    `infinity_allowed`: infinities were seen in the sample. `dtype`: the pandas dtype of the
    column that the estimator gets (`float64`, `float32`, `int64`, `bool`, `object`, `category`).
    `categories`: of dtype `category` only, in order. `personal`: tokenized before publishing.
    """

    name: str
    kind: FeatureKind
    dtype: str
    nullable: bool = False
    infinity_allowed: bool = False
    personal: bool = False
    categories: tuple[str, ...] | None = None
    doc: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature:
    """Features in the estimator's column order, the task, and the classes in its order.

    `classes`: the labels as text, empty for regression; `class_kind` is the Avro kind of
    the label as the estimator knows it (text classes "0"/"1" of an integer target).
    """

    features: tuple[Feature, ...]
    task: Task
    container: Container
    classes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        names = [feature.name for feature in self.features]
        if not names:
            raise SignatureError("a signature needs at least one feature")
        repeated = {name for name in names if names.count(name) > 1}
        if repeated:
            raise SignatureError(f"features named twice: {', '.join(sorted(repeated))}")
        if (self.task is Task.REGRESSION) != (not self.classes):
            raise SignatureError("classes are needed for classification, and for it alone")

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(feature.name for feature in self.features)

    def to_dict(self) -> dict[str, Any]:
        """The signature as JSON types; `from_dict` is its inverse."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "Signature":
        """Read what `to_dict` wrote.

        Raises `SignatureError` when a field is missing, unknown or of another kind.
        """
        try:
            features = tuple(
                Feature(
                    **{
                        **feature,
                        "kind": FeatureKind(feature["kind"]),
                        "categories": None if feature.get("categories") is None else tuple(feature["categories"]),
                    }
                )
                for feature in data["features"]
            )
            return cls(
                features=features,
                task=Task(data["task"]),
                container=Container(data["container"]),
                classes=tuple(data["classes"]),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise SignatureError(f"not a signature: {error}") from error
