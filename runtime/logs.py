"""Structured logs: to stderr, to a rotating file, and, bounded and never blocking, to the logs topic.

Every module logs through `structlog.get_logger`; this module alone decides where lines go.
A line that finds the queue to the topic full is dropped and counted, never waited for.
"""

import logging
import logging.handlers
import queue
import sys
from collections.abc import Callable, MutableMapping
from pathlib import Path
from typing import Any

import structlog

from schemas.events import LogEntry

FILE_BYTES_MAX = 10 << 20
FILES_KEPT = 3
QUEUE_LINES_MAX = 10_000
_CONTEXT = frozenset({"model", "version", "request_id", "topic", "partition", "offset"})
_RESERVED = _CONTEXT | {"event", "level", "logger", "timestamp", "service", "logged_at"}

Line = MutableMapping[str, Any]
_SHARED: tuple[structlog.typing.Processor, ...] = (
    structlog.stdlib.add_logger_name,
    structlog.stdlib.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    structlog.processors.format_exc_info,
)


def configure_logs(service: str, *, log_file: Path | None = None, level: str = "INFO") -> None:
    """Send log lines to stderr (or, given one, to a rotating file) as JSON lines."""
    handler: logging.Handler = logging.StreamHandler(sys.stderr)
    if log_file is not None:
        log_file.parent.mkdir(parents=True, exist_ok=True)
        handler = logging.handlers.RotatingFileHandler(
            log_file, maxBytes=FILE_BYTES_MAX, backupCount=FILES_KEPT, encoding="utf-8"
        )
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=_SHARED,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.JSONRenderer(default=str),
            ],
        )
    )
    logging.basicConfig(level=level, handlers=[handler], force=True)
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *_SHARED,
            _stamp_service(service),
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
    )


class TopicLogHandler(logging.handlers.QueueHandler):
    """Hands penstock's own lines to `publish` on a thread of its own; `dropped` counts what did not fit.

    librdkafka's lines stay out: a broker in trouble would otherwise be told of it over and over.
    """

    def __init__(self, publish: Callable[[LogEntry], None], *, service: str) -> None:
        self._lines: queue.Queue[logging.LogRecord] = queue.Queue(maxsize=QUEUE_LINES_MAX)
        super().__init__(self._lines)
        self._service = service
        self._publish = publish
        self.dropped = 0
        self._listener = logging.handlers.QueueListener(self._lines, _Publisher(self._emit_entry))

    def start(self) -> None:
        self._listener.start()
        logging.getLogger().addHandler(self)

    def stop(self) -> None:
        logging.getLogger().removeHandler(self)
        self._listener.stop()

    def filter(self, record: logging.LogRecord) -> bool:
        return isinstance(record.msg, dict) and record.msg.get("logger") != "penstock.kafka"

    def prepare(self, record: logging.LogRecord) -> logging.LogRecord:
        """Keep the structured line as it is; the default would render it to text."""
        return record

    def enqueue(self, record: logging.LogRecord) -> None:
        try:
            self._lines.put_nowait(record)
        except queue.Full:
            self.dropped += 1

    def _emit_entry(self, record: logging.LogRecord) -> None:
        line = record.msg
        assert isinstance(line, dict), "the filter lets structured lines through only"
        self._publish(log_entry(line, service=self._service, logged_at=int(record.created * 1_000)))


class _Publisher(logging.Handler):
    def __init__(self, emit: Callable[[logging.LogRecord], None]) -> None:
        super().__init__()
        self._emit_record = emit

    def emit(self, record: logging.LogRecord) -> None:
        try:
            self._emit_record(record)
        except Exception:  # noqa: BLE001  a log line that can't be published must never stop a lane
            self.handleError(record)


def log_entry(line: Line, *, service: str, logged_at: int) -> LogEntry:
    """The event for one structured line.

    >>> entry = log_entry({"event": "swapped", "level": "info", "model": "m", "n": 2}, service="scorer-0", logged_at=5)
    >>> entry.model, entry.fields
    ('m', {'n': '2'})
    """
    return LogEntry(
        service=service,
        level=str(line.get("level", "info")),
        event=str(line.get("event", "")),
        logged_at=logged_at,
        model=_text(line.get("model")),
        version=_text(line.get("version")),
        request_id=_text(line.get("request_id")),
        topic=_text(line.get("topic")),
        partition=_number(line.get("partition")),
        offset=_number(line.get("offset")),
        fields={name: str(value) for name, value in line.items() if name not in _RESERVED and not name.startswith("_")},
    )


def _stamp_service(service: str) -> structlog.typing.Processor:
    def stamp(_logger: Any, _method: str, line: Line) -> Line:
        line["service"] = service
        return line

    return stamp


def _text(value: object) -> str | None:
    return None if value is None else str(value)


def _number(value: object) -> int | None:
    return value if isinstance(value, int) else None
