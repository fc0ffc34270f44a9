"""The demo's story: a fault in the data, what the stack makes of it, and how it is told."""

import os
import subprocess
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from consumers.timeline import Moment
from penstock import wiring
from penstock.demo.epilogue import PICTURE, check_story
from penstock.demo.error_chart import Chart, as_text, draw
from penstock.demo.error_rates import ErrorRates, Rate
from penstock.demo.fault import Fault, Upstream
from penstock.demo.story import DAY_MS, Story
from penstock.errors import DemoFailedError
from producers.sources.flights import Arrival, Departure
from runtime.settings import load_settings
from tests.penstock.command import run
from tests.stack import ROOT, command, penstock_json

APRIL_15 = 1_365_984_000_000
FLIGHT = Departure(
    request_id="r1",
    entity_id="N1",
    event_time=APRIL_15,
    features={"dep_delay": 90.0, "distance": 1_000, "carrier": "UA", "temp": None},
)


def test_without_a_word_hours_and_kilometers_are_sent() -> None:
    """From the day on, and not a millisecond before; whole numbers stay whole, texts and gaps as they are."""
    upstream = Upstream(Fault.of({}))
    before = Departure(request_id="r0", entity_id="N1", event_time=APRIL_15 - 1, features=dict(FLIGHT.features))

    assert upstream.sends(before) == before
    assert upstream.broken_at is None
    sent = upstream.sends(FLIGHT)
    assert isinstance(sent, Departure)
    assert sent.features == {"dep_delay": 1.5, "distance": 1_609, "carrier": "UA", "temp": None}
    assert upstream.broken_at is not None


def test_labels_are_as_they_were() -> None:
    """It is the requests that are in other units."""
    arrival = Arrival(request_id="r1", entity_id="N1", event_time=APRIL_15 + 1, label="late")

    assert Upstream(Fault.of({})).sends(arrival) == arrival


@pytest.mark.parametrize(
    "environment,factors",
    [
        ({"DEMO_FAULT_FEATURE": "distance"}, {"distance": 1.609344}),
        ({"DEMO_FAULT_FEATURE": "plane_seats"}, {"plane_seats": 1_000.0}),
        ({"DEMO_FAULT_FEATURE": "temp, hour", "DEMO_FAULT_FACTOR": "-2.5"}, {"temp": -2.5, "hour": -2.5}),
        ({"DEMO_FAULT_FACTOR": "60"}, {"dep_delay": 60.0, "distance": 60.0}),
    ],
)
def test_the_environment_names_another_fault(environment: dict[str, str], factors: dict[str, float]) -> None:
    """Features, a factor, or both."""
    fault = Fault.of({**environment, "DEMO_FAULT_DAY": "2013-06-01"})

    assert (fault.day, fault.factors) == (date(2013, 6, 1), factors)
    assert fault.changes_something


def test_a_factor_of_one_is_no_fault() -> None:
    """Then flights are sent as they are, for the whole month."""
    upstream = Upstream(Fault.of({"DEMO_FAULT_FACTOR": "1"}))
    story = Story(load_settings(), upstream, bad_version="", tell=print)

    assert not upstream.fault.changes_something
    assert upstream.sends(FLIGHT) is FLIGHT
    assert upstream.broken_at is None
    assert story.until == APRIL_15 + 16 * DAY_MS


@pytest.mark.parametrize(
    "environment,words",
    [
        ({"DEMO_FAULT_DAY": "soon"}, "DEMO_FAULT_DAY is 'soon': name a day from 2013-04-04 to 2013-11-15"),
        ({"DEMO_FAULT_DAY": "2014-04-08"}, "name a day from"),
        ({"DEMO_FAULT_DAY": ""}, "name a day from"),
        ({"DEMO_FAULT_FEATURE": "delay"}, "names 'delay', which flights don't have: name dep_delay, distance"),
        ({"DEMO_FAULT_FEATURE": "distance,"}, "names '', which flights don't have"),
        ({"DEMO_FAULT_FEATURE": "carrier"}, "names 'carrier', which is text and has no unit"),
        ({"DEMO_FAULT_FACTOR": "much"}, "DEMO_FAULT_FACTOR is 'much': name a number such as 0.01667"),
        ({"DEMO_FAULT_FACTOR": "0"}, "from 1e-06 to 1,000,000"),
        ({"DEMO_FAULT_FACTOR": "nan"}, "name a number"),
        ({"DEMO_FAULT_FACTOR": "inf"}, "name a number"),
    ],
)
def test_what_is_no_fault_is_said(environment: dict[str, str], words: str) -> None:
    """With the variable, its value and what it may be."""
    with pytest.raises(DemoFailedError) as caught:
        Fault.of(environment)

    assert words in str(caught.value)


