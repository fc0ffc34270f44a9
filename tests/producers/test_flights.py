"""The flights as a stream: ordered, in UTC, labels when the plane has landed."""

from collections import Counter
from datetime import UTC, datetime
from itertools import islice

import pandas as pd
import pytest

from producers.sources.flight_table import FEATURES, load_flights
from producers.sources.flights import DEPARTED_AT, Arrival, Departure, departures, timeline, training_sample


@pytest.fixture(scope="module")
def flights() -> pd.DataFrame:
    """Every flight of the year that left."""
    return load_flights()


def test_every_flight_that_left_is_there_once(flights: pd.DataFrame) -> None:
    """8,255 of 336,776 were cancelled; ids are unique and order is by departure."""
    assert len(flights) == 336_776 - 8_255
    assert flights["request_id"].is_unique
    assert flights["departed_at"].is_monotonic_increasing


def test_local_times_become_utc(flights: pd.DataFrame) -> None:
    """UA 1545 left Newark at 05:17 and landed in Houston at 08:30, both local."""
    (flight,) = flights[flights["request_id"] == "2013-01-01-UA-1545-EWR"].to_dict("records")

    assert datetime.fromtimestamp(flight["departed_at"] / 1000, UTC).isoformat() == "2013-01-01T10:17:00+00:00"
    assert datetime.fromtimestamp(flight["arrived_at"] / 1000, UTC).isoformat() == "2013-01-01T14:30:00+00:00"


def test_every_flight_lands_after_it_was_in_the_air_as_long_as_the_data_say(flights: pd.DataFrame) -> None:
    """Gate to gate is a little longer than in the air, in every time zone and across midnight."""
    on_the_ground = (flights["arrived_at"] - flights["departed_at"]) / 60_000 - flights["air_time"]
    known = on_the_ground[flights["arr_delay"].notna()]

    assert (known.min(), known.max()) == (5.0, 235.0)


def test_diverted_flights_get_no_label(flights: pd.DataFrame) -> None:
    """1,175 left and never arrived where they should."""
    assert sum(arrival is None for _, arrival in departures(flights)) == 1_175


def test_the_timeline_is_in_order_and_labels_follow_their_requests(flights: pd.DataFrame) -> None:
    """Each label comes after its request; nothing goes back in time."""
    events = list(timeline(flights.iloc[:5_000]))
    times = [event.event_time for event in events]
    positions = {(type(event), event.request_id): place for place, event in enumerate(events)}

    assert times == sorted(times)
    assert Counter(type(event) for event in events)[Departure] == 5_000
    assert all(
        positions[Departure, request_id] < place for (kind, request_id), place in positions.items() if kind is Arrival
    )


def test_features_are_plain_values_with_none_where_missing(flights: pd.DataFrame) -> None:
    """What the request carries are Python's own types."""
    kinds = {
        type(value) for departure, _ in islice(departures(flights), 2_000) for value in departure.features.values()
    }

    assert kinds == {str, int, float, type(None)}


def test_the_training_sample_has_the_features_in_order_and_the_target(flights: pd.DataFrame) -> None:
    """Diverted flights are left out of it."""
    sample = training_sample(flights[flights["month"] == 1])

    assert list(sample.columns) == [*FEATURES, DEPARTED_AT, "late"]
    assert sample["late"].value_counts(normalize=True).round(2).to_dict() == {"in_time": 0.77, "late": 0.23}
