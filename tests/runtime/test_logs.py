"""Log lines: structured, without secrets, and never waited for."""

import logging
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import orjson
import pytest
import structlog
from pydantic import SecretStr

from runtime.kafka import build_log_producer
from runtime.log_destinations import FileLines, StderrLines, TopicLines, log_entry
from runtime.log_outlet import Outlet, drain_logs
from runtime.log_redaction import REDACTED, TEXT_CHARS_MAX, Redactor, secrets_of
from runtime.logs import Logs
from runtime.metrics import Meters
from runtime.settings import KafkaSettings, LogSettings, ProducerSettings, Settings
from schemas.codec import EventCodec
from schemas.directory_registry import DirectoryRegistry
from tests.runtime.lane_parts import eventually
from tests.stack import ROOT

SECRET = "planted-9f31c7"
STALLED = """
import sys
from pathlib import Path
import structlog
from runtime.logs import Logs
from runtime.metrics import Meters
from runtime.settings import LogSettings

logs = Logs("test-0", LogSettings(queue_lines_max=100), secrets=(), meters=Meters())
for number in range(5_000):
    structlog.get_logger("penstock.test").info("line", number=number, filler="x" * 200)
Path(sys.argv[1]).write_text("all said")
logs.close()
"""


class Held:
    """A destination that takes nothing until it is let go; what it took is in `lines`."""

    name = "held"

    def __init__(self) -> None:
        self.go = threading.Event()
        self.lines: list[dict[str, object]] = []

    def deliver(self, record: logging.LogRecord) -> None:
        assert self.go.wait(60), "let go by every test"
        assert isinstance(record.msg, dict), "structured"
        self.lines.append(dict(record.msg))

    def flush(self, timeout_s: float) -> None:
        """Nothing is held back."""

    def close(self) -> None:
        """Nothing is open."""


