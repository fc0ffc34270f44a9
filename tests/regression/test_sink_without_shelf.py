"""The sink knows personal features from the schemas: what befalls a bundle on the shelf does not stop it."""

from dataclasses import replace
from pathlib import Path

import pytest

from penstock import model_features
from penstock.model_features import ModelFeatures
from registry.subjects import ModelSchemas
from schemas.directory_registry import DirectoryRegistry
from schemas.signature import Container, Feature, FeatureKind, Signature, Task
from schemas.topics import Topics

TAIL = Feature(name="tail", kind=FeatureKind.STRING, dtype="object", nullable=False)
SIGNATURE = Signature(features=(TAIL,), task=Task.BINARY, container=Container.DATAFRAME, classes=("0", "1"))


def test_personal_features_are_those_that_any_version_called_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A later version that leaves the mark out does not take it back."""
    monkeypatch.setattr(model_features, "KEPT_S", 0.0)
    schemas = DirectoryRegistry(tmp_path / "schemas.sqlite")
    personal = ModelFeatures(schemas, Topics("prod.")).personal
    found = [personal("flights")]
    for features in ((TAIL,), (replace(TAIL, personal=True),), (TAIL,)):
        ModelSchemas(schemas, Topics("prod.")).register("flights", replace(SIGNATURE, features=features))
        found.append(personal("flights"))

    assert found == [frozenset(), frozenset(), frozenset({"tail"}), frozenset({"tail"})]
