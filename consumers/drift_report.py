"""Features and scores of one version against their reference over time, and what was signaled about them.

Profiles are read from the store and added up by windows of event time, as long as it takes to make
them few enough to be read. How far a window is from the reference is an effect size; whether it
drifted is what the monitor's signals say.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import orjson

from consumers.errors import QueryError
from consumers.questions import Question, Row, Store, only
from consumers.sinks.shape import ms_of, time_text
from consumers.stored_collections import PROFILES, SIGNALS
from registry.binning import QUANTILES
from registry.reference_profile import ColumnProfile, ReferenceProfile
from registry.stability import psi
from schemas.alarms import DRIFT

WINDOWS_MAX = 40
ROWS_LEAST = 250
"""Rows without which a distance says nothing: by itself it is about bins / rows."""
TOP = 3
_IN_CHARGE = ("live", "control")
_STEPS_MS = tuple(hours * 3_600_000 for hours in (1, 3, 6, 12, 24, 2 * 24, 7 * 24, 28 * 24, 364 * 24))
_DAY_MS = 86_400_000
_FIELDS = ("event_time_first", "event_time_last", "rows", "profiled", "columns")
Floats = npt.NDArray[np.float64]

_NEWEST = Question(
    collection=PROFILES,
    sql="""
SELECT version, bundle, event_time_first FROM profiles
WHERE model = :model AND role = 'live' AND arm IN ('live', 'control') AND bundle <> ''
ORDER BY event_time_first DESC, id DESC LIMIT 1
""",
    search=lambda parameters: {
        "size": 1,
        "query": {
            "bool": {
                "filter": [*only({**parameters, "role": "live"}), {"terms": {"arm": list(_IN_CHARGE)}}],
                "must_not": only({"bundle": ""}),
            }
        },
        "_source": ["version", "bundle", "event_time_first"],
        "sort": [{"event_time_first": "desc"}],
    },
)
_NEWEST_OF_VERSION = Question(
    collection=PROFILES,
    sql="""
SELECT version, bundle, event_time_first FROM profiles
WHERE model = :model AND version = :version AND role = 'live' AND bundle <> ''
ORDER BY event_time_first DESC, id DESC LIMIT 1
""",
    search=lambda parameters: {
        "size": 1,
        "query": {"bool": {"filter": only({**parameters, "role": "live"}), "must_not": only({"bundle": ""})}},
        "_source": ["version", "bundle", "event_time_first"],
        "sort": [{"event_time_first": "desc"}],
    },
)
_PROFILES = Question(
    collection=PROFILES,
    sql="""
SELECT event_time_first, event_time_last, rows, profiled, columns FROM profiles
WHERE model = :model AND version = :version AND bundle = :bundle AND role = 'live' ORDER BY event_time_first
""",
    search=lambda parameters: {
        "query": {"bool": {"filter": only({**parameters, "role": "live"})}},
        "_source": list(_FIELDS),
        "sort": [{"event_time_first": "asc"}],
    },
)
_SIGNALS = Question(
    collection=SIGNALS,
    sql="SELECT id, evidence, raised_at FROM signals WHERE model = :model AND kind = :kind ORDER BY raised_at",
    search=lambda parameters: {
        "query": {"bool": {"filter": only(parameters)}},
        "_source": ["evidence", "raised_at"],
        "sort": [{"raised_at": "asc"}],
    },
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """One column in some rows. `quantiles`: .05 to .95 of numbers; `top`: shares of texts; `psi`: from the reference.

    Empty or None where there is nothing to tell, or too little.
    """

    missing: float
    quantiles: tuple[float, ...]
    top: Mapping[str, float]
    psi: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """A signal about a column: since when (ISO 8601), and its likely cause in words."""

    since: str
    words: str
    signal_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnStory:
    """A feature or the score: what the reference has, what each window has, what was signaled, in order."""

    name: str
    importance: float | None
    reference: Look
    looks: tuple[Look, ...]
    told: tuple[Told, ...]

    @property
    def highest(self) -> int | None:
        """The index of the window that is furthest from the reference."""
        known = [(look.psi, -index) for index, look in enumerate(self.looks) if look.psi is not None]
        return -max(known)[1] if known else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """A stretch of event time, in ms, and its rows; `profiled`: how many of them were looked at."""

    start: int
    end: int
    rows: int
    profiled: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DriftReport:
    """All columns of a version, those that were signaled first, then those that are furthest from the reference."""

    version: str
    reference: str
    judged: bool
    windows: tuple[Window, ...]
    columns: tuple[ColumnStory, ...]


FindReference = Callable[[str], ReferenceProfile]
"""The reference in a bundle, by the bundle's hash."""


