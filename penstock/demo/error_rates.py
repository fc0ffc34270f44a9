"""Error rates of the demo's flights, from the outcomes in its store."""

from dataclasses import dataclass

from consumers.errors import StoreNotFoundError, StoreUnavailableError
from consumers.questions import Question, Row, Store
from consumers.sinks.shape import time_text
from consumers.stored_collections import OUTCOMES
from penstock.demo.scene import MODEL

NEWEST_FLIGHTS = 1_000
_LIVE = f"model = '{MODEL}' AND role = 'live' AND loss IS NOT NULL"
_FIGURES = "count(*) AS flights, avg(loss) AS error_rate"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """Flights whose outcome is known, of one day, month or version, and the share of wrong answers."""

    name: str
    flights: int
    error_rate: float


class ErrorRates:
    """Reads the embedded store, which the whole story needs."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def newest(self, *, since: int = 0) -> Rate | None:
        """Of the newest flights that left at `since` (ms) or later; None before there are so many."""
        newest = (
            f"SELECT loss FROM outcomes WHERE {_LIVE} AND event_time >= '{time_text(since)}' "  # noqa: S608  constants
            f"ORDER BY event_time DESC LIMIT {NEWEST_FLIGHTS}"
        )
        rates = self._rates(f"SELECT 'newest' AS name, {_FIGURES} FROM ({newest})")  # noqa: S608
        return rates[0] if rates and rates[0].flights == NEWEST_FLIGHTS else None

    def before(self, moment: int) -> Rate | None:
        """Of all flights that left before (ms)."""
        rates = self._rates(
            f"SELECT 'before' AS name, {_FIGURES} FROM outcomes WHERE {_LIVE} AND event_time < '{time_text(moment)}'"  # noqa: S608
        )
        return rates[0] if rates and rates[0].flights else None

    def after(self, moment: int) -> Rate | None:
        """Of all flights that left then or later (ms)."""
        rates = self._rates(
            f"SELECT 'after' AS name, {_FIGURES} FROM outcomes WHERE {_LIVE} AND event_time >= '{time_text(moment)}'"  # noqa: S608
        )
        return rates[0] if rates and rates[0].flights else None

    def by_day(self) -> list[Rate]:
        return self._grouped("date(event_time)")

    def served(self) -> dict[str, str]:
        """By day the version that answered most of its flights."""
        rates = self._grouped("date(event_time) || ' ' || version")
        rates.sort(key=lambda each: each.flights)
        return {day: version for day, _, version in (each.name.partition(" ") for each in rates)}

    def by_month(self) -> list[Rate]:
        return self._grouped("substr(event_time, 1, 7)")

    def by_version(self, *, since: int) -> list[Rate]:
        """Of flights that left at that moment (ms) or later."""
        return self._grouped("version", also=f" AND event_time >= '{time_text(since)}'")

    def _grouped(self, name: str, *, also: str = "") -> list[Rate]:
        return self._rates(
            f"SELECT {name} AS name, {_FIGURES} FROM outcomes WHERE {_LIVE}{also} GROUP BY 1 ORDER BY 1"  # noqa: S608
        )

    def _rates(self, sql: str) -> list[Rate]:
        """The answer; none while there is no store yet, or a part of it is being made."""
        question = Question(collection=OUTCOMES, sql=sql, search=lambda _parameters: {})
        try:
            return [_rate(row) for row in self._store.ask(question) if row["error_rate"] is not None]
        except (StoreNotFoundError, StoreUnavailableError):
            return []


def _rate(row: Row) -> Rate:
    return Rate(name=str(row["name"]), flights=int(str(row["flights"])), error_rate=float(str(row["error_rate"])))
