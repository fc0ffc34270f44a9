"""The one place where errors become an exit code and a sentence.

0 done; 1 failure, with one sentence on stderr; 2 bad usage; 130 interrupted. A reader of our
output that goes away (`| head`) is no failure. What nobody foresaw is called a bug, with its
traceback in a file, or on stderr under PENSTOCK_DEBUG=1.
"""

import os
import sys
import tempfile
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import click

from consumers.errors import MonthError
from penstock.cli.lazy import DEBUG
from penstock.cli.root import root
from penstock.errors import OutputKindError
from penstock.room_errors import ROOM_ERRORS
from producers.errors import ColumnNotFoundError, FileContentError, FileKindError
from runtime.settings import SettingsError

OK, FAILURE, USAGE, INTERRUPTED = 0, 1, 2, 130
_USAGE_ERRORS = (ColumnNotFoundError, FileContentError, FileKindError, MonthError, OutputKindError, SettingsError)


@dataclass(frozen=True, slots=True)
class Verdict:
    """An exit code and what is said of it, one sentence or nothing."""

    code: int
    sentence: str = ""


def run_command(arguments: Sequence[str]) -> int:
    """Run `penstock` with these arguments; returns the exit code and never raises."""
    try:
        code = root.main(args=list(arguments), prog_name="penstock", standalone_mode=False)
        sys.stdout.flush()
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001  # the boundary: classified below, nothing passes
        verdict = classify(error)
        if verdict.sentence:
            sys.stderr.write(f"penstock: {verdict.sentence}\n")
        return verdict.code
    return code if isinstance(code, int) else OK


def classify(error: BaseException) -> Verdict:
    """What an error means for whoever typed the command.

    The rooms' errors are sentences already; some of them are bad usage. Kafka's own get a
    subject. Any other is a bug of ours.
    """
    if isinstance(error, (KeyboardInterrupt, click.Abort)):
        return Verdict(INTERRUPTED)
    if isinstance(error, BrokenPipeError):
        _forget_stdout()
        return Verdict(OK)
    if isinstance(error, (*ROOM_ERRORS, OSError)):
        return Verdict(USAGE if isinstance(error, _USAGE_ERRORS) else FAILURE, _one_line(error))
    if _is_kafka(error):
        return Verdict(FAILURE, f"Kafka: {_one_line(error.args[0].str())}")
    return Verdict(FAILURE, _bug(error))


def _is_kafka(error: BaseException) -> bool:
    """Whether Kafka's client raised it; a command that never took the client in can't have met it."""
    client = sys.modules.get("confluent_kafka")
    return client is not None and isinstance(error, client.KafkaException)


def _forget_stdout() -> None:
    """Let what is still buffered go nowhere, or the interpreter complains about it at its end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _one_line(words: object) -> str:
    return " ".join(str(words).split())


def _bug(error: BaseException) -> str:
    """Name a bug and where its traceback is."""
    trace = "".join(traceback.format_exception(error))
    if os.environ.get(DEBUG):
        sys.stderr.write(trace)
        return f"a bug in penstock: {type(error).__name__}"
    with tempfile.NamedTemporaryFile("w", prefix="penstock-bug-", suffix=".log", delete=False) as file:
        file.write(trace)
    return (
        f"a bug in penstock ({type(error).__name__}: {_one_line(error)}); the traceback is in {Path(file.name)}, "
        f"{DEBUG}=1 shows it here"
    )