def test_a_wrong_variable_is_said_before_anything_is_done(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """No directory is made, nothing is trained."""
    monkeypatch.setenv("DEMO_FAULT_DAY", "yesterday")
    said = run(capsys, ["demo", "--fault", "--data-dir", tmp_path / "demo"])

    assert said.code != 0
    assert "DEMO_FAULT_DAY is 'yesterday'" in said.err
    assert not (tmp_path / "demo").exists()


def test_a_story_has_its_own_length(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A number of flights beside it is bad usage."""
    said = run(capsys, ["demo", "--fault", "--requests", "4000", "--data-dir", tmp_path / "demo"])

    assert (said.code, "leave --requests out" in said.err) == (2, True)


def test_without_a_fault_no_scale_may_be_signaled_and_nothing_rolled_back() -> None:
    """Other signals are none of its business."""
    story = Story(load_settings(), Upstream(Fault.of({"DEMO_FAULT_FACTOR": "1"})), bad_version="", tell=print)
    story.moments = [moment("performance", "losses have risen"), moment("drift", "temp (shift: up)")]

    assert "no change of scale was signaled" in check_story(story)
    for kind, words in (("drift", "distance (scale: x 1.6)"), ("RolledBack", "version 2 is worse")):
        story.moments = [moment(kind, words)]
        with pytest.raises(DemoFailedError) as caught:
            check_story(story)
        assert words in str(caught.value)


def test_a_retrain_that_is_open_when_the_fault_begins_is_an_answer_to_it() -> None:
    """What it learns from is of after the fault; one that was answered before knows nothing of it."""
    upstream = Upstream(Fault.of({}))
    story = Story(load_settings(), upstream, bad_version="3", tell=print)
    story.moments = [
        replace(moment("RetrainRequested", "early"), id="r1", at=1),
        replace(moment("Trained", "early"), id="t1", at=2, led_by="r1", versions=("4",)),
        replace(moment("RetrainRequested", "open"), id="r2", at=3),
        replace(moment("Promoted", "early"), id="p1", at=4, versions=("4",)),
    ]
    upstream.broken_at = 5

    assert [each.id for each in story.requested] == ["r2"]
    assert story.promoted == set()
    story.moments.append(replace(moment("Trained", "late"), id="t2", at=6, led_by="r2", versions=("5",)))
    story.moments.append(replace(moment("Promoted", "late"), id="p2", at=7, versions=("5",)))
    assert story.promoted == {"5"}


def test_the_chart_shows_each_day_with_what_happened(tmp_path: Path) -> None:
    """As text and as a picture."""
    days = [Rate(name=f"2013-04-0{day}", flights=900, error_rate=day / 10) for day in range(1, 6)]
    chart = Chart(
        days=days, served={each.name: "1" for each in days}, marks=[("2013-04-02", "drift 1"), ("2013-04-02", "more")]
    )
    draw(tmp_path / "chart.png", chart)
    lines = as_text(chart).splitlines()

    assert lines[1] == f"2013-04-02  version 1  0.200 {'#' * 16:<40}  drift 1; more"
    assert lines[4].endswith("#" * 40)
    assert (tmp_path / "chart.png").read_bytes().startswith(b"\x89PNG")


def test_an_empty_chart_is_drawn_too(tmp_path: Path) -> None:
    """There may be no outcome yet."""
    draw(tmp_path / "chart.png", Chart(days=[], served={}, marks=[]))

    assert as_text(Chart(days=[], served={}, marks=[])) == ""
    assert (tmp_path / "chart.png").exists()


@pytest.mark.wire
@pytest.mark.timeout(600)
def test_a_fault_is_noticed_answered_and_a_bad_version_taken_back(tmp_path: Path) -> None:
    """On another day than usual: every link of the chain is in the store, the errors fall, and the ledger balances."""
    folder = tmp_path / "demo"
    ended = subprocess.run(
        command("demo", "--fault", "--rate", "600", data_dir=folder, config=None),
        cwd=ROOT,
        env={**environment(), "DEMO_FAULT_DAY": "2013-04-08"},
        capture_output=True,
        text=True,
        timeout=540,
        check=False,
    )

    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert ended.stderr == ""
    assert "the ledger balances" in ended.stdout
    assert (folder / PICTURE).read_bytes().startswith(b"\x89PNG")
    moments = penstock_json("timeline", "flights", data_dir=folder)
    noticed = first(moments, "drift")
    assert "distance (scale: x 1.6" in noticed["words"]
    assert "dep_delay (scale: x 0.0" in noticed["words"]
    requested = first(moments, "RetrainRequested", led_by=noticed["id"])
    trained = first(moments, "Trained", led_by=requested["id"])
    (candidate,) = trained["versions"]
    assert [first(moments, kind, about=candidate)["at"] for kind in ("RolloutStarted", "Widened", "Promoted")]
    assert "taken back" in ended.stdout
    assert first(moments, "Barred", about="3")["at"] > first(moments, "Promoted", about=candidate)["at"]
    since = {each.name: each for each in rates(folder).by_version(since=APRIL_15 - 7 * DAY_MS)}
    assert since[candidate].error_rate < since["2"].error_rate < since["3"].error_rate


def moment(kind: str, words: str) -> Moment:
    return Moment(id=f"{kind}-1", at=0, kind=kind, versions=("2",), who="", words=words, caused_by="")


def first(
    moments: list[dict[str, Any]], kind: str, *, led_by: str | None = None, about: str | None = None
) -> dict[str, Any]:
    """The first moment of a kind, that led by another or about a version where that is asked for."""
    return next(
        each
        for each in moments
        if each["kind"] == kind and led_by in (None, each["led_by"]) and (about is None or about in each["versions"])
    )


def rates(folder: Path) -> ErrorRates:
    return ErrorRates(wiring.store(load_settings(data_dir=folder)))


def environment() -> dict[str, str]:
    """That of the tests, without a fault of somebody's own."""
    return {name: value for name, value in os.environ.items() if not name.startswith("DEMO_")}
