"""Logs of a single command: errors on standard error; standard output is its result and takes no log line."""

import sys
from typing import Any

import structlog

from runtime.log_redaction import Line, Redactor


def configure_command_logs(*, verbose: bool) -> None:
    """Send errors to standard error, and with `verbose` everything; a command says itself what it has to say."""
    structlog.configure(
        processors=[
            _everything if verbose else _our_errors,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            Redactor(),
            structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty()),
        ],
        logger_factory=lambda *_names: structlog.PrintLogger(sys.stderr),
        cache_logger_on_first_use=False,
    )


def _everything(_logger: Any, _method: str, line: Line) -> Line:
    return line


def _our_errors(_logger: Any, method: str, line: Line) -> Line:
    """Drop what is no error, and librdkafka's lines, which tell of every try again."""
    if method not in ("error", "exception", "critical") or line.get("event") == "librdkafka":
        raise structlog.DropEvent
    return line
