"""Real data of every task through the whole stack at once: binary, multiclass and regression in one worker."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from river.datasets import ImageSegments, Shuttle
from sklearn.compose import make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import Ridge
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder

from penstock.registration import add_model
from producers.sources.flight_table import FEATURES, load_flights
from registry.loaded import Estimator
from runtime.settings import load_settings
from tests.penstock.conftest import Shop
from tests.runtime.lane_parts import eventually
from tests.stack import penstock, penstock_json

pytestmark = pytest.mark.wire

TARGET = "target"
TRAINED_ON = 1_500


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A model's name, its table with features and target in the order of time, and an estimator for it."""

    name: str
    table: pd.DataFrame
    estimator: Estimator
    error_max: float

    @property
    def features(self) -> list[str]:
        return [name for name in self.table.columns if name != TARGET]


def shuttle() -> Case:
    """Binary: nine sensors of a space shuttle, anomaly or not."""
    table = pd.DataFrame([{**features, TARGET: int(label)} for features, label in Shuttle().take(TRAINED_ON + 5_000)])
    return Case(name="shuttle", table=table, estimator=HistGradientBoostingClassifier(max_iter=20), error_max=0.01)


def segments() -> Case:
    """Multiclass: what a piece of an outdoor picture shows."""
    table = pd.DataFrame([{**features, TARGET: label} for features, label in ImageSegments()])  # type: ignore[no-untyped-call]  # river has no types
    table.columns = [name.replace("-", "_") for name in table.columns]
    shuffled = table.sample(frac=1.0, random_state=3).reset_index(drop=True)
    return Case(name="segments", table=shuffled, estimator=RandomForestClassifier(30, random_state=3), error_max=0.1)


def delays() -> Case:
    """Regression: the minutes by which a flight arrives late."""
    flights = load_flights()
    landed = flights[flights["arr_delay"].notna()].head(TRAINED_ON + 2_500)
    table = landed[list(FEATURES)].assign(**{TARGET: landed["arr_delay"]}).reset_index(drop=True)
    return Case(name="delays", table=table, estimator=_delay_pipeline(), error_max=25.0)


def _delay_pipeline() -> Pipeline:
    classes = ["carrier", "origin", "dest"]
    numbers = [name for name in FEATURES if name not in classes]
    columns = make_column_transformer(
        (make_pipeline(SimpleImputer(keep_empty_features=True)), numbers),
        (OneHotEncoder(handle_unknown="ignore"), classes),
    )
    return make_pipeline(columns, Ridge())


@pytest.mark.parametrize("case", [shuttle, segments, delays], ids=["binary", "multiclass", "regression"])
def test_a_task_is_served_from_registration_to_the_store(shop: Shop, tmp_path: Path, case: Callable[[], Case]) -> None:
    """Every request is answered as the estimator itself would, and about as well as it does on held-out rows."""
    made = case()
    trained, held_out = made.table[:TRAINED_ON], made.table[TRAINED_ON:].reset_index(drop=True)
    estimator = made.estimator.fit(trained[made.features], trained[TARGET])  # type: ignore[attr-defined]  # fitted ones only
    settings = load_settings(data_dir=shop.data_dir)
    record = add_model(made.name, estimator, trained, target=TARGET, settings=settings)
    penstock("activate", made.name, record.version, data_dir=shop.data_dir)
    path = tmp_path / "requests.parquet"
    held_out.assign(id=[f"{made.name}-{row}" for row in range(len(held_out))], entity="e").to_parquet(path)
    penstock("requests", "send", made.name, str(path), "--entity", "entity", "--id", "id", data_dir=shop.data_dir)
    sql = f"SELECT request_id, score, label FROM predictions WHERE model = '{made.name}'"

    def stored() -> int:
        counted = penstock_json("query", f"SELECT count(*) AS n FROM ({sql})", data_dir=shop.data_dir)
        return int(counted[0]["n"])

    assert eventually(lambda: stored() == len(held_out), timeout_s=120)
    rows = penstock_json("query", sql, data_dir=shop.data_dir)
    answers = pd.DataFrame(rows)
    answers.index = pd.Index([int(name.rpartition("-")[2]) for name in answers["request_id"]])
    answers = answers.sort_index()
    ledger = penstock_json("ledger", "--model", made.name, data_dir=shop.data_dir)["models"][0]

    assert (ledger["accepted"], ledger["scored"], ledger["balanced"]) == (len(held_out), len(held_out), True)
    _assert_answers(made, estimator, held_out, answers)


def _assert_answers(made: Case, estimator: Estimator, held_out: pd.DataFrame, answers: pd.DataFrame) -> None:
    frame = held_out[made.features]
    expected = np.asarray(estimator.predict(frame))
    if made.name == "delays":
        np.testing.assert_allclose(answers["score"], expected, rtol=1e-9)
        error = float(np.mean(np.abs(answers["score"].to_numpy() - held_out[TARGET].to_numpy())))
    else:
        probabilities = estimator.predict_proba(frame)  # type: ignore[attr-defined]  # classifiers only
        scores = probabilities[:, 1] if probabilities.shape[1] == 2 else probabilities.max(axis=1)
        np.testing.assert_allclose(answers["score"], scores, rtol=0, atol=1e-9)
        assert answers["label"].tolist() == [str(label) for label in expected.tolist()]
        error = float(np.mean(answers["label"].to_numpy() != held_out[TARGET].astype(str).to_numpy()))

    assert error < made.error_max
