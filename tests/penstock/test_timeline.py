"""`penstock timeline`: chains drawn for a terminal, and as JSON."""

import json
from pathlib import Path

import pytest

from consumers.documents import model_event_document, signal_document
from consumers.sinks.sqlite import SqliteSink
from consumers.timeline import linked, trees
from penstock.cli.timeline import drawn
from runtime.settings import load_settings
from schemas.events import Signal
from tests.consumers.stored import APRIL
from tests.consumers.test_timeline import CAUSES, CHAIN, event
from tests.penstock.command import run


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    """A store with one chain and an activation long before it, and no stack."""
    sink = SqliteSink(load_settings(data_dir=tmp_path).store_path)
    sink.setup()
    alarm = Signal(
        signal_id="s1", model="flights", kind="drift", message="it drifts", evidence='{"version":"1"}', raised_at=APRIL
    )
    events = [
        event("Activated", -1_000, caused_by="c0", version="1", who="ann"),
        event("RetrainRequested", 1, caused_by="s1", version="1"),
    ]
    assert sink.write([signal_document(alarm), *map(model_event_document, events)]) == []
    sink.close()
    return tmp_path


def test_a_chain_as_text() -> None:
    """What followed is indented under what led to it."""
    (chain,) = trees(linked(CHAIN, CAUSES))
    lines = drawn(chain, width=200).splitlines()

    assert lines[0] == "1970-01-01T00:00:00.000Z  drift 1:"
    assert [line.index("1970") for line in lines] == [0, 4, 8, 8, 12, 12, 12, 16, 20, 20, 24]


def test_what_a_person_sees(data_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One line for each moment, with who and why; without a stack."""
    ended = run(capsys, ["timeline", "flights", "--data-dir", data_dir])
    activated, alarm, request = ended.out.splitlines()

    assert ended.code == 0
    assert activated == "2013-03-31T07:20:00.000Z  Activated 1 by ann: Activated for a reason"
    assert alarm == "2013-04-01T00:00:00.000Z  drift 1: it drifts"
    assert request.endswith(
        "2013-04-01T00:01:00.000Z  RetrainRequested 1 by penstock:controller: RetrainRequested for a reason"
    )


def test_what_a_script_gets(data_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Moments in the order of time, each with the id of the one that led to it; `--since` leaves out what had ended."""
    ended = run(capsys, ["timeline", "flights", "--since", "2013-04-01", "--json", "--data-dir", data_dir])
    found = json.loads(ended.out)

    assert [(each["kind"], each["led_by"], each["versions"]) for each in found] == [
        ("drift", "", ["1"]),
        ("RetrainRequested", "s1", ["1"]),
    ]


def test_a_model_that_nobody_has_heard_of(data_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing is no failure, and it is said."""
    ended = run(capsys, ["timeline", "unknown", "--data-dir", data_dir])

    assert (ended.code, ended.out) == (0, "")
    assert "nothing is stored about unknown" in ended.err