@pytest.fixture(autouse=True)
def logging_restored() -> Iterator[None]:
    """Logging as pytest had set it up, whatever a test configures."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.captureWarnings(capture=False)
    structlog.reset_defaults()


def logs_to(path: Path, meters: Meters | None = None, **settings: object) -> Logs:
    return Logs(
        "test-0",
        LogSettings.model_validate(settings),
        secrets=[SECRET],
        meters=meters or Meters(),
        stderr_level="CRITICAL",
        file=path,
    )


def lines_of(path: Path) -> list[dict[str, object]]:
    return [orjson.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def dropped(meters: Meters, destination: str) -> float:
    for line in meters.page().splitlines():
        if line.startswith(f'penstock_log_lines_dropped_total{{destination="{destination}"}}'):
            return float(line.rsplit(" ", 1)[1])
    return 0.0


def test_a_line_is_json_with_what_it_is_about(tmp_path: Path) -> None:
    """Time, level, process and event come first, then whatever the line was given."""
    logs = logs_to(tmp_path / "test.log")
    structlog.get_logger("penstock.test").warning("seen", model="flights", partition=3, offset=17, request_id="r1")
    logs.close()
    (line,) = lines_of(tmp_path / "test.log")

    assert list(line)[:4] == ["timestamp", "level", "service", "event"]
    assert line["level"] == "warning"
    assert (line["model"], line["partition"], line["offset"], line["request_id"]) == ("flights", 3, 17, "r1")


def test_lines_of_libraries_and_warnings_of_python_are_structured_too(tmp_path: Path) -> None:
    """Whatever logs in this process has the same form and loses its secrets."""
    logs = logs_to(tmp_path / "test.log")
    logging.getLogger("some.library").error("connecting with %s failed", SECRET)
    logs.close()
    (line,) = lines_of(tmp_path / "test.log")

    assert line["event"] == f"connecting with {REDACTED} failed"
    assert (line["logger"], line["service"]) == ("some.library", "test-0")


def test_less_serious_lines_are_left_out(tmp_path: Path) -> None:
    """`logs.level` holds for everything."""
    logs = logs_to(tmp_path / "test.log", level="ERROR")
    structlog.get_logger("penstock.test").warning("not written")
    structlog.get_logger("penstock.test").error("written")
    logs.close()

    assert [line["event"] for line in lines_of(tmp_path / "test.log")] == ["written"]


@pytest.mark.parametrize(("form", "starts"), [("json", "{"), ("console", "20"), ("auto", "{")])
def test_standard_error_has_the_form_that_was_asked_for(
    capfd: pytest.CaptureFixture[str], form: str, starts: str
) -> None:
    """JSON for machines, words for people; `auto` sees that no terminal is there."""
    logs = Logs("test-0", LogSettings.model_validate({"format": form}), secrets=(), meters=Meters())
    structlog.get_logger("penstock.test").info("said")
    logs.close()

    assert capfd.readouterr().err.startswith(starts)


def test_a_full_queue_drops_counts_and_says_so_and_nobody_waits() -> None:
    """A destination that hangs costs its own lines; once it takes some again, one says how many are missing."""
    held, meters = Held(), Meters()
    logs = Logs("test-0", LogSettings(), secrets=(), meters=meters, stderr_level="CRITICAL")
    told: list[str] = []
    outlet = Outlet(held, lines_max=10, on_drop=told.append)
    logging.getLogger().addHandler(outlet)
    for number in range(100):
        structlog.get_logger("penstock.test").info("line", number=number)
    missing = len(told)
    held.go.set()
    said = eventually(lambda: any(line["event"] == "log lines were dropped" for line in held.lines), timeout_s=30)
    outlet.stop(10)
    logs.close()

    assert said
    assert missing in (89, 90), "ten wait in the queue, and one may be with the destination"
    assert [line["lines"] for line in held.lines if line["event"] == "log lines were dropped"] == [missing]
    assert len([line for line in held.lines if line["event"] == "line"]) == 100 - missing


def test_a_pipe_that_nobody_reads_stops_nothing(tmp_path: Path) -> None:
    """A frozen terminal on standard error: every line is said, and the process ends by itself."""
    reader, writer = os.pipe()
    process = subprocess.Popen([sys.executable, "-c", STALLED, str(tmp_path / "said")], cwd=ROOT, stderr=writer)
    os.close(writer)
    returncode = process.wait(120)
    os.close(reader)

    assert (tmp_path / "said").read_text() == "all said"
    assert returncode == 0


def test_a_file_that_can_not_be_written_costs_its_lines_alone(tmp_path: Path) -> None:
    """A full disk: lines to the file are counted as dropped, nothing is raised."""
    meters = Meters()
    logs = logs_to(Path("/dev/full") if Path("/dev/full").exists() else tmp_path, meters)
    structlog.get_logger("penstock.test").info("lost")
    logs.close()

    assert dropped(meters, "file") >= 1


def test_a_broker_that_is_away_blocks_nobody(tmp_path: Path) -> None:
    """More lines than queue and producer hold: all are said at once, the rest is counted."""
    meters = Meters()
    logs = logs_to(tmp_path / "test.log", meters, queue_lines_max=50)
    codec = EventCodec(DirectoryRegistry(tmp_path / "schemas.sqlite"))
    outlet = logs.publish(build_log_producer(KafkaSettings(bootstrap_servers="127.0.0.1:1")), topic="logs", codec=codec)
    for number in range(10_000 + 50 + 100):
        structlog.get_logger("penstock.test").info("line", number=number)
    hit = eventually(lambda: dropped(meters, "topic") > 0, timeout_s=60)
    outlet.stop(0.1)
    logs.close()

    assert hit


def test_a_line_that_can_not_be_encoded_is_counted(tmp_path: Path) -> None:
    """A registry that is away costs lines on the topic, and nothing else."""
    meters = Meters()
    logs = logs_to(tmp_path / "test.log", meters)
    (tmp_path / "schemas.sqlite").mkdir()
    codec = EventCodec(DirectoryRegistry(tmp_path / "schemas.sqlite"))
    outlet = logs.publish(build_log_producer(KafkaSettings(bootstrap_servers="127.0.0.1:1")), topic="logs", codec=codec)
    structlog.get_logger("penstock.test").info("line")
    hit = eventually(lambda: dropped(meters, "topic") >= 1, timeout_s=30)
    outlet.stop(0.1)
    logs.close()

    assert hit


def test_last_words_come_out_before_a_process_ends_itself(tmp_path: Path) -> None:
    """What was said right before is written when `drain_logs` returns."""
    logs = logs_to(tmp_path / "test.log")
    structlog.get_logger("penstock.test").critical("the end")
    drain_logs()
    written = [line["event"] for line in lines_of(tmp_path / "test.log")]
    logs.close()

    assert written == ["the end"]


def test_secrets_of_settings_are_nowhere(tmp_path: Path) -> None:
    """Not by type, not by name, not in an exception's text, not in what goes to the topic."""
    settings = Settings(producers=ProducerSettings(personal_key=SecretStr(SECRET)))
    held = Held()
    held.go.set()
    logs = Logs(
        "test-0",
        LogSettings(),
        secrets=secrets_of(settings),
        meters=Meters(),
        file=tmp_path / "test.log",
        stderr_level="CRITICAL",
    )
    outlet = Outlet(held, lines_max=100, on_drop=lambda _: None)
    logging.getLogger().addHandler(outlet)
    log = structlog.get_logger("penstock.test")
    log.info("settings", given=settings.producers, key=settings.producers.personal_key, nested={"a": [f"x{SECRET}y"]})
    log.error("failed", exc_info=ValueError(f"refused {SECRET}"))
    outlet.stop(10)
    logs.close()
    entries = [log_entry(line, service="test-0", logged_at=0) for line in held.lines]

    assert len(lines_of(tmp_path / "test.log")) == 2
    assert SECRET not in (tmp_path / "test.log").read_text(encoding="utf-8")
    assert len(entries) == 2
    assert SECRET not in repr(entries)


