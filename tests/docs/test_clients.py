"""The programs of docs/producers.md and docs/consumers.md run against a stack, in the order of the pages."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.house.sources import ROOT, fenced_blocks
from tests.runtime.lane_parts import eventually
from tests.stack import penstock, penstock_json, running_stack

pytestmark = pytest.mark.wire

PAGES = ("producers.md", "consumers.md")
PROGRAM_TIMEOUT_S = 120.0
FAUST_TIMEOUT_S = 60.0


@dataclass(frozen=True, slots=True)
class Office:
    """A folder with the pages' programs, and a stack whose data are beside them."""

    folder: Path
    broker: str

    @property
    def data_dir(self) -> Path:
        return self.folder / ".penstock"

    @property
    def environment(self) -> dict[str, str]:
        return {**os.environ, "BROKER": self.broker, "PYTHONPATH": str(ROOT)}

    def run(self, program: str) -> str:
        """Run a program to its end and return what it printed."""
        ended = subprocess.run(
            [sys.executable, program],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=PROGRAM_TIMEOUT_S,
            check=False,
        )
        assert ended.returncode == 0, ended.stderr
        return ended.stdout

    def ledger(self) -> dict[str, int]:
        (entry,) = penstock_json("ledger", data_dir=self.data_dir)["models"]
        return dict(entry)


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    """The model of the page is registered before the stack starts, and active."""
    folder = tmp_path_factory.mktemp("office")
    for page in PAGES:
        for language, content in fenced_blocks((ROOT / "docs" / page).read_text(encoding="utf-8")):
            if language == "python":
                (folder / content.splitlines()[0].removeprefix("# ")).write_text(content, encoding="utf-8")
    assert "parcels 1 is validated" in Office(folder, "").run("register.py")
    with running_stack(folder / ".penstock") as stack:
        made = Office(folder, str(stack.wait_ready()["broker"]))
        penstock("activate", "parcels", "1", data_dir=made.data_dir)
        for option, name in (([], "schema.json"), (["--predictions"], "prediction.json")):
            shown = penstock("schema", "show", "parcels", *option, "--json", data_dir=made.data_dir)
            (folder / name).write_text(shown)
        yield made


def test_a_producer_with_the_api_has_every_request_accepted_and_scored(office: Office) -> None:
    """A hundred are sent, and the ledger has them."""
    said = office.run("producer.py")

    assert said == "100 requests accepted\n"
    assert _scored(office, 100)


def test_a_producer_of_another_make_has_every_request_accepted_and_scored(office: Office) -> None:
    """Nothing of penstock is imported; none of its requests is dead-lettered."""
    said = office.run("plain_producer.py")

    assert said == "100 requests accepted\n"
    assert _scored(office, 200)
    assert office.ledger()["dead_lettered"] == 0


def test_plain_programs_import_nothing_of_penstock(office: Office) -> None:
    """Any client can take part."""
    for program in ("plain_producer.py", "plain_consumer.py"):
        imported = re.findall(r"^(?:from|import) (\w+)", (office.folder / program).read_text(), re.MULTILINE)
        assert {"penstock", "producers", "schemas", "runtime"} & set(imported) == set()


def test_labels_are_accepted(office: Office) -> None:
    """A correction and one that is taken back among them."""
    assert office.run("labels.py") == "3 labels accepted\n"


def test_a_plain_consumer_reads_predictions(office: Office) -> None:
    """One line for each of a hundred, each with its version."""
    lines = office.run("plain_consumer.py").splitlines()

    assert len(lines) == 100
    assert {line.split()[1] for line in lines} == {"1"}


def test_a_consumer_with_the_reader_reads_predictions(office: Office) -> None:
    """It counts the late ones among a hundred."""
    assert re.fullmatch(r"\d+ of 100 parcels will be late\n", office.run("consumer.py"))


def test_a_faust_app_counts_predictions(office: Office) -> None:
    """The agent sees all that were made, and the worker stops when it is told to."""
    log = office.folder / "counting.log"
    with log.open("wb") as output:
        worker = subprocess.Popen(
            [sys.executable, "counting.py", "worker", "--without-web"],
            cwd=office.folder,
            env=office.environment,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
        deadline = time.monotonic() + FAUST_TIMEOUT_S
        while "200 predictions counted" not in log.read_text() and time.monotonic() < deadline:
            assert worker.poll() is None, log.read_text()
            time.sleep(0.2)
        worker.send_signal(signal.SIGINT)
        worker.wait(FAUST_TIMEOUT_S)

    assert "200 predictions counted" in log.read_text()


def test_every_document_of_the_page_is_stored(office: Office) -> None:
    """What was sent on this page can be queried."""
    sql = "SELECT count(*) AS n FROM labels WHERE request_id IN ('parcel-1', 'parcel-2')"

    assert eventually(lambda: penstock_json("query", sql, data_dir=office.data_dir) == [{"n": 2}])


def _scored(office: Office, count: int) -> bool:
    return eventually(lambda: office.ledger()["scored"] == count, timeout_s=FAUST_TIMEOUT_S)
