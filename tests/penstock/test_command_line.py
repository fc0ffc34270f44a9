"""The command line: help everywhere, exit code 2 for bad usage, 1 and one sentence for failure."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from penstock.cli.boundary import classify
from penstock.cli.root import root
from tests.penstock.command import run
from tests.stack import ROOT


def commands() -> Iterator[tuple[str, ...]]:
    """Every command and group, by the words that call it."""
    waiting: list[tuple[tuple[str, ...], click.Command]] = [((), root)]
    while waiting:
        words, command = waiting.pop()
        yield words
        if isinstance(command, click.Group):
            context = click.Context(command)
            for name in command.list_commands(context):
                inner = command.get_command(context, name)
                assert inner is not None, name
                waiting.append(((*words, name), inner))


ALL = sorted(commands())
LEAVES = [words for words in ALL if not any(other[: len(words)] == words and other != words for other in ALL)]


@pytest.mark.parametrize("words", ALL, ids=" ".join)
def test_every_command_has_help_with_an_example(capsys: pytest.CaptureFixture[str], words: tuple[str, ...]) -> None:
    """`--help` says what the command does and shows one that works."""
    ended = run(capsys, [*words, "--help"])

    assert (ended.code, ended.err) == (0, "")
    assert "Example" in ended.out
    assert "  penstock " in ended.out


@pytest.mark.parametrize("words", LEAVES, ids=" ".join)
def test_every_command_takes_data_dir_and_config(capsys: pytest.CaptureFixture[str], words: tuple[str, ...]) -> None:
    """Scripts rely on both."""
    ended = run(capsys, [*words, "--help"])

    assert "--data-dir" in ended.out
    assert "--config" in ended.out


@pytest.mark.parametrize(
    "words", [words for words in LEAVES if words not in {("up",), ("run",), ("demo",), ("health",)}], ids=" ".join
)
def test_every_command_that_prints_data_takes_json(capsys: pytest.CaptureFixture[str], words: tuple[str, ...]) -> None:
    """Scripts rely on it."""
    assert "--json" in run(capsys, [*words, "--help"]).out


@pytest.mark.parametrize(
    "arguments",
    [
        ["nonsense"],
        ["models", "nonsense"],
        ["models", "list", "--nonsense"],
        ["models", "list", "Flights"],
        ["activate", "flights"],
        ["--config", "missing.toml", "models", "list"],
        ["requests", "send", "flights", "missing.csv", "--entity", "id"],
        ["requests", "send", "flights", __file__, "--entity", "id"],
        ["models", "add", "flights", __file__, "--sample", __file__],
        ["run", "nobody"],
        ["up", "--workers", "0"],
        ["up", "--workers", "2"],
        ["dead-letters", "list", "--reason", "nonsense"],
        ["predictions", "tail", "flights", "--limit", "0"],
    ],
    ids=" ".join,
)
def test_bad_usage_is_exit_code_2_and_no_traceback(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, arguments: list[str]
) -> None:
    """Unknown commands, options, names, kinds of files and files that are not there."""
    ended = run(capsys, ["--data-dir", tmp_path, *arguments])

    assert ended.code == 2
    assert ended.out == ""
    assert ended.err != ""
    assert "Traceback" not in ended.err


@pytest.mark.parametrize(
    ("toml", "found"),
    [
        ("[kafka]\nbroker = 'x'\n", "kafka.broker"),
        ("nonsense", "not readable TOML"),
        ("workers = 'many'", "workers"),
    ],
)
def test_a_wrong_configuration_names_the_key(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, toml: str, found: str
) -> None:
    """Unknown keys and wrong kinds are bad usage."""
    config = tmp_path / "penstock.toml"
    config.write_text(toml)
    ended = run(capsys, ["models", "list", "--config", config])

    assert ended.code == 2
    assert found in ended.err


@pytest.mark.parametrize(
    ("arguments", "found"),
    [
        (["models", "show", "flights"], "no model 'flights'"),
        (["models", "verify", "flights", "1"], "no version '1'"),
        (["activate", "flights", "1"], "no version '1'"),
        (["schema", "show", "flights"], "penstock models add flights"),
        (["query", "SELECT 1"], "no store"),
        (["report", "predictions", "flights"], "no store"),
        (["dead-letters", "list"], "no store"),
        (["dead-letters", "show", "x"], "no store"),
        (["ledger"], "no store"),
        (["topics", "list"], "no stack is running"),
        (["topics", "create", "flights"], "no stack is running"),
        (["predictions", "tail", "flights"], "no stack is running"),
        (["losses", "accept", "flights", "--partition", "0"], "no stack is running"),
        (["models", "bar", "flights", "1", "--reason", "bad"], "no stack is running"),
        (["run", "scorer"], "no stack is running"),
        (["doctor"], "no stack"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_failure_is_exit_code_1_and_one_sentence(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, arguments: list[str], found: str
) -> None:
    """What is wrong and what to do, on stderr; nothing else there."""
    ended = run(capsys, [*arguments, "--data-dir", tmp_path])

    assert ended.code == 1
    assert found in ended.err
    assert ended.err.count("\n") == 1
    assert ended.err.startswith("penstock: ")


def test_lists_of_nothing_are_empty_json(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """No versions yet is an answer, no failure."""
    ended = run(capsys, ["models", "list", "--json", "--data-dir", tmp_path])

    assert (ended.code, ended.json) == (0, [])


def test_options_before_the_command_count_too_and_nearer_ones_win(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """`penstock --data-dir A topics list --data-dir B` looks at B."""
    before = run(capsys, ["--data-dir", tmp_path / "a", "topics", "list"])
    nearer = run(capsys, ["--data-dir", tmp_path / "a", "topics", "list", "--data-dir", tmp_path / "b"])

    assert f"{tmp_path / 'a'}:" in before.err
    assert f"{tmp_path / 'b'}:" in nearer.err


def test_a_bug_is_called_one_and_says_where_its_traceback_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """One sentence with a file; with PENSTOCK_DEBUG the traceback itself."""
    monkeypatch.delenv("PENSTOCK_DEBUG", raising=False)
    verdict = classify(ZeroDivisionError("by\nzero"))
    path = Path(verdict.sentence.partition("the traceback is in ")[2].partition(",")[0])

    assert verdict.code == 1
    assert verdict.sentence.startswith("a bug in penstock (ZeroDivisionError: by zero)")
    assert "ZeroDivisionError" in path.read_text()
    path.unlink()


def test_debugging_shows_the_traceback(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """PENSTOCK_DEBUG=1 is for whoever mends it."""
    monkeypatch.setenv("PENSTOCK_DEBUG", "1")
    verdict = classify(ZeroDivisionError("by zero"))

    assert verdict.sentence == "a bug in penstock: ZeroDivisionError"
    assert "ZeroDivisionError: by zero" in capsys.readouterr().err


def test_an_interrupt_says_nothing() -> None:
    """Ctrl-C is exit code 130."""
    verdict = classify(KeyboardInterrupt())

    assert (verdict.code, verdict.sentence) == (130, "")


def test_a_reader_that_goes_away_is_no_failure(tmp_path: Path) -> None:
    """`penstock ... | head -1` ends quietly, whatever is left to print."""
    script = f"{sys.executable} -m penstock --help | head -c 1 ; exit ${{PIPESTATUS[0]}}"
    ended = subprocess.run(
        ["bash", "-c", script], cwd=ROOT, capture_output=True, text=True, check=False, env={**os.environ}
    )

    assert ended.returncode == 0
    assert ended.stderr == ""
