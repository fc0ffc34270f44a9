"""Structured logs of one process: to standard error, to a rotating file, and to the logs topic.

Every module logs through `structlog.get_logger`; this module alone decides where lines go and in
which form. Nobody who logs ever waits: each destination has a bounded queue and a thread, and what
does not fit is dropped and counted. Secrets are taken out before a line is handed to anything.
"""

import faulthandler
import logging
import sys
from collections.abc import Collection
from pathlib import Path
from typing import Any

import structlog
from confluent_kafka import Producer

from runtime.log_destinations import FileLines, StderrLines, TopicLines
from runtime.log_outlet import Destination, Outlet, open_outlets
from runtime.log_redaction import Line, Redactor
from runtime.metrics import LOG_LINES_DROPPED, Meters
from runtime.settings import LogSettings
from schemas.codec import EventCodec

CLOSE_S = 2.0
_HEAD = ("timestamp", "level", "service", "event")
_SHARED: tuple[structlog.typing.Processor, ...] = (
    structlog.stdlib.add_logger_name,
    structlog.stdlib.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    structlog.processors.format_exc_info,
)


class Logs:
    """Where the lines of this process go, from its start to its end; there is one in a process."""

    def __init__(
        self,
        service: str,
        settings: LogSettings,
        *,
        secrets: Collection[str],
        meters: Meters,
        stderr_level: str | None = None,
        file: Path | None = None,
    ) -> None:
        """Send lines to standard error, from `stderr_level` on where that is given, and to a file where one is."""
        self._service = service
        self._settings = settings
        self._chain: tuple[structlog.typing.Processor, ...] = (*_SHARED, _stamp_service(service), Redactor(secrets))
        self._meters = meters
        outlets = [self._outlet(StderrLines(self._formatter(_renderer(settings.format))), stderr_level)]
        if file is not None:
            outlets.append(self._outlet(FileLines(self._formatter(_json()), file)))
        logging.basicConfig(level=settings.level, handlers=outlets, force=True)
        logging.captureWarnings(capture=True)
        faulthandler.enable()
        structlog.configure(
            processors=[
                structlog.stdlib.filter_by_level,
                *self._chain,
                structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
            ],
            wrapper_class=structlog.stdlib.BoundLogger,
            logger_factory=structlog.stdlib.LoggerFactory(),
        )

    def publish(self, producer: Producer, *, topic: str, codec: EventCodec) -> Outlet:
        """Send penstock's own lines to the logs topic as well, until the outlet is stopped.

        librdkafka's lines stay out: a broker in trouble would otherwise be told of it over and over.
        """

        def failed() -> None:
            outlet.drop()

        lines = TopicLines(producer, topic=topic, codec=codec, service=self._service, on_failure=failed)
        outlet = self._outlet(lines, self._settings.topic_level)
        outlet.addFilter(_is_our_own)
        logging.getLogger().addHandler(outlet)
        return outlet

    def close(self) -> None:
        """Hand on what is there, for a bounded time."""
        for outlet in open_outlets():
            outlet.stop(CLOSE_S)

    def _outlet(self, destination: Destination, level: str | None = None) -> Outlet:
        self._meters.add(LOG_LINES_DROPPED, 0, destination=destination.name)
        outlet = Outlet(destination, lines_max=self._settings.queue_lines_max, on_drop=self._dropped)
        outlet.setLevel(level or self._settings.level)
        return outlet

    def _dropped(self, destination: str) -> None:
        self._meters.add(LOG_LINES_DROPPED, destination=destination)

    def _formatter(self, renderer: structlog.typing.Processor) -> logging.Formatter:
        return structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=self._chain,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, _head_first, renderer],
        )


def _head_first(_logger: Any, _method: str, line: Line) -> Line:
    """What every line has comes first, so that lines below each other can be read."""
    return {name: line[name] for name in _HEAD if name in line} | dict(line)


def _is_our_own(record: logging.LogRecord) -> bool:
    return isinstance(record.msg, dict) and record.msg.get("logger") != "penstock.kafka"


def _renderer(form: str) -> structlog.typing.Processor:
    """JSON, or what people read; `auto` looks whether a person may be reading."""
    return _console() if form == "console" or (form == "auto" and sys.stderr.isatty()) else _json()


def _json() -> structlog.typing.Processor:
    return structlog.processors.JSONRenderer(default=str)


def _console() -> structlog.typing.Processor:
    return structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())


def _stamp_service(service: str) -> structlog.typing.Processor:
    def stamp(_logger: Any, _method: str, line: Line) -> Line:
        line["service"] = service
        return line

    return stamp