def report_drift(
    store: Store, model: str, find_reference: FindReference, *, version: str | None = None
) -> DriftReport | None:
    """The version that was last in charge, or another; None where nothing was profiled yet.

    Raises `QueryError` for a version without profiles.
    """
    newest = (
        store.ask(_NEWEST, {"model": model})
        if version is None
        else store.ask(_NEWEST_OF_VERSION, {"model": model, "version": version})
    )
    if not newest:
        if version is None:
            return None
        raise QueryError(f"no rows of {model} were profiled for a version {version!r} that served")
    version, bundle = str(newest[0]["version"]), str(newest[0]["bundle"])
    reference = find_reference(bundle)
    sums = _added_up(store.rows(_PROFILES, {"model": model, "version": version, "bundle": bundle}), reference)
    told = _told(store.ask(_SIGNALS, {"model": model, "kind": DRIFT}), version)
    return DriftReport(
        version=version,
        reference=reference.summary,
        judged=reference.in_time_order,
        windows=tuple(
            Window(start=start, end=start + sums.step_ms, rows=each.rows, profiled=each.profiled)
            for start, each in sums.in_order
        ),
        columns=_ordered(reference, sums, told),
    )


@dataclass(slots=True)
class _Sum:
    """Profiles of a window, added up; quantiles as their mean, by how many values they are of."""

    counts: Floats
    quantiles: Floats
    present: Floats
    strangers: tuple[Counter[str], ...]
    rows: int = 0
    profiled: int = 0

    @classmethod
    def empty(cls, reference: ReferenceProfile) -> "_Sum":
        columns = len(reference.columns)
        return cls(
            counts=np.zeros((columns, max(column.bins.width for column in reference.columns))),
            quantiles=np.zeros((columns, len(QUANTILES))),
            present=np.zeros(columns),
            strangers=tuple(Counter() for _ in range(columns)),
        )

    def add(self, other: "_Sum") -> None:
        self.counts += other.counts
        self.quantiles += other.quantiles
        self.present += other.present
        for mine, its in zip(self.strangers, other.strangers, strict=True):
            mine.update(its)
        self.rows += other.rows
        self.profiled += other.profiled


@dataclass(slots=True)
class _Sums:
    """Windows by their start; where there are too many, they become longer."""

    windows: dict[int, _Sum] = field(default_factory=dict)
    step_ms: int = _STEPS_MS[0]

    @property
    def in_order(self) -> list[tuple[int, _Sum]]:
        return sorted(self.windows.items())

    def add(self, at: int, part: _Sum) -> None:
        place = at // self.step_ms * self.step_ms
        if place in self.windows:
            self.windows[place].add(part)
        else:
            self.windows[place] = part
        while self._too_many and self.step_ms < _STEPS_MS[-1]:
            self._lengthen()

    @property
    def _too_many(self) -> bool:
        """Whether the whole stretch, with what is empty in it, has more windows than can be read."""
        return max(self.windows) - min(self.windows) >= WINDOWS_MAX * self.step_ms

    def _lengthen(self) -> None:
        before, self.windows = self.windows, {}
        self.step_ms = next(step for step in _STEPS_MS if step > self.step_ms)
        for at, part in before.items():
            self.add(at, part)


def _added_up(rows: Iterable[Row], reference: ReferenceProfile) -> _Sums:
    """Profiles whose columns are those of the reference."""
    sums = _Sums()
    for row in rows:
        part = _Sum.empty(reference)
        columns = row["columns"]
        assert isinstance(columns, Sequence), "columns are a list"
        part.rows, part.profiled = _whole(row["rows"]), _whole(row["profiled"])
        for index, (found, column) in enumerate(zip(columns, reference.columns, strict=False)):
            assert isinstance(found, Mapping), "a column is an object"
            if found["name"] == column.name:
                _add_column(part, index, found, width=column.bins.width)
        sums.add(ms_of(str(row["event_time_first"])), part)
    return sums