@pytest.mark.parametrize(
    "name", ["password", "sasl_password", "ssl_key_passphrase", "api_key", "Authorization", "token", "personal_key"]
)
def test_values_under_names_of_secrets_are_hidden(name: str) -> None:
    """Even when no setting holds them, at any depth."""
    line = Redactor()(None, "info", {"event": "e", "config": [{name: "v4lue"}], name: "v4lue"})

    assert "v4lue" not in repr(line)


@pytest.mark.parametrize(
    "words",
    [
        "https://ann:v4lue@host:9200/_bulk failed",
        "sasl.password=v4lue refused",
        '{"api_key": "v4lue"}',
        "Authorization: Basic v4lue",
        "secret = 'v4lue'",
    ],
)
def test_credentials_in_text_are_hidden(words: str) -> None:
    """In addresses and in assignments, as libraries print them."""
    assert "v4lue" not in Redactor().text(words)


@pytest.mark.parametrize("words", ["model flights version 3", "the tokens of a batch", "a secretary came", "k=v"])
def test_ordinary_words_stay(words: str) -> None:
    """What is no secret can be read."""
    assert Redactor([SECRET]).text(words) == words


def test_a_line_is_bounded() -> None:
    """A huge value keeps its beginning and its end."""
    words = Redactor().text("begin" + "x" * 1_000_000 + "end")

    assert len(words) < TEXT_CHARS_MAX + 100
    assert (words.startswith("begin"), words.endswith("end")) == (True, True)


def test_every_destination_has_a_name_of_its_own(tmp_path: Path) -> None:
    """The counter of dropped lines tells them apart."""
    names = {StderrLines.name, FileLines.name, TopicLines.name}

    assert len(names) == 3
