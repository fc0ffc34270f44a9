"""A running stack with one model that serves, shared by the tests that use it as a person would."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pytest
from sklearn.compose import make_column_transformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder
from skops.io import dump

from tests.stack import penstock, running_stack

MODEL = "parcels"


@dataclass(frozen=True, slots=True)
class Shop:
    """The stack's data directory, and the files that a person would have at hand."""

    data_dir: Path
    model: Path
    sample: Path


def parcels(rows: int) -> pd.DataFrame:
    """Parcels with numbers, a gap, a class and a truth; the same at every call."""
    numbers = pd.Series(range(rows))
    return pd.DataFrame(
        {
            "weight": (numbers % 17) / 2 + 0.5,
            "items": numbers % 5 + 1,
            "distance": ((numbers * 7) % 23).where(numbers % 11 != 3).astype(float),
            "depot": numbers.map(lambda number: ("north", "south", "west")[number % 3]),
            "late": ((numbers % 17) + (numbers * 7) % 23 > 20).astype(int),
        }
    )


def trained() -> Pipeline:
    """A pipeline with gaps filled and classes encoded, as people build them."""
    frame = parcels(600)
    columns = make_column_transformer((SimpleImputer(), ["weight", "items", "distance"]), (OneHotEncoder(), ["depot"]))
    return make_pipeline(columns, LogisticRegression(max_iter=500)).fit(frame.drop(columns="late"), frame["late"])


@pytest.fixture(scope="package")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """One stack for all tests of this folder: version 1 of `parcels` was added before it started and is active."""
    files = tmp_path_factory.mktemp("shop")
    made = Shop(data_dir=files / "data", model=files / "model.skops", sample=files / "sample.csv")
    dump(trained(), made.model)
    parcels(600).to_csv(made.sample, index=False)
    add = ("models", "add", MODEL, str(made.model), "--sample", str(made.sample), "--target", "late")
    penstock(*add, data_dir=made.data_dir)
    with running_stack(made.data_dir):
        penstock("activate", MODEL, "1", data_dir=made.data_dir)
        yield made
