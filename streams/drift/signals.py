"""Alarms of drift as signals: what moved, from what to what, since when, how sure, what it may mean.

An alarm and the reference come in, a `Signal` goes out whose message a person can act on and
whose evidence has everything that the message rests on. Pure.
"""

from collections.abc import Mapping
from datetime import UTC, datetime

import numpy as np
import orjson

from registry.binning import QUANTILES
from registry.stability import psi
from schemas.alarms import DRIFT
from schemas.events import Signal
from streams.drift.calibration import WINDOWS
from streams.drift.causes import Cause, Explanation, Picture, explain
from streams.drift.detector import Alarm, Crossing
from streams.drift.references import DriftReference

NAMED_MAX = 5
TOP_CATEGORIES = 5
ONCE_IN_ROWS_MAX = 1e15
BACK_PSI_MAX = 0.1


def drift_signal(
    alarm: Alarm,
    reference: DriftReference,
    *,
    model: str,
    version: str,
    rows_per_false_alarm: int,
    now: int,
) -> Signal:
    """The signal of an alarm; one that is told again, complete, has the same identity."""
    columns = [_column(crossing, alarm, reference) for crossing in alarm.crossings]
    shares = [reference.columns[crossing.column].importance for crossing in alarm.crossings]
    known = [share for share in shares if share is not None]
    once_in = min(reference.block_rows / (len(WINDOWS) * max(alarm.crossings[0].chance, 1e-300)), ONCE_IN_ROWS_MAX)
    evidence = {
        "version": version,
        "since": iso(alarm.since),
        "complete": alarm.complete,
        "likely_cause": columns[0]["cause"],
        "columns": columns,
        "once_in_rows_by_chance": round(once_in),
        "rows_per_false_alarm": rows_per_false_alarm,
        "rows_judged": alarm.after.profiled,
        "performance_share": round(sum(known), 4) if known else None,
    }
    return Signal(
        signal_id=f"{DRIFT}:{model}:{version}:{alarm.start}",
        model=model,
        kind=DRIFT,
        message=_message(columns, alarm, model=model, version=version, once_in=once_in, known=known),
        evidence=orjson.dumps(evidence, option=orjson.OPT_SORT_KEYS).decode(),
        raised_at=now,
    )


def _message(
    columns: list[dict[str, object]], alarm: Alarm, *, model: str, version: str, once_in: float, known: list[float]
) -> str:
    named = ", ".join(f"{column['name']} ({column['words']})" for column in columns[:NAMED_MAX])
    more = f" and {len(columns) - NAMED_MAX} more" if len(columns) > NAMED_MAX else ""
    rests = f"; {min(sum(known), 1.0):.0%} of its performance rests on them" if known and sum(known) >= 0.005 else ""
    return (
        f"drift of {model}, judged by version {version}: {named}{more}, since {iso(alarm.since)}; "
        f"by chance once in {_rows(once_in)} rows{rests}"
    )


def _column(crossing: Crossing, alarm: Alarm, reference: DriftReference) -> dict[str, object]:
    profile = reference.columns[crossing.column]
    column = crossing.column
    now, referred = reference.picture(alarm.after, column), reference.picture_of(column)
    earlier = reference.picture(alarm.before[column], column) if column in alarm.before else referred
    explanation = explain(earlier, now, categories=profile.categories, edges=profile.edges)
    if column in alarm.left and _is_back(now, reference.picture(alarm.left[column], column), referred):
        explanation = Explanation(cause=Cause.BACK, words=str(Cause.BACK))
    return {
        "name": profile.name,
        "cause": str(explanation.cause),
        "words": explanation.words,
        "factor": explanation.factor,
        "psi": round(float(psi(now.counts, earlier.counts)), 4),
        "height": round(crossing.height, 2),
        "window_blocks": crossing.window,
        "importance": profile.importance,
        "before": _told(earlier, profile.categories),
        "now": _told(now, profile.categories),
    }


def _is_back(now: Picture, left: Picture, reference: Picture) -> bool:
    """Whether rows that left a baseline of after some drift are like those of the reference again."""
    distance = float(psi(now.counts, reference.counts))
    return distance < BACK_PSI_MAX and distance < float(psi(now.counts, left.counts)) / 2


def _told(picture: Picture, categories: tuple[str, ...]) -> Mapping[str, object]:
    """Quantiles of a number, the most frequent categories of a text, and the share that is missing."""
    missing = {"missing": round(picture.missing_share, 6)}
    if not categories:
        quantiles = {
            f"p{round(100 * part):02d}": float(value)
            for part, value in zip(QUANTILES, picture.quantiles, strict=True)
            if not np.isnan(value)
        }
        return {**missing, **quantiles}
    rows = max(float(picture.counts.sum()), 1.0)
    shares = {name: float(count) / rows for name, count in zip(categories, picture.counts, strict=False)}
    shares |= {name: count / rows for name, count in picture.strangers.items()}
    top = sorted(shares.items(), key=lambda pair: (-pair[1], pair[0]))[:TOP_CATEGORIES]
    return {**missing, "top": {name: round(share, 4) for name, share in top}}


def iso(ms: int) -> str:
    """Milliseconds since the epoch as ISO 8601, UTC."""
    return datetime.fromtimestamp(ms / 1_000, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def _rows(once_in: float) -> str:
    """A number of rows as people say it.

    >>> _rows(1.26e6), _rows(4e13), _rows(812)
    ('1.3 million', 'more than a billion', '812')
    """
    if once_in > 1e9:
        return "more than a billion"
    return f"{once_in / 1e6:,.1f} million" if once_in >= 1e6 else f"{once_in:,.0f}"
