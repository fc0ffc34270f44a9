"""Are there far more or far fewer requests than on the day before? Windows of append time, for one model.

Profiles of rows that were scored come in; when a window closes, what it says of the rate goes out.
A window is unusual when it is a stated factor above or below every window of the day before, so
that the night, which comes every day, is none. One change is told once: what lasts becomes usual.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal

import orjson

from schemas.alarms import REQUEST_RATE
from schemas.events import Signal

DAY_MS = 86_400_000
WINDOWS_MIN = 12
"""Windows that a baseline needs; as many unusual ones in a row are the new one."""
ROWS_MIN = 100
"""A window of fewer rows than these, above or below, says nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RateRules:
    """How long a window is (ms), and how many times more or fewer than any of the day before is told."""

    window_ms: int
    factor: float

    @property
    def kept(self) -> int:
        """Windows of a day."""
        return max(DAY_MS // self.window_ms, WINDOWS_MIN)


@dataclass(frozen=True, slots=True, kw_only=True)
class RateState:
    """`window`: the number of the open one, with its `rows`. `usual`: rows of closed ones; `unusual`: of the latest."""

    window: int | None = None
    rows: int = 0
    usual: tuple[int, ...] = ()
    unusual: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RateAlarm:
    """Rows of a window that are above or below all of the baseline."""

    where: Literal["above", "below"]
    start: int
    rows: int
    lowest: int
    highest: int
    windows: int


def observe(state: RateState, at: int, rows: int, rules: RateRules) -> tuple[RateState, list[RateAlarm]]:
    """Count rows that were appended at that moment (ms), once windows before it are closed."""
    state, alarms = close_until(state, at, rules)
    return replace(
        state, window=state.window if state.window is not None else at // rules.window_ms, rows=state.rows + rows
    ), alarms


def close_until(state: RateState, at: int, rules: RateRules) -> tuple[RateState, list[RateAlarm]]:
    """Close the windows that end at or before that moment (ms); a moment before the open one closes none."""
    alarms: list[RateAlarm] = []
    if state.window is None:
        return state, alarms
    now = at // rules.window_ms
    # What is longer than the baseline and the change to a new one together leaves the same behind.
    skipped = max(now - state.window - 2 * rules.kept, 0)
    for number in range(state.window, now - skipped):
        state, alarm = _closed(state, number, rules)
        alarms += [alarm] if alarm is not None else []
    return (replace(state, window=now) if now > (state.window or 0) else state), alarms


def rate_signal(alarm: RateAlarm, model: str, rules: RateRules, *, now: int) -> Signal:
    """The signal of an alarm, named by its window."""
    minutes = rules.window_ms / 60_000
    few = "fewer" if alarm.where == "below" else "more"
    usual = f"{alarm.lowest:,} to {alarm.highest:,} in each of the {alarm.windows:,} windows before"
    evidence = {
        "where": alarm.where,
        "rows": alarm.rows,
        "lowest": alarm.lowest,
        "highest": alarm.highest,
        "windows": alarm.windows,
        "window_start": alarm.start,
        "window_ms": rules.window_ms,
        "factor": rules.factor,
    }
    return Signal(
        signal_id=f"{REQUEST_RATE}:{model}:{alarm.where}:{alarm.start}",
        model=model,
        kind=REQUEST_RATE,
        message=f"{few} requests of {model} are scored than usual: {alarm.rows:,} in {minutes:g} minutes, {usual}",
        evidence=orjson.dumps(evidence, option=orjson.OPT_SORT_KEYS).decode(),
        raised_at=now,
    )


def _closed(state: RateState, number: int, rules: RateRules) -> tuple[RateState, RateAlarm | None]:
    rows, usual = state.rows, state.usual
    state = replace(state, window=number + 1, rows=0)
    where = _where(rows, usual, rules)
    if where is None:
        return replace(state, usual=_kept((*usual, rows), rules), unusual=()), None
    unusual = (*state.unusual, rows)
    if len(unusual) >= WINDOWS_MIN:
        return replace(state, usual=unusual, unusual=()), None
    alarm = RateAlarm(
        where=where,
        start=number * rules.window_ms,
        rows=rows,
        lowest=min(usual),
        highest=max(usual),
        windows=len(usual),
    )
    return replace(state, unusual=unusual), alarm if len(unusual) == 1 else None


def _where(rows: int, usual: tuple[int, ...], rules: RateRules) -> Literal["above", "below"] | None:
    if len(usual) < WINDOWS_MIN:
        return None
    if rows >= ROWS_MIN and rows > rules.factor * max(usual):
        return "above"
    if min(usual) >= ROWS_MIN and rows < min(usual) / rules.factor:
        return "below"
    return None


def _kept(rows: Iterable[int], rules: RateRules) -> tuple[int, ...]:
    return tuple(rows)[-rules.kept :]
