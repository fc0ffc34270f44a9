"""`penstock models add` under a policy: what is asked, what failed, and what is compared."""

from pathlib import Path

import pandas as pd
import pytest
from skops.io import dump

from tests.penstock.command import Ended, run
from tests.penstock.conftest import parcels, trained

POLICY = """
[policy.criteria]
accuracy_min = 0.85
recall_min = 0.75
worse_by_max = 0.02
"""


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """A model, its sample, rows it never saw, and a policy."""
    dump(trained(), tmp_path / "model.skops")
    frame = parcels(1_000)
    frame.iloc[:600].to_csv(tmp_path / "sample.csv", index=False)
    frame.iloc[600:].to_csv(tmp_path / "holdout.csv", index=False)
    wrong = frame.iloc[600:].assign(late=1 - frame["late"])
    wrong.to_csv(tmp_path / "wrong.csv", index=False)
    (tmp_path / "penstock.toml").write_text(POLICY)
    return tmp_path


def add(capsys: pytest.CaptureFixture[str], files: Path, *more: object) -> Ended:
    base = ["models", "add", "parcels", files / "model.skops", "--sample", files / "sample.csv", "--target", "late"]
    where = ["--config", files / "penstock.toml", "--data-dir", files / "data", "--json"]
    return run(capsys, [*base, *more, *where])


def test_a_version_that_misses_the_policy_is_rejected(capsys: pytest.CaptureFixture[str], files: Path) -> None:
    """Exit code 1; the record and the sentence say which criteria failed, with figure and bound."""
    ended = add(capsys, files, "--holdout", files / "wrong.csv")

    assert (ended.code, ended.json["state"]) == (1, "rejected")
    assert "can't serve: check 'policy' failed: on the holdout: accuracy 0." in ended.err
    assert "is below 0.85 (policy.criteria.accuracy_min); recall 0." in ended.err
    assert ended.json["failure"] in ended.err


def test_the_policy_asks_what_serves_and_is_told(capsys: pytest.CaptureFixture[str], files: Path) -> None:
    """The first version has none to beat; for the second a stack must say which serves, or the person."""
    first = add(capsys, files, "--holdout", files / "holdout.csv")
    unknown = add(capsys, files, "--holdout", files / "holdout.csv")
    named = add(capsys, files, "--holdout", files / "holdout.csv", "--against", "1")
    shown = run(capsys, ["models", "show", "parcels", "2", "--json", "--data-dir", files / "data"])

    assert (first.code, first.json["state"]) == (0, "validated")
    assert unknown.code == 1
    assert "policy.criteria.worse_by_max compares with the version of parcels that serves" in unknown.err
    assert "name it with --against" in unknown.err
    assert (named.code, named.json["version"]) == (0, "2")
    assert (shown.json["metrics_of"], shown.json["holdout_rows"]) == ("the holdout", 400)
    assert shown.json["compared_with"]["version"] == "1"
    assert shown.json["compared_with"]["metrics"] == shown.json["compared_with"]["candidate_metrics"]


def test_the_sample_judges_where_there_is_no_holdout(capsys: pytest.CaptureFixture[str], files: Path) -> None:
    """And the record says so."""
    ended = add(capsys, files)
    shown = run(capsys, ["models", "show", "parcels", "--json", "--data-dir", files / "data"])

    assert ended.code == 0
    assert shown.json["metrics_of"] == "the sample"
    assert shown.json["metrics"]["rows"] == len(pd.read_csv(files / "sample.csv"))
