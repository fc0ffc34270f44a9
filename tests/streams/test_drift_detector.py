"""Golden traces: on these rows the detector raises its alarm in this block and in no other."""

import numpy as np
import pytest
from scipy import stats

from registry.reference_profile import ReferenceProfile
from registry.stability import psi
from streams.drift.blocks import block_of
from streams.drift.calibration import BLOCKS_MIN, calibrate, sliding
from streams.drift.chi_square import chi_square
from tests.streams.drift_rows import BLOCK_ROWS, Fault, Rows, Trace, made_reference, profiles_of

FAULT_ROW = 20_400
"""In the middle of block 20."""


@pytest.fixture(scope="module")
def profile() -> ReferenceProfile:
    return made_reference()


def shifted(by: float) -> Fault:
    def fault(rows: Rows, of: slice) -> None:
        rows.level[of] += by

    return fault


def wider(rows: Rows, of: slice) -> None:
    rows.level[of] *= 1.5**0.5


def in_hours(rows: Rows, of: slice) -> None:
    rows.speed[of] /= 60


def more_missing(rows: Rows, of: slice) -> None:
    rows.rare[of][np.random.default_rng(9).random(len(rows.rare[of])) < 0.04] = np.nan


def new_kind(rows: Rows, of: slice) -> None:
    rows.kind[of][::20] = "tram"


def flagged(rows: Rows, of: slice) -> None:
    rows.flag[of] |= np.random.default_rng(8).random(len(rows.flag[of])) < 0.08


def stuck(rows: Rows, of: slice) -> None:
    rows.level[of] = 1.25


@pytest.mark.parametrize(
    "fault,raised,column",
    [
        (shifted(0.5), 20, "level"),
        (shifted(0.25), 21, "level"),
        (shifted(0.1), 34, "level"),
        (wider, 21, "level"),
        (in_hours, 20, "speed"),
        (more_missing, 21, "rare"),
        (new_kind, 20, "kind"),
        (flagged, 23, "flag"),
        (stuck, 20, "level"),
    ],
    ids=["shift .5 sd", "shift .25 sd", "shift .1 sd", "variance", "unit", "missing", "new category", "share", "stuck"],
)
def test_each_kind_of_change_is_one_alarm(profile: ReferenceProfile, fault: Fault, raised: int, column: str) -> None:
    """Raised in this very block, told again when complete two blocks later, and never more in the hundred after."""
    trace = Trace(profile).live(120, seed=7, fault=fault, fault_row=FAULT_ROW)

    assert (trace.raised, trace.completed) == ([raised], [raised + 2])
    assert trace.names(0) == [column]
    assert trace.names(1) == [column]
    assert trace.alarms[0][1].start == trace.alarms[1][1].start == f"c:0:{raised * BLOCK_ROWS}"


def test_rows_like_the_reference_raise_nothing(profile: ReferenceProfile) -> None:
    """A million and a half rows, where one false alarm a million is allowed."""
    assert Trace(profile).live(1_500, seed=3).raised == []


def test_the_budget_moves_the_line(profile: ReferenceProfile) -> None:
    """Who allows more false alarms hears of small changes sooner."""
    strict, loose = (
        Trace(profile, rows_per_false_alarm=rows).live(120, seed=7, fault=shifted(0.1), fault_row=FAULT_ROW).raised[0]
        for rows in (3_000_000, 50_000)
    )

    assert (strict, loose) == (34, 31)


def test_columns_that_move_together_are_one_alarm(profile: ReferenceProfile) -> None:
    """All of them are named, the furthest first."""

    def fault(rows: Rows, of: slice) -> None:
        in_hours(rows, of)
        rows.level[of] += 0.3
        rows.score[of] **= 0.8

    trace = Trace(profile).live(80, seed=7, fault=fault, fault_row=FAULT_ROW)

    assert (trace.raised, trace.completed) == ([20], [22])
    assert trace.names(1) == ["speed", "(score)", "level"]


def test_what_moves_along_a_little_later_belongs_to_the_same_alarm(profile: ReferenceProfile) -> None:
    """Within the refractory period nothing else is raised, and afterwards the column has its new baseline too."""

    def fault(rows: Rows, of: slice) -> None:
        in_hours(rows, of)
        rows.level[of.start + 3 * BLOCK_ROWS :] += 0.5

    trace = Trace(profile).live(120, seed=7, fault=fault, fault_row=FAULT_ROW)

    assert (trace.raised, trace.completed) == ([20], [22])


def test_going_back_is_a_change_of_its_own(profile: ReferenceProfile) -> None:
    """Long after the first one it is another alarm, which says that the reference holds again."""

    def fault(rows: Rows, of: slice) -> None:
        rows.level[of.start : of.start + 60 * BLOCK_ROWS] += 0.5

    trace = Trace(profile).live(150, seed=7, fault=fault, fault_row=FAULT_ROW)

    assert trace.raised == [20, 80]
    assert trace.alarms[0][1].start != trace.alarms[-1][1].start
    assert "back to the reference" in trace.signal(-1).message


