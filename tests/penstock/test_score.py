"""`penstock score`: the same answers as the estimator's, bad rows named, and no broker asked."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_wine
from sklearn.linear_model import LinearRegression, LogisticRegression

from penstock import wiring
from penstock.file_scoring import BATCH_ROWS
from runtime.settings import load_settings
from tests.penstock.command import run
from tests.penstock.models import COLUMNS, register, sample

MODEL = "parcels"


def read(path: Path) -> pd.DataFrame:
    if path.suffix == ".csv":
        return pd.read_csv(path)
    return pd.read_parquet(path) if path.suffix == ".parquet" else pd.read_json(path, lines=True)


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
def test_scores_are_those_of_the_estimator_on_the_same_batches(
    kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """More rows than one batch, in every kind of file, with a column that goes along."""
    register(tmp_path, MODEL)
    frame = sample(BATCH_ROWS + 7, seed=3).drop(columns="late")
    frame["id"] = [f"r{row}" for row in range(len(frame))]
    frame.to_parquet(tmp_path / "rows.parquet")
    output = tmp_path / f"scored.{kind}"
    ended = run(
        capsys,
        [
            "score",
            MODEL,
            tmp_path / "rows.parquet",
            "--output",
            output,
            "--keep",
            "id",
            "--data-dir",
            tmp_path,
            "--json",
        ],
    )
    loaded = wiring.shelf(load_settings(data_dir=tmp_path)).open(MODEL, "1")
    features = frame[list(COLUMNS)]
    parts = (features[:BATCH_ROWS], features[BATCH_ROWS:])
    expected = np.concatenate([loaded.estimator.predict_proba(part)[:, 1] for part in parts])  # type: ignore[attr-defined]  # a classifier
    scored = read(output)

    assert ended.code == 0, ended.err
    assert ended.json["scored"] == len(frame)
    assert scored["row"].tolist() == list(range(1, len(frame) + 1))
    assert scored["id"].tolist() == frame["id"].tolist()
    np.testing.assert_allclose(scored["score"], expected, rtol=0, atol=1e-9 if kind == "jsonl" else 0)


def test_rows_that_do_not_fit_are_named_and_the_others_scored(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Text for a number, a missing value: exit code 1, and every other row is in the output."""
    register(tmp_path, MODEL)
    (tmp_path / "rows.csv").write_text("amount,age,visits\n1,2,3\nmany,2,3\n1,,3\n4,5,6\n")
    output = tmp_path / "scored.csv"
    ended = run(capsys, ["score", MODEL, tmp_path / "rows.csv", "--output", output, "--data-dir", tmp_path])

    assert ended.code == 1
    assert "row 2: " in ended.err
    assert "amount" in ended.err
    assert "row 3: " in ended.err
    assert "age" in ended.err
    assert read(output)["row"].tolist() == [1, 4]


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["rows.csv", "--output", "out.xlsx"], 2, "must end in .csv, .jsonl or .parquet"),
        (["rows.csv", "--output", "out.csv", "--keep", "nope"], 2, "no column 'nope'"),
        (["rows.csv", "--output", "out.csv", "--version", "9"], 1, "no version '9'"),
        (["short.csv", "--output", "out.csv"], 2, "no column 'visits'"),
        (["rows.csv"], 2, "--output"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_sentence(
    arguments: list[str],
    code: int,
    words: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Usage is 2, failure is 1, and the remedy is in the words."""
    register(tmp_path, MODEL)
    monkeypatch.chdir(tmp_path)
    Path("rows.csv").write_text("amount,age,visits\n1,2,3\n")
    Path("short.csv").write_text("amount,age\n1,2\n")
    ended = run(capsys, ["score", MODEL, *arguments, "--data-dir", tmp_path])

    assert ended.code == code
    assert words in ended.err


def test_multiclass_and_regression_have_columns_of_their_own(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A probability for each class; no label for a number."""
    shelf = wiring.shelf(load_settings(data_dir=tmp_path))
    wines = load_wine(as_frame=True).frame[["alcohol", "hue", "target"]]
    shelf.add("wine", LogisticRegression().fit(wines[["alcohol", "hue"]], wines["target"]), wines, target="target")
    shelf.add("hues", LinearRegression().fit(wines[["alcohol"]], wines["hue"]), wines[["alcohol", "hue"]], target="hue")
    wines.to_csv(tmp_path / "wines.csv", index=False)
    for name in ("wine", "hues"):
        output = tmp_path / f"{name}.csv"
        ended = run(capsys, ["score", name, tmp_path / "wines.csv", "--output", output, "--data-dir", tmp_path])
        assert ended.code == 0, ended.err
    wine, hues = read(tmp_path / "wine.csv"), read(tmp_path / "hues.csv")

    assert list(wine.columns) == [
        "row", "version", "score", "label", "probability_0", "probability_1", "probability_2",
    ]  # fmt: skip
    np.testing.assert_allclose(wine[["probability_0", "probability_1", "probability_2"]].sum(axis=1), 1.0)
    assert list(hues.columns) == ["row", "version", "score"]