def _add_column(part: _Sum, index: int, found: Mapping[str, object], *, width: int) -> None:
    """Counts in other bins than the reference's are left out: bundles of one hash have the same."""
    counts, quantiles, strangers = found["counts"], found["quantiles"], found["strangers"]
    assert isinstance(counts, Sequence)
    assert isinstance(quantiles, Sequence)
    assert isinstance(strangers, Mapping)
    if len(counts) != width:
        return
    part.counts[index, :width] = counts
    part.strangers[index].update({str(name): _whole(count) for name, count in strangers.items()})
    if quantiles:
        part.present[index] = sum(counts[:-1])
        part.quantiles[index] = np.array(quantiles, dtype=np.float64) * part.present[index]


def _ordered(reference: ReferenceProfile, sums: _Sums, told: Mapping[str, Sequence[Told]]) -> tuple[ColumnStory, ...]:
    stories = [
        ColumnStory(
            name=column.name,
            importance=column.importance,
            reference=_look(column, np.array(column.counts, dtype=np.float64), column.quantiles, {}),
            looks=tuple(_look_at(column, index, each) for _, each in sums.in_order),
            told=tuple(told.get(column.name, ())),
        )
        for index, column in enumerate(reference.columns)
    ]
    return tuple(sorted(stories, key=lambda story: (not story.told, -_furthest(story), story.name)))


def _furthest(story: ColumnStory) -> float:
    return max((look.psi for look in story.looks if look.psi is not None), default=0.0)


def _look_at(column: ColumnProfile, index: int, part: _Sum) -> Look:
    counts, present = part.counts[index, : column.bins.width], part.present[index]
    quantiles = tuple((part.quantiles[index] / present).tolist()) if present else ()
    look = _look(column, counts, quantiles, part.strangers[index])
    if counts.sum() < ROWS_LEAST:
        return look
    distance = float(psi(counts, np.array(column.counts, dtype=np.float64)))
    return Look(missing=look.missing, quantiles=look.quantiles, top=look.top, psi=distance)


def _look(column: ColumnProfile, counts: Floats, quantiles: Sequence[float], strangers: Mapping[str, int]) -> Look:
    rows = max(float(counts.sum()), 1.0)
    named = {name: float(count) / rows for name, count in zip(column.categories, counts, strict=False)}
    named |= {name: count / rows for name, count in strangers.items()}
    top = sorted(((share, name) for name, share in named.items() if share > 0), key=lambda each: (-each[0], each[1]))
    return Look(
        missing=float(counts[-1]) / rows,
        quantiles=tuple(float(each) for each in quantiles),
        top={name: share for share, name in top[:TOP]},
    )


def _told(rows: Sequence[Row], version: str) -> dict[str, list[Told]]:
    """What the version's signals say of each column, oldest first; evidence of another kind says nothing."""
    told: dict[str, list[Told]] = {}
    for row in rows:
        evidence = orjson.loads(str(row["evidence"]))
        if not isinstance(evidence, dict) or evidence.get("version") != version:
            continue
        for column in evidence.get("columns", ()):
            about = Told(since=str(evidence["since"]), words=str(column["words"]), signal_id=str(row["id"]))
            told.setdefault(str(column["name"]), []).append(about)
    return {name: sorted(each, key=lambda one: (one.since, one.signal_id)) for name, each in told.items()}


def window_name(window: Window) -> str:
    """When it begins, in short.

    >>> window_name(Window(start=1364774400000, end=1364860800000, rows=1, profiled=1))
    '2013-04-01'
    >>> window_name(Window(start=1364778000000, end=1364781600000, rows=1, profiled=1))
    '2013-04-01 01:00'
    """
    text = time_text(window.start)
    whole_days = window.start % _DAY_MS == 0 and window.end % _DAY_MS == 0
    return text[:10] if whole_days else text[:16].replace("T", " ")


def _whole(value: object) -> int:
    assert isinstance(value, (int, float)), f"a number was stored: {value!r}"
    return round(value)