def test_a_drift_that_goes_on_is_one_alarm_told_again(profile: ReferenceProfile) -> None:
    """A shift that grows over 50,000 rows leaves each new baseline, and keeps its identity."""

    def fault(rows: Rows, of: slice) -> None:
        rows.level[of] += np.minimum(np.arange(len(rows.level[of])) / 50_000, 1.0)

    trace = Trace(profile).live(150, seed=7, fault=fault, fault_row=FAULT_ROW)

    assert trace.raised == [28, 53, 78]
    assert {alarm.start for _, alarm in trace.alarms} == {"c:0:28000"}
    assert len({alarm.since for _, alarm in trace.alarms}) == 1


def test_since_when_is_told_though_it_was_seen_later(profile: ReferenceProfile) -> None:
    """A small shift is seen in a window of five blocks, and the stretch that is unlike the reference is named."""
    trace = Trace(profile).live(120, seed=7, fault=shifted(0.1), fault_row=FAULT_ROW)
    _, alarm = trace.alarms[0]

    assert alarm.crossings[0].window == 5
    assert alarm.since == 30_000 * 60_000


def test_without_a_reference_in_time_order_the_first_blocks_are_one() -> None:
    """A hundred blocks are learned from in silence; a change after them is seen."""
    profile = made_reference(blocks=40, in_time_order=False)
    trace = Trace(profile).live(BLOCKS_MIN, seed=5)
    learned = trace.raised
    trace.live(40, seed=7, fault=shifted(0.5), fault_row=5_000)

    assert (trace.reference.calibration, trace.reference.block_rows) == (None, 500)
    assert trace.state.calibration is not None
    assert learned == []
    assert trace.raised == [BLOCKS_MIN + 10]


def test_blocks_of_unequal_length_are_judged_alike(profile: ReferenceProfile) -> None:
    """Blocks up to a quarter too long raise nothing by that."""
    trace = Trace(profile)
    random = np.random.default_rng(11)
    for index in range(300):
        size = int(random.integers(BLOCK_ROWS, BLOCK_ROWS * 5 // 4))
        rows = Rows.drawn(size, random)
        (made,) = profiles_of(rows, profile.binning, rows_each=size, first=index * 2 * BLOCK_ROWS)
        block = block_of(made, trace.reference.layout)
        assert block is not None
        trace.feed([block])

    assert trace.raised == []


@pytest.mark.parametrize("bins", [2, 5, 20])
def test_the_statistic_is_pearson_s(bins: int) -> None:
    """Of the two samples as a table of two rows, as scipy computes it."""
    random = np.random.default_rng(bins)
    window, baseline = random.integers(20, 90, bins).astype(float), random.integers(900, 9_000, bins).astype(float)
    statistic, freedom = chi_square(window, baseline)
    expected = stats.chi2_contingency(np.stack([window, baseline]), correction=False)

    assert float(statistic) == pytest.approx(expected.statistic)
    assert float(freedom) == expected.dof


def test_thin_bins_say_nothing() -> None:
    """One stray value that was never seen before is no drift, five of them may be."""
    baseline = np.array([1_000.0, 1_000.0, 0.0])
    stray, _ = chi_square(np.array([50.0, 50.0, 1.0]), baseline)
    several, _ = chi_square(np.array([50.0, 50.0, 5.0]), baseline)

    assert float(stray) < 1
    assert float(several) > 50


def test_psi_is_symmetric_and_grows() -> None:
    """The effect size that people know: nothing for the same, more for more."""
    same, small, large = np.array([50.0, 50.0]), np.array([45.0, 55.0]), np.array([10.0, 90.0])

    assert float(psi(same, same)) == 0.0
    assert float(psi(small, same)) == pytest.approx(float(psi(same, small)))
    assert 0 < float(psi(small, same)) < 0.05 < float(psi(large, same))


def test_a_line_is_crossed_as_often_as_it_says() -> None:
    """The chance of the line's own height is the chance that it was drawn for."""
    blocks = np.random.default_rng(1).multinomial(1_000, [0.25] * 4, size=(120, 6)).astype(float)
    for window in calibrate(blocks).windows:
        for chance in (0.05, 0.0005):
            assert window.chance(window.line(chance)) == pytest.approx(chance)


def test_windows_slide_by_one_block() -> None:
    """Every run of consecutive blocks is a window."""
    blocks = np.arange(6, dtype=np.float64).reshape(6, 1, 1)

    assert sliding(blocks, 3).ravel().tolist() == [3.0, 6.0, 9.0, 12.0]


def test_a_column_that_never_changed_is_heard_when_it_does() -> None:
    """A constant of the reference has one bin; five rows of another value are enough."""
    blocks = np.zeros((120, 2, 3))
    blocks[:, 0, :2] = np.random.default_rng(1).multinomial(1_000, [0.5, 0.5], size=120)
    blocks[:, 1, 0] = 1_000
    calibration = calibrate(blocks)
    window = calibration.windows[0]
    as_ever, changed = blocks[0].copy(), blocks[0].copy()
    changed[1] = (900, 100, 0)

    assert window.heights(as_ever, calibration.baseline)[1] == pytest.approx(0)
    assert window.heights(changed, calibration.baseline)[1] > window.line(1e-6)
