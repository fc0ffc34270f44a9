"""What probably happened to a column, guessed from its counts and quantiles."""

from collections.abc import Mapping, Sequence

import numpy as np
import pytest

from streams.drift.causes import Cause, Explanation, Picture, explain

DELAYS = np.random.default_rng(3).normal(12, 35, 20_000)
EDGES = tuple(np.quantile(DELAYS, np.linspace(0, 1, 21)[1:-1]).tolist())
PARTS = (0.05, 0.25, 0.5, 0.75, 0.95)
KINDS = ("bus", "car", "van")


def numbers(values: Sequence[float] | np.ndarray[tuple[int], np.dtype[np.float64]], *, missing: int = 0) -> Picture:
    present = np.asarray(values, dtype=np.float64)
    counts = np.bincount(np.searchsorted(EDGES, present), minlength=len(EDGES) + 2).astype(np.float64)
    counts[-1] = missing
    return Picture(counts=counts, quantiles=np.quantile(present, PARTS), strangers={})


def texts(*counts: int, strangers: Mapping[str, int] | None = None) -> Picture:
    return Picture(
        counts=np.array(counts, dtype=np.float64), quantiles=np.full(5, np.nan), strangers=dict(strangers or {})
    )


def of_numbers(after: Picture) -> Explanation:
    return explain(numbers(DELAYS), after, edges=EDGES)


@pytest.mark.parametrize(
    "factor,unit",
    [
        (1 / 60, "hours instead of minutes, or minutes instead of seconds"),
        (60.0, "minutes instead of hours, or seconds instead of minutes"),
        (1.609344, "kilometers instead of miles"),
        (1_000.0, "thousandths instead of whole units, such as ms instead of s"),
        (100.0, "hundredths instead of whole units, such as cents or percent"),
        (0.3048, "meters instead of feet"),
        (1 / 86_400, "days instead of seconds"),
    ],
)
def test_a_change_of_unit_is_named_with_its_factor(factor: float, unit: str) -> None:
    """Rows are not the same ones, so that the factor comes out only about right."""
    explanation = of_numbers(numbers(np.random.default_rng(4).normal(12, 35, 900) * factor))

    assert explanation.cause is Cause.SCALE
    assert explanation.factor == pytest.approx(factor, rel=0.08)
    assert explanation.words.endswith(f", as {unit}")


def test_a_factor_that_is_no_unit_s_is_told_as_it_is() -> None:
    """Nothing is made up."""
    explanation = of_numbers(numbers(DELAYS * 7.3))

    assert explanation.words == "scale: x 7.3"


def test_a_sign_that_was_turned_around() -> None:
    """The quantiles come in reverse."""
    explanation = of_numbers(numbers(-DELAYS))

    assert explanation.cause is Cause.SCALE
    assert "the sign turned around" in explanation.words


def test_degrees_of_another_scale_have_an_offset_too() -> None:
    """Celsius, Fahrenheit and Kelvin."""
    celsius = np.random.default_rng(5).normal(12, 8, 5_000)
    for after, words in (
        (celsius * 1.8 + 32, "scale: as Fahrenheit instead of Celsius"),
        (celsius + 273.15, "scale: as Kelvin instead of Celsius"),
    ):
        assert explain(numbers(celsius), numbers(after), edges=EDGES).words == words


@pytest.mark.parametrize("by,where", [(25.0, "up"), (-4.0, "down")])
def test_a_shift_says_where_to(by: float, where: str) -> None:
    """With the median before and now."""
    explanation = of_numbers(numbers(DELAYS + by))

    assert explanation.cause is Cause.SHIFT
    assert explanation.words.startswith(f"shift: {where}, median 12")


def test_values_further_apart_are_another_spread() -> None:
    """The middle stays where it was."""
    explanation = of_numbers(numbers((DELAYS - 12) * 1.3 + 12))

    assert explanation.cause is Cause.SPREAD


def test_one_value_alone_is_stuck() -> None:
    """A sensor that froze."""
    assert of_numbers(numbers(np.full(500, 3.5))).words == "stuck at one value: 3.5"


def test_missing_values_are_named_where_they_decide() -> None:
    """More of them, or fewer."""
    more = of_numbers(numbers(DELAYS[:9_000], missing=1_000))
    fewer = explain(numbers(DELAYS[:9_000], missing=1_000), numbers(DELAYS[:9_000], missing=10), edges=EDGES)

    assert (more.cause, more.words) == (Cause.MISSING, "missing values: 0.0% before, 10.0% now")
    assert (fewer.cause, fewer.words) == (Cause.PRESENT, "fewer missing values: 10.0% before, 0.1% now")


def test_too_small_a_move_for_quantiles_names_the_bin() -> None:
    """Such as the share of one value."""
    quantiles = np.array([0.0, 0.0, 0.0, 1.0, 1.0])
    before, now = (
        Picture(counts=np.array([no, yes, 0.0]), quantiles=quantiles, strangers={}) for no, yes in ((70, 30), (60, 40))
    )
    explanation = explain(before, now, edges=[0.0])

    assert explanation.words == "another shape: up to 0 70.0% before, 60.0% now"


def test_a_new_category_is_named_with_its_share() -> None:
    """And one that is gone at the same time, as when it was renamed."""
    new = explain(texts(50, 40, 10, 0, 0), texts(48, 38, 9, 5, 0, strangers={"tram": 5}), categories=KINDS)
    renamed = explain(texts(50, 40, 10, 0, 0), texts(0, 40, 10, 50, 0, strangers={"BUS": 50}), categories=KINDS)

    assert (new.cause, new.words) == (Cause.NEW_CATEGORY, "new category: 'tram' 5.0%")
    assert renamed.words == "new category: 'BUS' 50.0%; gone: 'bus'"


def test_known_categories_in_another_mix() -> None:
    """A stray new one is not what happened."""
    explanation = explain(texts(50, 40, 10, 0, 0), texts(20, 70, 9, 1, 0, strangers={"x": 1}), categories=KINDS)

    assert explanation.cause is Cause.MIX
    assert explanation.words == "another mix of categories: 'bus' 50.0% before, 20.0% now"


def test_of_personal_text_only_its_being_there_is_told() -> None:
    """Nothing is known of its values."""
    explanation = explain(texts(90, 10), texts(30, 70), categories=())

    assert explanation.cause is Cause.MISSING


def test_a_unit_is_found_on_a_day_that_is_unusual_besides() -> None:
    """Delays of a stormy day in hours: no one factor takes those of other days there, and yet it is no shift."""
    stormy = np.random.default_rng(6).gamma(2.0, 40.0, 900)

    explanation = of_numbers(numbers(stormy / 60))

    assert explanation.cause is Cause.SCALE
    assert explanation.words.endswith(" or so")


def test_a_day_of_steady_weather_is_no_change_of_scale() -> None:
    """It spreads far less than a winter does, and lies where that would not lead."""
    winter, edges = np.random.default_rng(7).normal(1_016, 9, 20_000), tuple(np.linspace(1_000, 1_032, 19).tolist())
    steady = np.random.default_rng(8).normal(1_025, 0.6, 900)

    assert explain(numbers(winter), numbers(steady), edges=edges).cause is Cause.SHIFT
    assert explain(numbers(winter), numbers(steady / 10), edges=edges).cause is Cause.SCALE
