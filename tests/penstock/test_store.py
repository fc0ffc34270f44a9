"""`penstock store` at a terminal, on the embedded store."""

from pathlib import Path

import pytest

from consumers.sinks.sqlite import SqliteSink
from tests.consumers.stored import dead_letter, fill, prediction
from tests.penstock.command import run


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    """A store with predictions of April 2013."""
    fill(SqliteSink(tmp_path / "store.sqlite"), [prediction(number) for number in range(3)], [dead_letter(1)])
    return tmp_path


def test_setup_makes_the_store_and_check_finds_it_sound(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """Before it is there, check names what is missing and exits with 1."""
    missing = run(capsys, ["store", "check", "--json", "--data-dir", tmp_path])
    made = run(capsys, ["store", "setup", "--json", "--data-dir", tmp_path])
    sound = run(capsys, ["store", "check", "--data-dir", tmp_path])

    assert (missing.code, [each["what"] for each in missing.json["differences"]]) == (1, ["store"])
    assert "penstock store setup" in missing.err
    assert (made.code, [each["what"] for each in made.json["mended"]], made.json["left"]) == (0, ["store"], [])
    assert (sound.code, sound.err.strip()) == (0, f"{tmp_path}/store.sqlite is as it should be")


def test_prune_lists_first_and_deletes_with_yes(capsys: pytest.CaptureFixture[str], data_dir: Path) -> None:
    """Nothing is deleted by a slip."""
    arguments = ["store", "prune", "--before", "2013-05", "--json", "--data-dir", data_dir]
    listed = run(capsys, arguments)
    still = run(capsys, ["query", "SELECT count(*) AS n FROM predictions", "--json", "--data-dir", data_dir])
    deleted = run(capsys, [*arguments, "--yes"])
    left = run(capsys, arguments)

    parts = [("2013-04", "dead_letters", 1), ("2013-04", "predictions", 3)]
    assert (listed.code, listed.json["deleted"], still.json) == (0, False, [{"n": 3}])
    assert [(part["month"], part["collection"], part["documents"]) for part in listed.json["parts"]] == parts
    assert (deleted.json["deleted"], deleted.json["parts"]) == (True, listed.json["parts"])
    assert left.json["parts"] == []


def test_prune_says_how_much_it_is_about(capsys: pytest.CaptureFixture[str], data_dir: Path) -> None:
    """For people, with what to do."""
    ended = run(
        capsys, ["store", "prune", "--before", "2013-05", "--collection", "predictions", "--data-dir", data_dir]
    )

    assert (ended.code, ended.err.strip()) == (
        0,
        "3 documents of months before 2013-05 would be deleted: --yes does it",
    )


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "say --before MONTH, or set store.retention_months"),
        (["--before", "yesterday"], "is no month"),
        (["--before", "9999-01"], "has not begun"),
        (["--before", "2013-05", "--collection", "surprise"], "is not one of"),
    ],
)
def test_prune_refuses_what_nobody_can_mean(
    capsys: pytest.CaptureFixture[str], data_dir: Path, arguments: list[str], words: str
) -> None:
    """With exit code 2."""
    ended = run(capsys, ["store", "prune", *arguments, "--data-dir", data_dir])

    assert ended.code == 2
    assert words in ended.err


def test_retention_is_a_setting(
    capsys: pytest.CaptureFixture[str], data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that the command can be put into a timetable as it is."""
    monkeypatch.setenv("PENSTOCK_STORE__RETENTION_MONTHS", "12")
    ended = run(capsys, ["store", "prune", "--yes", "--json", "--data-dir", data_dir])

    assert (ended.code, len(ended.json["parts"])) == (0, 2)
