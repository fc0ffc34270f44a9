"""The fault of the demo: from a day on, an upstream team sends some features in other units.

Without a word these are `dep_delay` in hours and `distance` in kilometers; the environment may name
another day (`DEMO_FAULT_DAY`), other features (`DEMO_FAULT_FEATURE`, comma-separated) and another
factor (`DEMO_FAULT_FACTOR`; 1: no fault).
"""

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime

from penstock.errors import DemoFailedError
from producers.sources.flight_table import FEATURES
from producers.sources.flights import Arrival, Departure

DAY, FEATURE, FACTOR = "DEMO_FAULT_DAY", "DEMO_FAULT_FEATURE", "DEMO_FAULT_FACTOR"
USUAL_DAY, FIRST_DAY, LAST_DAY = date(2013, 4, 15), date(2013, 4, 4), date(2013, 11, 15)
"""Before the first there would be nothing to compare with, after the last too few flights to recover by."""
FACTOR_MAX = 1e6
_TEXTS = frozenset({"carrier", "origin", "dest"})
NUMBERS = tuple(name for name in FEATURES if name not in _TEXTS)
_USUAL = ("dep_delay", "distance")
_OTHER_UNIT = {
    "dep_delay": 1 / 60,
    "distance": 1.609344,
    "hour": 60.0,
    "humid": 0.01,
    "wind_speed": 1.609344,
    "wind_gust": 1.609344,
    "precip": 25.4,
    "pressure": 0.1,
    "visib": 1.609344,
}
"""Factors to a unit that people mix up: hours, kilometers, minutes, shares, km/h, mm, kPa."""
_ANY_UNIT = 1_000.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """Factors by feature, for flights that leave from `since` (ms) on, the beginning of `day` in UTC."""

    day: date
    factors: Mapping[str, float]

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> "Fault":
        """The fault that the environment asks for. Raises `DemoFailedError` with what is wrong with it."""
        names = _features(environment.get(FEATURE))
        asked = _factor(environment.get(FACTOR))
        factors = {name: _OTHER_UNIT.get(name, _ANY_UNIT) if asked is None else asked for name in names}
        return cls(day=_day(environment.get(DAY)), factors=factors)

    @property
    def since(self) -> int:
        return round(datetime(self.day.year, self.day.month, self.day.day, tzinfo=UTC).timestamp() * 1_000)

    @property
    def changes_something(self) -> bool:
        """Whether there is any fault at all."""
        return any(factor != 1 for factor in self.factors.values())

    @property
    def words(self) -> str:
        """What is sent otherwise.

        >>> Fault(day=USUAL_DAY, factors={"dep_delay": 1 / 60, "distance": 1.609344}).words
        'dep_delay x 0.01667, distance x 1.609'
        """
        return ", ".join(f"{name} x {factor:.4g}" for name, factor in self.factors.items())

    def applied(self, event: Departure | Arrival) -> Departure | Arrival:
        """The event as it is sent: labels, and what is missing or no number, are as they were."""
        if not self.concerns(event) or isinstance(event, Arrival):
            return event
        changed = {name: _scaled(value, self.factors.get(name, 1.0)) for name, value in event.features.items()}
        return replace(event, features=changed)

    def concerns(self, event: Departure | Arrival) -> bool:
        """Whether it is sent otherwise than it should be."""
        return self.changes_something and isinstance(event, Departure) and event.event_time >= self.since


class Upstream:
    """Who sends the flights; `broken_at` is when it first sent one with the fault (ms), None before."""

    def __init__(self, fault: Fault) -> None:
        self.fault = fault
        self.broken_at: int | None = None

    def sends(self, event: Departure | Arrival) -> Departure | Arrival:
        """The event as it goes out."""
        if self.broken_at is None and self.fault.concerns(event):
            self.broken_at = round(time.time() * 1_000)
        return self.fault.applied(event)


def _day(asked: str | None) -> date:
    if asked is None:
        return USUAL_DAY
    try:
        day = date.fromisoformat(asked)
    except ValueError:
        day = date.min
    if not FIRST_DAY <= day <= LAST_DAY:
        raise DemoFailedError(f"{DAY} is {asked!r}: name a day from {FIRST_DAY} to {LAST_DAY}, such as {USUAL_DAY}")
    return day


def _features(asked: str | None) -> tuple[str, ...]:
    if asked is None:
        return _USUAL
    names = tuple(dict.fromkeys(name.strip() for name in asked.split(",")))
    for name in names:
        if name in _TEXTS:
            raise DemoFailedError(f"{FEATURE} names {name!r}, which is text and has no unit: {', '.join(NUMBERS)} have")
        if name not in NUMBERS:
            raise DemoFailedError(f"{FEATURE} names {name!r}, which flights don't have: name {', '.join(NUMBERS)}")
    return names


def _factor(asked: str | None) -> float | None:
    if asked is None:
        return None
    try:
        factor = float(asked)
    except ValueError:
        factor = math.nan
    if not 1 / FACTOR_MAX <= abs(factor) <= FACTOR_MAX:
        raise DemoFailedError(
            f"{FACTOR} is {asked!r}: name a number such as 0.01667, from {1 / FACTOR_MAX:g} to {FACTOR_MAX:,.0f} "
            "or its negative; 1 is no fault"
        )
    return factor


def _scaled(value: str | float | None, factor: float) -> str | int | float | None:
    """The value in the other unit; whole numbers travel as such.

    >>> _scaled(90.0, 1 / 60), _scaled(1_000, 1.609344), _scaled("UA", 2.0), _scaled(None, 2.0)
    (1.5, 1609, 'UA', None)
    """
    if isinstance(value, int):
        return round(value * factor)
    return value * factor if isinstance(value, float) else value
