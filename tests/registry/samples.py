"""Small samples of every kind of column, and estimators fitted on them, for the tests of the shelf."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.compose import make_column_transformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

NUMBERS = ["delay", "distance", "temperature"]
TEXTS = ["carrier", "origin"]
COLUMNS = [*NUMBERS, *TEXTS]


def flights(rows: int = 400, *, seed: int = 7) -> pd.DataFrame:
    """Rows like flights: floats with gaps, integers, text with gaps, and whether the flight was late."""
    random = np.random.default_rng(seed)
    delay = random.normal(5, 20, rows)
    frame = pd.DataFrame(
        {
            "delay": delay,
            "distance": random.integers(100, 3_000, rows),
            "temperature": random.normal(10, 8, rows),
            "carrier": random.choice(["AA", "UA", "DL"], rows),
            "origin": random.choice(["EWR", "JFK"], rows),
            "late": (delay + random.normal(0, 10, rows) > 15).astype(np.int64),
        }
    )
    frame.loc[::7, "temperature"] = np.nan
    frame.loc[3::11, "carrier"] = None
    return frame


def preprocessing(*, unknown: str = "ignore") -> Pipeline:
    """Impute, scale and encode, as people do."""
    text = make_pipeline(
        SimpleImputer(strategy="most_frequent"), OneHotEncoder(handle_unknown=unknown, sparse_output=False)
    )
    return make_column_transformer((make_pipeline(SimpleImputer(), StandardScaler()), NUMBERS), (text, TEXTS))


def late_model(sample: pd.DataFrame | None = None) -> Pipeline:
    """A binary pipeline, fitted."""
    frame = flights() if sample is None else sample
    return make_pipeline(preprocessing(), LogisticRegression()).fit(frame[COLUMNS], frame["late"])


def doubles(rows: int = 200, columns: int = 4, *, seed: int = 3) -> pd.DataFrame:
    """Columns f0, f1, ... of finite doubles."""
    random = np.random.default_rng(seed)
    return pd.DataFrame(random.normal(size=(rows, columns)), columns=names(columns))


def names(columns: int) -> list[str]:
    return [f"f{index}" for index in range(columns)]


def halves(sample: pd.DataFrame, labels: Sequence[object] = (0, 1)) -> npt.NDArray[np.generic]:
    """A class for each row, which its first column decides."""
    chosen = (sample.iloc[:, 0] > sample.iloc[:, 0].median()).to_numpy().astype(np.int64)
    return np.array(labels)[chosen]


def shouting(values: object) -> object:
    """A function of a user's own, which no file may name."""
    return values
