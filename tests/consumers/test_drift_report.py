"""Profiles of both stores, added up by windows, tell the same of each column, beside its reference and its signals."""

from pathlib import Path

import numpy as np
import pytest

from consumers.documents import profile_document, signal_document
from consumers.drift_report import DriftReport, report_drift
from consumers.errors import QueryError
from consumers.questions import Store
from penstock.cli.drift_drawing import draw_drift
from registry.reference_profile import ReferenceProfile
from schemas.events import Profile
from tests.consumers.stored import BOTH, both_stores
from tests.streams.drift_rows import Rows, Trace, made_reference, profiles_of

BLOCKS, FAULT_BLOCK = 40, 20


@pytest.fixture(scope="module")
def profile() -> ReferenceProfile:
    return made_reference(blocks=100)


@pytest.fixture(scope="module")
def trace(profile: ReferenceProfile) -> Trace:
    """A detector that has seen `speed` in hours instead of minutes from the 20th block on."""
    return Trace(profile).live(FAULT_BLOCK, seed=2).live(BLOCKS - FAULT_BLOCK, seed=3, fault=in_hours)


def in_hours(rows: Rows, of: slice) -> None:
    rows.speed[of] /= 60


def live_profiles(profile: ReferenceProfile) -> list[Profile]:
    """The same rows as profiles."""
    usual = Rows.drawn(FAULT_BLOCK * 1_000, np.random.default_rng(2))
    faulty = Rows.drawn((BLOCKS - FAULT_BLOCK) * 1_000, np.random.default_rng(3))
    in_hours(faulty, slice(None))
    binning = profile.binning
    return profiles_of(usual, binning) + profiles_of(faulty, binning, first=FAULT_BLOCK * 1_000)


@pytest.fixture(params=BOTH)
def store(request: pytest.FixtureRequest, tmp_path: Path, profile: ReferenceProfile, trace: Trace) -> Store:
    """Profiles of forty blocks, a minute a row, and the signals about them, in each kind of store."""
    sink, store, let_be_found = both_stores(request.param, request, tmp_path)
    sink.setup()
    signals = [trace.signal(index) for index in range(len(trace.alarms))]
    documents = [profile_document(each) for each in live_profiles(profile)] + [
        signal_document(each) for each in signals
    ]
    assert sink.write(documents) == []
    sink.close()
    let_be_found()
    return store


def test_windows_of_each_column_are_told_beside_the_reference(store: Store, profile: ReferenceProfile) -> None:
    """Of forty blocks come windows of a day; what was signaled comes first, with its cause, once."""
    report = found(store, profile)
    speed, level = report.columns[0], next(each for each in report.columns if each.name == "level")
    changed_in = FAULT_BLOCK * 1_000 // 1_440

    assert (report.version, report.judged) == ("1", True)
    assert [window.end - window.start for window in report.windows] == [86_400_000] * 28
    assert sum(window.rows for window in report.windows) == BLOCKS * 1_000
    assert speed.name == "speed"
    assert [told.words.split(":")[0] for told in speed.told] == ["scale"]
    assert all(look.psi is not None and look.psi < 0.1 for look in speed.looks[:changed_in])
    assert all(look.psi is not None and look.psi > 1 for look in speed.looks[changed_in + 1 :])
    assert speed.looks[-1].quantiles[2] == pytest.approx(speed.reference.quantiles[2] / 60, rel=0.05)
    assert max(look.psi for look in level.looks if look.psi is not None) < 0.1
    assert level.importance == pytest.approx(0.7)


def test_texts_have_their_most_frequent_categories(store: Store, profile: ReferenceProfile) -> None:
    """Shares of now and of the reference."""
    kind = next(each for each in found(store, profile).columns if each.name == "kind")

    assert list(kind.reference.top) == ["bus", "car", "ship"]
    assert kind.looks[0].top["bus"] == pytest.approx(0.4, abs=0.05)
    assert kind.looks[0].quantiles == ()


def test_a_version_is_chosen_and_must_have_served(store: Store, profile: ReferenceProfile) -> None:
    """What nobody asked of a version can't be told; a model without rows is none."""
    assert report_drift(store, "m", lambda _: profile, version="1") == found(store, profile)
    assert report_drift(store, "other", lambda _: profile) is None
    with pytest.raises(QueryError, match="no rows of m were profiled for a version '7'"):
        report_drift(store, "m", lambda _: profile, version="7")


def test_it_is_drawn(store: Store, profile: ReferenceProfile, tmp_path: Path) -> None:
    """A picture, and a page with the words of the signals that loads nothing."""
    picture, page = draw_drift(tmp_path / "charts" / "drift.png", "m", found(store, profile))
    text = page.read_text(encoding="utf-8")

    assert picture.read_bytes().startswith(b"\x89PNG")
    assert "scale: x 0.016" in text
    assert "<svg" in text
    assert "<script" not in text


def found(store: Store, profile: ReferenceProfile) -> DriftReport:
    report = report_drift(store, "m", lambda _: profile)
    assert report is not None
    return report
