"""Where log lines go: standard error, a rotating file, the logs topic."""

import logging
import logging.handlers
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from confluent_kafka import KafkaError, Producer

from runtime.batch import KafkaMessage
from runtime.kafka import SYSTEM_PARTITION
from runtime.log_redaction import Line
from schemas.codec import EventCodec
from schemas.events import LogEntry

FILE_BYTES_MAX = 10 << 20
FILES_KEPT = 3
STDERR_FD = 2

_CONTEXT = frozenset({"model", "version", "request_id", "topic", "partition", "offset"})
_RESERVED = _CONTEXT | {"event", "level", "logger", "timestamp", "service"}


class StderrLines:
    """Standard error, past Python's buffers: a reader that stalls then holds no lock that the exit needs."""

    name = "stderr"

    def __init__(self, formatter: logging.Formatter, fd: int = STDERR_FD) -> None:
        self._formatter = formatter
        self._fd = fd

    def deliver(self, record: logging.LogRecord) -> None:
        left = f"{self._formatter.format(record)}\n".encode(errors="backslashreplace")
        while left:
            left = left[os.write(self._fd, left) :]

    def flush(self, timeout_s: float) -> None:
        """Nothing is held."""

    def close(self) -> None:
        """Standard error stays open."""


class FileLines:
    """A file that is rotated: at most `FILES_KEPT` + 1 of `FILE_BYTES_MAX` bytes each."""

    name = "file"

    def __init__(self, formatter: logging.Formatter, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._handler = _RaisingFileHandler(path, maxBytes=FILE_BYTES_MAX, backupCount=FILES_KEPT, encoding="utf-8")
        self._handler.setFormatter(formatter)

    def deliver(self, record: logging.LogRecord) -> None:
        self._handler.emit(record)

    def flush(self, timeout_s: float) -> None:
        """Each line is flushed as it is written."""

    def close(self) -> None:
        # What a full disk has not taken was counted as it failed.
        with suppress(OSError):
            self._handler.close()


class TopicLines:
    """The logs topic, from where lines reach the store.

    `on_failure` is called for a line that the broker has not taken in the end; what does not fit
    into the producer's own bounded queue raises.
    """

    name = "topic"

    def __init__(
        self, producer: Producer, *, topic: str, codec: EventCodec, service: str, on_failure: Callable[[], None]
    ) -> None:
        self._producer = producer
        self._topic = topic
        self._codec = codec
        self._service = service
        self._on_failure = on_failure

    def deliver(self, record: logging.LogRecord) -> None:
        self._producer.poll(0)
        line = record.msg
        assert isinstance(line, dict), "the filter lets structured lines through only"
        entry = log_entry(line, service=self._service, logged_at=int(record.created * 1_000))
        self._producer.produce(
            self._topic,
            key=self._service.encode(),
            value=self._codec.encode(entry),
            partition=SYSTEM_PARTITION,
            on_delivery=self._note,
        )

    def flush(self, timeout_s: float) -> None:
        self._producer.flush(timeout_s)

    def close(self) -> None:
        """What was not delivered by now is given up with the producer."""

    def _note(self, error: KafkaError | None, _message: KafkaMessage) -> None:
        if error is not None:
            self._on_failure()


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


class _RaisingFileHandler(logging.handlers.RotatingFileHandler):
    """Tells of what it could not write instead of printing it to standard error."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802  logging's own name
        raise  # noqa: PLE0704  called by logging from within its own handler of the exception


def _text(value: object) -> str | None:
    return None if value is None else str(value)


def _number(value: object) -> int | None:
    return value if isinstance(value, int) else None
