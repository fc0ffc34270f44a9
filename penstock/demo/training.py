"""Two estimators for "will this flight arrive more than 15 minutes late?", as any user would write them."""

from typing import Final

import pandas as pd
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler

from producers.sources.flight_table import FEATURES

TARGET: Final = "late"
_CLOSED: Final = ["origin"]
_OPEN: Final = ["carrier", "dest"]
_NUMBERS: Final = [name for name in FEATURES if name not in (*_CLOSED, *_OPEN)]
_SEED: Final = 7


def first_version() -> Pipeline:
    """Logistic regression on scaled numbers and one-hot categories; an unknown origin is an error."""
    columns = ColumnTransformer(
        [
            ("numbers", make_pipeline(SimpleImputer(strategy="median"), StandardScaler()), _NUMBERS),
            ("closed", OneHotEncoder(handle_unknown="error"), _CLOSED),
            ("open", OneHotEncoder(handle_unknown="ignore", min_frequency=50), _OPEN),
        ]
    )
    return make_pipeline(columns, LogisticRegression(max_iter=300))


def second_version() -> Pipeline:
    """Gradient-boosted trees, which take missing numbers as they are; an unknown origin is an error."""
    columns = ColumnTransformer(
        [
            ("numbers", "passthrough", _NUMBERS),
            ("closed", OneHotEncoder(handle_unknown="error", sparse_output=False), _CLOSED),
            ("open", OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1), _OPEN),
        ]
    )
    return make_pipeline(columns, HistGradientBoostingClassifier(max_iter=80, random_state=_SEED))


def fitted(pipeline: Pipeline, sample: pd.DataFrame) -> Pipeline:
    """The pipeline fitted on a sample with the column `late`."""
    return pipeline.fit(sample[list(FEATURES)], sample[TARGET])
