"""`penstock models add` under a policy: what is asked, what failed, and what is compared."""

import re
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


def test_two_versions_are_shown_side_by_side(capsys: pytest.CaptureFixture[str], files: Path) -> None:
    """With both figures on the same rows; what is the same is left out of the table, not of the JSON."""
    add(capsys, files, "--holdout", files / "holdout.csv")
    add(capsys, files, "--holdout", files / "holdout.csv", "--against", "1")
    where = ["--data-dir", files / "data"]
    table = run(capsys, ["models", "compare", "parcels", "1", "2", *where])
    everything = run(capsys, ["models", "compare", "parcels", "1", "2", "--all", *where])
    told = run(capsys, ["models", "compare", "parcels", "1", "2", "--json", *where]).json
    unknown = run(capsys, ["models", "compare", "parcels", "1", "9", *where])

    assert table.out.split()[:6] == ["aspect", "item", "version", "1", "version", "2"]
    assert re.search(r"metrics on the same rows +accuracy", table.out)
    assert "depot" not in table.out
    assert "depot" in everything.out
    assert told["metrics_of_the_same_rows"]
    assert {row["aspect"] for row in told["differences"]} >= {"metrics", "features", "libraries", "data", "size"}
    assert (unknown.code, unknown.out) == (1, "")


def test_metrics_of_different_rows_are_called_no_comparison(capsys: pytest.CaptureFixture[str], files: Path) -> None:
    """Two accuracies beside each other look like a comparison, so it is said when they are none."""
    add(capsys, files)
    add(capsys, files, "--holdout", files / "holdout.csv", "--against", "1")
    compared = run(capsys, ["models", "compare", "parcels", "1", "2", "--data-dir", files / "data"])

    assert "the metrics are of different rows, which is no comparison" in compared.err


def test_what_a_version_is_without_a_stack_is_the_shelfs_word(capsys: pytest.CaptureFixture[str], files: Path) -> None:
    """Which is said, on stderr, since the deployment may know more."""
    add(capsys, files)
    listed = run(capsys, ["models", "list", "--json", "--data-dir", files / "data"])
    told = run(capsys, ["models", "history", "parcels", "--json", "--data-dir", files / "data"])

    assert (listed.json[0]["state"], listed.json[0]["serves"]) == ("validated", None)
    assert "which versions are active, superseded, barred or retired is not known: no stack is running" in listed.err
    assert [event["what"] for event in told.json] == ["Registered", "Validated"]
    assert "there may be more: no stack is running" in told.err
