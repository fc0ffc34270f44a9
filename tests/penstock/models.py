"""Small models and files of requests, for tests that use the stack as a person would."""

from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.base import ClassifierMixin
from sklearn.compose import make_column_transformer
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from penstock import wiring
from runtime.settings import load_settings

COLUMNS = ("amount", "age", "visits")


def sample(rows: int, *, seed: int = 7) -> pd.DataFrame:
    """Three numbers and a target that depends on the first two."""
    random = np.random.default_rng(seed)
    frame = pd.DataFrame(random.normal(size=(rows, len(COLUMNS))), columns=list(COLUMNS))
    frame["late"] = (frame["amount"] + 0.5 * frame["age"] > 0).astype(int)
    return frame


def register(
    data_dir: Path,
    name: str,
    estimator: ClassifierMixin | None = None,
    *,
    rows: int = 400,
    registered_by: str | None = None,
) -> str:
    """Fit, register, and return the version."""
    frame = sample(rows)
    fitted = (estimator or LogisticRegression()).fit(frame[list(COLUMNS)], frame["late"])
    return (
        wiring.shelf(load_settings(data_dir=data_dir))
        .add(name, fitted, frame, target="late", registered_by=registered_by)
        .version
    )


def write_requests(path: Path, rows: int, *, prefix: str = "r") -> Path:
    """A file of requests with ids `<prefix>0`, `<prefix>1`, ... of fifty customers."""
    frame = sample(rows, seed=11).drop(columns="late")
    frame["id"] = [f"{prefix}{row}" for row in range(rows)]
    frame["customer"] = [f"c{row % 50}" for row in range(rows)]
    frame.to_csv(path, index=False)
    return path


def register_reader_of_notes(data_dir: Path, name: str) -> None:
    """A model that is quick with the short notes that it knows, and takes most of a second for each long one.

    It cuts a text into all its pieces of up to 30 letters: 20 for "paid 3", 600,000 for one of 20,000 letters.
    """
    frame = pd.DataFrame({"note": [f"paid {row % 7}" for row in range(60)], "late": [row % 2 for row in range(60)]})
    pieces = CountVectorizer(analyzer="char", ngram_range=(1, 30))
    fitted = make_pipeline(make_column_transformer((pieces, "note")), LogisticRegression())
    fitted.fit(frame[["note"]], frame["late"])
    wiring.shelf(load_settings(data_dir=data_dir)).add(name, fitted, frame, target="late")


def write_long_notes(path: Path, rows: int) -> Path:
    """A file of requests of fifty customers, each with a note of 20,000 letters."""
    frame = pd.DataFrame(
        {"id": [f"n{row}" for row in range(rows)], "customer": [f"c{row % 50}" for row in range(rows)]}
    )
    frame["note"] = "was paid " * 2_222
    frame.to_csv(path, index=False)
    return path
