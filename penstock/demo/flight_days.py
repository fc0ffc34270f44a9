"""The days of the flights, and when each was first scored: where a moment of the clock stands among them."""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

from consumers.questions import Question, Store
from consumers.sinks.shape import ms_of
from consumers.stored_collections import PREDICTIONS
from penstock.demo.scene import MODEL

_FIRST_SCORED = Question(
    collection=PREDICTIONS,
    sql="""
SELECT date(event_time) AS day, min(scored_at) AS scored_at FROM predictions WHERE model = :model GROUP BY 1 ORDER BY 1
""",
    search=lambda _parameters: {},
)


@dataclass(frozen=True, slots=True, kw_only=True)
class FlightDays:
    """`days` in order, and the clock's time (ms) at which the first flight of each had been scored."""

    days: Sequence[str]
    begun_at: Sequence[int]

    @classmethod
    def of(cls, store: Store) -> "FlightDays":
        """The days in the embedded store."""
        rows = store.ask(_FIRST_SCORED, {"model": MODEL})
        return cls(
            days=tuple(str(row["day"]) for row in rows), begun_at=tuple(ms_of(str(row["scored_at"])) for row in rows)
        )

    def at(self, moment: int) -> str:
        """The day of the newest flight that had been scored by then (ms); of what was earlier the first.

        >>> FlightDays(days=("2013-04-01", "2013-04-02"), begun_at=(1_000, 4_000)).at(3_999)
        '2013-04-01'
        """
        return self.days[max(bisect_right(self.begun_at, moment) - 1, 0)] if self.days else ""
