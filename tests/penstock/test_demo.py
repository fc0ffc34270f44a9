"""The demo: its pure parts, and itself, small, from outside."""

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock import wiring
from penstock.demo.latency import Latencies, percentile
from penstock.demo.poison import GoodRequest, Poison, poisons
from penstock.demo.questions import ask_all
from penstock.demo.replay import interspersed
from penstock.demo.scene import fresh_directory
from penstock.errors import DemoFailedError
from producers.sources.flights import Arrival
from runtime.settings import load_settings
from schemas.decoders import build_decoder
from schemas.directory_registry import DirectoryRegistry
from schemas.reasons import Reason
from schemas.request_schema import request_schema
from schemas.request_writer import RequestWriter
from schemas.signature import Feature, FeatureKind
from tests.penstock.command import run
from tests.penstock.demo_truth import assert_answers_true, assert_scores_true, flown
from tests.stack import ROOT, command, command_line, descendants, penstock_json

FEATURES = (
    Feature(name="dep_delay", kind=FeatureKind.NUMBER, dtype="float64"),
    Feature(name="carrier", kind=FeatureKind.STRING, dtype="object"),
    Feature(name="origin", kind=FeatureKind.STRING, dtype="object"),
    Feature(name="plane_engines", kind=FeatureKind.NUMBER, dtype="float64", nullable=True),
)
GOOD = {"dep_delay": 1.0, "carrier": "UA", "origin": "EWR", "plane_engines": 2.0}
DECODED_REASONS = set(Reason) & {
    Reason.TOMBSTONE,
    Reason.EMPTY_VALUE,
    Reason.BAD_MAGIC_BYTE,
    Reason.UNKNOWN_SCHEMA_ID,
    Reason.TRUNCATED,
    Reason.TRAILING_BYTES,
    Reason.MALFORMED,
    Reason.OVERSIZE,
    Reason.MISSING_ID,
    Reason.MISSING_FEATURE,
    Reason.WRONG_TYPE,
}


@given(
    st.lists(st.floats(min_value=0, max_value=1e3), min_size=1, max_size=200), st.sampled_from([0.5, 0.9, 0.99, 1.0])
)
def test_a_percentile_is_a_value_that_so_many_do_not_exceed(values: list[float], share: float) -> None:
    """The nearest rank: enough values are at or below it, too few are below any smaller one."""
    found = percentile(values, share)

    assert found is not None
    assert sum(value <= found for value in values) >= share * len(values) - 1e-6
    assert sum(value < found for value in values) < share * len(values) + 1e-6


def test_latencies_count_each_request_once_and_repeats_apart() -> None:
    """What was never sent by us, or was read before, is a repeat."""
    latencies = Latencies()
    latencies.sent("a", 1.0)
    latencies.read("a", 1.25)
    latencies.read("a", 2.0)

    assert (latencies.answered, latencies.repeated, len(latencies.under_way)) == (1, 1, 0)
    assert latencies.percentiles_ms() == (250.0, 250.0)


def test_poison_comes_in_between_and_none_is_left_out() -> None:
    """One after each so many events, the rest at the end."""
    events = [Arrival(request_id=str(number), entity_id="e", event_time=number, label="late") for number in range(5)]
    bad = [Poison(reason=Reason.NO_KEY, key=None, value=None)] * 4
    mixed = ["." if isinstance(each, Arrival) else "x" for each in interspersed(events, bad, every=2)]

    assert "".join(mixed) == "..x..x.xx"


def test_each_poison_that_decoding_finds_has_the_reason_that_it_says(tmp_path: Path) -> None:
    """The decoder gives exactly the reasons that the demo expects."""
    registry = DirectoryRegistry(tmp_path / "schemas.sqlite")
    schema = request_schema("flights", FEATURES)
    made = list(_poisons(registry, schema))
    decodable = [poison for poison in made if poison.reason in DECODED_REASONS]
    decoder = build_decoder("arrow", registry=registry, request_schema_id=1, value_bytes_max=10_000)
    _, rejections = decoder.decode([poison.value for poison in decodable])

    assert [rejection.reason for rejection in rejections] == [poison.reason for poison in decodable]
    assert {poison.reason for poison in decodable} == DECODED_REASONS
    assert {poison.reason for poison in made} - DECODED_REASONS == {
        Reason.NO_KEY,
        Reason.KEY_MISMATCH,
        Reason.NOT_FINITE,
        Reason.UNKNOWN_CATEGORY,
    }


