"""A signal says what moved, from what to what, since when, how sure and what it may mean."""

import orjson
import pytest

from registry.reference_profile import ReferenceProfile
from tests.streams.drift_rows import Rows, Trace, made_reference

FAULT_ROW = 20_400


@pytest.fixture(scope="module")
def profile() -> ReferenceProfile:
    return made_reference()


def broken_upstream(rows: Rows, of: slice) -> None:
    """Another unit, a new category, values that are missing."""
    rows.speed[of] /= 60
    rows.kind[of][::10] = "tram"
    rows.rare[of][::5] = float("nan")


@pytest.fixture(scope="module")
def trace(profile: ReferenceProfile) -> Trace:
    return Trace(profile).live(60, seed=7, fault=broken_upstream, fault_row=FAULT_ROW)


def test_the_message_names_columns_causes_time_chance_and_what_rests_on_them(trace: Trace) -> None:
    """One sentence that a person can act on."""
    assert trace.signal(1).message == (
        "drift of m, judged by version 1: "
        "speed (scale: x 0.01687, as hours instead of minutes, or minutes instead of seconds), "
        "rare (missing values: 1.0% before, 21.1% now), kind (new category: 'tram' 10.0%), "
        "since 1970-01-14T21:20:00Z; by chance once in more than a billion rows; "
        "20% of its performance rests on them"
    )


def test_the_evidence_has_before_and_now(trace: Trace) -> None:
    """Quantiles of numbers, the most frequent categories of text, missing shares, effect sizes."""
    signal = trace.signal(1)
    evidence = orjson.loads(signal.evidence)
    speed, rare, kind = evidence["columns"]

    assert (signal.kind, signal.model, signal.raised_at) == ("drift", "m", 7)
    assert (evidence["version"], evidence["complete"], evidence["likely_cause"]) == ("1", True, "scale")
    assert evidence["since"] == "1970-01-14T21:20:00Z"
    assert evidence["performance_share"] == 0.2
    assert (speed["name"], speed["cause"]) == ("speed", "scale")
    assert speed["factor"] == pytest.approx(1 / 60, rel=0.05)
    assert speed["before"]["p50"] / speed["now"]["p50"] == pytest.approx(60, rel=0.05)
    assert list(kind["before"]["top"]) == ["bus", "car", "ship", "train", "van"]
    assert kind["now"]["top"]["tram"] == pytest.approx(0.1, abs=0.01)
    assert (rare["before"]["missing"], rare["now"]["missing"]) == (
        pytest.approx(0.01, abs=0.002),
        pytest.approx(0.211, abs=0.001),
    )
    assert all(column["psi"] > 0.1 for column in evidence["columns"])


def test_what_is_told_again_is_the_same_signal(trace: Trace) -> None:
    """One drift is one document: the complete picture replaces the first."""
    first, complete = trace.signal(0), trace.signal(1)

    assert first.signal_id == complete.signal_id == "drift:m:1:c:0:20000"
    assert [orjson.loads(each.evidence)["complete"] for each in (first, complete)] == [False, True]


def test_where_importance_is_not_known_nothing_is_claimed(profile: ReferenceProfile) -> None:
    """A reference without a target has none."""

    def fault(rows: Rows, of: slice) -> None:
        rows.rare[of][::5] = float("nan")

    signal = Trace(profile).live(40, seed=7, fault=fault, fault_row=FAULT_ROW).signal(0)

    assert "rests on" not in signal.message
    assert orjson.loads(signal.evidence)["performance_share"] is None