def test_a_directory_that_no_demo_made_is_never_emptied(tmp_path: Path) -> None:
    """Somebody's files are worth more than a demo."""
    settings = load_settings(data_dir=tmp_path)
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(DemoFailedError, match="give another --data-dir"):
        fresh_directory(tmp_path, settings)

    assert (tmp_path / "thesis.txt").exists()


def test_a_directory_of_an_earlier_demo_is_made_anew(tmp_path: Path) -> None:
    """It works again and again."""
    settings = load_settings(data_dir=tmp_path / "demo")
    fresh_directory(settings.data_dir, settings)
    (settings.data_dir / "store.sqlite").write_text("old")
    fresh_directory(settings.data_dir, settings)

    assert [path.name for path in settings.data_dir.iterdir()] == [".penstock-demo"]


@pytest.mark.wire
def test_the_demo_ends_well_and_leaves_its_data(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Small, in plain lines: both versions served, every poison has its reason, the store can be asked after it."""
    folder = tmp_path / "demo"
    ended = subprocess.run(
        command("demo", "--requests", "4000", "--rate", "800", data_dir=folder, config=None),
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    versions = penstock_json("query", "SELECT DISTINCT version FROM predictions ORDER BY 1", data_dir=folder)
    ledger = run(capsys, ["ledger", "--check", "--json", "--data-dir", folder])

    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "the ledger balances" in ended.stdout
    assert ended.stderr == ""
    assert versions == [{"version": "1"}, {"version": "2"}]
    assert (ledger.code, ledger.json["models"][0]["scored"]) == (0, 4000)
    settings, flights = load_settings(data_dir=folder), flown(4_000)
    assert_answers_true(ask_all(wiring.store(settings)), flights)
    assert_scores_true(wiring.store(settings), settings, flights)


@pytest.mark.wire
def test_an_interrupted_demo_leaves_nothing_running(tmp_path: Path) -> None:
    """Ctrl-C while everything is under way: exit code 130, no process, no words."""
    folder = tmp_path / "demo"
    with (tmp_path / "said").open("wb") as said:
        demo = subprocess.Popen(
            [sys.executable, "-m", "penstock", "demo", "--requests", "4000", "--data-dir", str(folder)],
            cwd=ROOT,
            stdout=said,
            stderr=said,
            start_new_session=True,
        )
        _await_word(tmp_path / "said", "is active")
        children = descendants(demo.pid)
        demo.send_signal(signal.SIGINT)
        code = demo.wait(60)

    assert children
    assert code == 130
    assert [pid for pid in children if "penstock" in command_line(pid)] == []
    assert "Traceback" not in (tmp_path / "said").read_text()


def _await_word(path: Path, word: str) -> None:
    deadline = time.monotonic() + 120
    while word not in path.read_text():
        assert time.monotonic() < deadline, path.read_text()
        time.sleep(0.2)


def _poisons(registry: DirectoryRegistry, schema: str) -> Iterator[Poison]:
    schema_id = registry.register("flights.requests-value", schema)

    def encode(request_id: str, entity_id: str, features: dict[str, object]) -> bytes:
        return RequestWriter(schema_id, schema).encode(request_id, entity_id, event_time=0, features=features)

    def encode_as(schema: str, request_id: str, entity_id: str, features: dict[str, object]) -> bytes:
        writer = RequestWriter(registry.register(f"other-{len(features)}", schema), schema)
        return writer.encode(request_id, entity_id, event_time=0, features=features)

    good = GoodRequest(entity_id="N1", features=dict(GOOD), schema=schema, encode=encode, encode_as=encode_as)
    return poisons(good, value_bytes_max=10_000, label="poison-0")
